import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from foregaze.ops.gaussian import blur, blurred_counts


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    sigma_px=st.floats(0.3, 40),
    edges=st.sampled_from(["reflect", "constant"]),
)
def test_blur_is_scipys_gaussian_filter(seed, height, width, sigma_px, edges):
    values = np.random.default_rng(seed).normal(size=(height, width))
    expected = gaussian_filter(values, sigma_px, mode=edges)
    np.testing.assert_allclose(blur(values, sigma_px, edges), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("edges", ["reflect", "constant"])
def test_blur_of_a_photograph_sized_map_is_scipys(edges):
    values = np.random.default_rng(0).random((300, 400))
    expected = gaussian_filter(values, 24.0, mode=edges)
    np.testing.assert_allclose(blur(values, 24.0, edges), expected, rtol=1e-12)


def test_blur_of_a_single_precision_map_is_computed_in_double():
    values = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    expected = gaussian_filter(values.astype(np.float64), 3.0)
    np.testing.assert_allclose(blur(values, 3.0, "reflect"), expected, rtol=1e-12)


def test_mirrored_edges_keep_the_sum_and_zeros_beyond_them_lose_some():
    values = np.random.default_rng(0).random((20, 30))
    assert blur(values, 5.0, "reflect").sum() == pytest.approx(values.sum(), rel=1e-12)
    assert blur(values, 5.0, "constant").sum() < 0.95 * values.sum()


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.floats(0.3, 20))
def test_blurred_counts_are_scipys_filter_of_the_counts(seed, fixations, sigma_px):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 23, fixations), rng.integers(0, 17, fixations)
    counts = np.zeros((17, 23))
    np.add.at(counts, (y, x), 1)
    expected = gaussian_filter(counts, sigma_px)
    blurred = blurred_counts(x, y, (17, 23), sigma_px)
    np.testing.assert_allclose(blurred, expected, rtol=1e-12, atol=1e-12)
    assert blurred.sum() == pytest.approx(fixations, rel=1e-12)


def test_counts_peak_at_their_pixel_with_x_to_the_right():
    blurred = blurred_counts(np.array([20]), np.array([3]), (17, 23), 1.0)
    assert np.unravel_index(blurred.argmax(), blurred.shape) == (3, 20)
