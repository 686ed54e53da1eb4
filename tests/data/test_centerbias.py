from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp

from foregaze.data.centerbias import CenterBias
from foregaze.errors import DataError
from foregaze.types import EyeTrackingDataset, Fixations, Stimuli

SIZE = (40, 80)


def toy_dataset(per_image: int = 6, images: int = 4, scale: int = 1) -> EyeTrackingDataset:
    rng = np.random.default_rng(7)
    n = per_image * images
    height, width = SIZE[0] * scale, SIZE[1] * scale
    return EyeTrackingDataset(
        name="toy",
        stimuli=Stimuli(
            tuple(Path(f"{i}.png") for i in range(images)),
            ((height, width),) * images,
            lambda path: np.zeros((height, width, 3), np.uint8),
        ),
        fixations=Fixations(
            image=np.repeat(np.arange(images), per_image),
            observer=np.tile(np.arange(per_image) // 2, images),
            order=np.tile(np.arange(per_image) % 2, images),
            # twice these lie in the middle of quarters of a pixel, where moving leaves them
            x=(np.floor(rng.random(n) * SIZE[1] * 8) + 0.5) / 8 * scale,
            y=(np.floor(rng.random(n) * SIZE[0] * 8) + 0.5) / 8 * scale,
            duration_ms=np.full(n, 200.0),
        ),
        starts_at_center=False,
        px_per_dva=None,
    )


def test_density_sums_to_one_at_any_size_with_or_without_an_image():
    centerbias = CenterBias(toy_dataset())
    for size in [SIZE, (33, 21)]:
        for exclude in [None, 2]:
            assert logsumexp(centerbias.log_density(size, exclude)) == pytest.approx(0, abs=1e-12)


def test_leaving_an_image_out_equals_a_data_set_without_it():
    dataset = toy_dataset()
    np.testing.assert_allclose(
        CenterBias(dataset).log_density(SIZE, exclude=1),
        CenterBias(dataset.subset([0, 2, 3])).log_density(SIZE),
        rtol=1e-10,
    )


def test_asking_twice_gives_the_same_density():
    centerbias = CenterBias(toy_dataset())
    first = centerbias.log_density(SIZE, exclude=1)
    centerbias.log_density(SIZE, exclude=2)
    np.testing.assert_array_equal(centerbias.log_density(SIZE, exclude=1), first)


def test_totals_of_the_sizes_used_last_are_kept(monkeypatch):
    monkeypatch.setattr("foregaze.data.centerbias._CACHED_BYTES", 2 * 8 * 40 * 80)
    centerbias, summed = CenterBias(toy_dataset()), []
    whole = centerbias.kernels

    def counted(images, size):
        summed.append(size)
        return whole(images, size)

    monkeypatch.setattr(centerbias, "kernels", counted)
    for width in (80, 79, 80, 78, 80, 79):  # 79 was used longest ago when 78 comes
        log_density = centerbias.log_density((40, width))
        np.testing.assert_array_equal(
            log_density, CenterBias(toy_dataset()).log_density((40, width))
        )
    assert summed == [(40, 80), (40, 79), (40, 78), (40, 79)]


def test_copies_of_the_same_picture_are_left_out_together():
    dataset = replace(toy_dataset(), same_picture=(("0.png", "3.png"),))
    for image in [0, 3]:
        np.testing.assert_allclose(
            CenterBias(dataset).log_density(SIZE, exclude=image),
            CenterBias(dataset.subset([1, 2])).log_density(SIZE),
            rtol=1e-10,
        )


def test_forced_first_fixations_are_no_evidence():
    dataset = replace(toy_dataset(), starts_at_center=True)
    later = replace(dataset, fixations=dataset.fixations.where(dataset.fixations.order > 0))
    np.testing.assert_array_equal(
        CenterBias(dataset).log_density(SIZE), CenterBias(later).log_density(SIZE)
    )


def test_positions_and_kernels_scale_with_the_image():
    doubled = (2 * SIZE[0], 2 * SIZE[1])
    np.testing.assert_allclose(
        CenterBias(toy_dataset(), sigma_px=3.0, reference_width=80).log_density(doubled),
        CenterBias(toy_dataset(scale=2), sigma_px=6.0, reference_width=160).log_density(doubled),
        rtol=1e-10,
    )


def test_pixels_far_from_every_fixation_keep_the_uniform_share():
    one = toy_dataset(per_image=1, images=1)
    centerbias = CenterBias(one, sigma_px=1.0, reference_width=80, uniform_weight=0.01)
    lowest = centerbias.log_density(SIZE).min()
    assert lowest == pytest.approx(np.log(0.01 / (SIZE[0] * SIZE[1])))


def test_no_other_image_with_fixations_is_an_error():
    centerbias = CenterBias(toy_dataset(images=1))
    with pytest.raises(DataError, match="toy: there is no center bias without evidence"):
        centerbias.log_density(SIZE, exclude=0)
