import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from foregaze.errors import ShapeError
from foregaze.ops.empirical import empirical_map, empirical_map_mit

MAKERS = pytest.mark.parametrize(
    "make", [lambda x, y, size: empirical_map(x, y, size, 3.0), empirical_map_mit]
)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(0.5, 15))
def test_map_is_scipys_filter_of_the_fixation_counts(seed, fixations, sigma_px):
    rng = np.random.default_rng(seed)
    size = (19, 26)
    x, y = rng.integers(0, 26, fixations), rng.integers(0, 19, fixations)
    counts = np.zeros(size)
    np.add.at(counts, (y, x), 1)
    found = empirical_map(x, y, size, sigma_px)
    expected = gaussian_filter(counts, sigma_px) / fixations
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert found.sum() == pytest.approx(1, rel=1e-12)


def test_map_counts_a_pixel_as_often_as_it_was_fixated():
    twice = empirical_map(np.array([5, 5, 20]), np.array([5, 5, 5]), (11, 26), 1.0)
    assert twice[5, 5] == pytest.approx(2 * twice[5, 20], rel=1e-12)


def low_passed_by_cosines(fixation_map: np.ndarray, side: int, cutoff: int) -> np.ndarray:
    """The filter's response to each fixated pixel, frequency by frequency."""
    height, width = fixation_map.shape
    frequencies = np.arange(-side // 2, side // 2)
    gain = np.exp(-np.log(2) * (frequencies / cutoff) ** 2)
    smooth = np.zeros(fixation_map.shape)
    for row, column in zip(*np.nonzero(fixation_map), strict=True):
        along = []
        for length, at in ((height, row), (width, column)):
            phase = 2 * np.pi * np.outer(np.arange(length) - at, frequencies) / side
            along.append(np.cos(phase) @ gain / side)
        smooth += np.outer(*along)
    return smooth


@pytest.mark.parametrize(
    ("size", "side"), [((20, 30), 32), ((32, 32), 32), ((33, 20), 64), ((1, 2), 2)]
)
@pytest.mark.parametrize("cutoff", [8, 3])
def test_mit_map_is_the_fourier_filter_evaluated_frequency_by_frequency(size, side, cutoff):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, size[1], 12), rng.integers(0, size[0], 12)
    fixation_map = np.zeros(size, dtype=bool)
    fixation_map[y, x] = True
    expected = low_passed_by_cosines(fixation_map, side, cutoff)
    np.testing.assert_allclose(empirical_map_mit(x, y, size, cutoff), expected, atol=1e-12)


def test_mit_map_is_a_gaussian_of_24_px_for_a_side_of_1024():
    found = empirical_map_mit(np.array([500]), np.array([400]), (768, 1024))
    single = np.zeros((768, 1024))
    single[400, 500] = 1
    sigma_px = 1024 * np.sqrt(np.log(2) / (2 * np.pi**2)) / 8
    assert sigma_px == pytest.approx(23.99, abs=0.005)
    expected = gaussian_filter(single, sigma_px, truncate=8, mode="wrap")
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_mit_map_counts_each_pixel_once():
    twice = np.array([5, 5, 20]), np.array([5, 5, 5])
    once = np.array([5, 20]), np.array([5, 5])
    np.testing.assert_array_equal(
        empirical_map_mit(*twice, (11, 26)), empirical_map_mit(*once, (11, 26))
    )


@MAKERS
def test_map_without_fixations_is_an_error(make):
    nothing = np.empty(0, np.int64)
    with pytest.raises(ShapeError, match="an empirical map needs fixations, and there are none"):
        make(nothing, nothing, (10, 20))


@MAKERS
@pytest.mark.parametrize(("x", "y"), [(20, 0), (-1, 0), (0, 10), (0, -1)])
def test_fixation_outside_is_an_error(make, x, y):
    with pytest.raises(ShapeError, match="1 of 2 fixations lie outside the 10x20 image: drop"):
        make(np.array([1, x]), np.array([1, y]), (10, 20))
