import numpy as np
import pytest

from foregaze.models.spectral_residual import spectral_residual


def test_an_odd_patch_in_a_regular_texture_stands_out():
    columns = np.indices((240, 320))[1]
    gray = np.where(columns // 4 % 2, 200, 60).astype(np.uint8)
    gray[100:124, 200:224] = np.where(np.indices((24, 24))[0] // 4 % 2, 200, 60)
    saliency = spectral_residual(np.stack([gray] * 3, axis=-1))
    y, x = np.unravel_index(saliency.argmax(), saliency.shape)
    assert 95 <= y <= 129
    assert 195 <= x <= 229


@pytest.mark.parametrize("size", [(64, 64), (50, 333), (600, 800)])
def test_map_has_the_size_of_the_image_and_is_finite(size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    saliency = spectral_residual(image)
    assert saliency.shape == size
    assert np.isfinite(saliency).all()
    assert saliency.min() >= 0


def test_a_constant_image_has_a_finite_map():
    assert np.isfinite(spectral_residual(np.full((80, 90, 3), 128, np.uint8))).all()


def test_brightness_scaled_in_place_of_contrast_changes_little():
    image = np.random.default_rng(0).integers(0, 120, (128, 128, 3)).astype(np.uint8)
    first, second = spectral_residual(image), spectral_residual(image * 2)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.99
