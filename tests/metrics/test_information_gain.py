import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from foregaze.errors import ShapeError
from foregaze.metrics import information_gain, log_likelihood


def random_log_density(seed: int) -> np.ndarray:
    density = np.random.default_rng(seed).random((5, 7)) + 1e-3
    return np.log(density / density.sum())


def pysaliencys_baseline(golden, size: tuple[int, int]) -> np.ndarray:
    """BaselineModel, bandwidth 0.1, eps 1e-3, from the fixations of all images."""
    sizes = np.array(golden.sizes)[golden.image]
    columns = (golden.x / sizes[:, 1] * size[1]).astype(int)
    rows = (golden.y / sizes[:, 0] * size[0]).astype(int)
    counts = np.zeros(size)
    np.add.at(counts, (rows, columns), 1)
    blurred = gaussian_filter(counts, (0.1 * size[0], 0.1 * size[1]))
    mixed = blurred * (1 - 1e-3) + 1e-3 / counts.size
    return np.log(mixed / mixed.sum())


def test_gain_over_a_baseline_matches_pysaliency(golden):
    gains = [
        information_gain(image.log_density, pysaliencys_baseline(golden, size), image.x, image.y)
        for image, size in zip(golden.images(), golden.sizes, strict=True)
    ]
    per_fixation = np.concatenate(gains).mean()
    per_image = np.mean([gain.mean() for gain in gains])
    assert per_fixation == pytest.approx(golden.values["IG_baseline_fixation"], rel=1e-12)
    assert per_image == pytest.approx(golden.values["IG_baseline_image"], rel=1e-12)


def test_twice_the_baseline_density_is_worth_one_bit():
    uniform = np.full((4, 8), 1 / 32)
    density = uniform * 30 / 31
    density[3, 7] = 2 / 32  # row 3, column 7; still sums to one
    gain = information_gain(np.log(density), np.log(uniform), x=np.array([7]), y=np.array([3]))
    assert gain.item() == pytest.approx(1.0)


@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(0, 4))
def test_gain_of_a_model_over_itself_is_zero(seed, x, y):
    log_density = random_log_density(seed)
    assert information_gain(log_density, log_density, np.array([x]), np.array([y])).item() == 0


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_gain_is_the_difference_of_likelihoods(seed, baseline_seed):
    model, baseline = random_log_density(seed), random_log_density(baseline_seed)
    x, y = np.array([0, 6, 3, 3]), np.array([4, 0, 2, 2])
    np.testing.assert_allclose(
        information_gain(model, baseline, x, y),
        log_likelihood(model, x, y) - log_likelihood(baseline, x, y),
        atol=1e-12,
    )


def test_fixation_outside_the_map_is_an_error():
    with pytest.raises(ShapeError, match="outside the 2x2 map"):
        information_gain(np.zeros((2, 2)), np.zeros((2, 2)), np.array([2]), np.array([0]))
