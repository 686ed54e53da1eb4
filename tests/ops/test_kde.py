import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from foregaze.ops.kde import kernel_at, kernel_factors, kernel_sum

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics.json"
SIZE = (6, 9)


def draw(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, SIZE[1], n), rng.uniform(0, SIZE[0], n)


def brute_force(x: np.ndarray, y: np.ndarray, sigma_px: float) -> np.ndarray:
    height, width = SIZE
    total = np.zeros(SIZE)
    for center_x, center_y in zip(x, y, strict=True):
        along_x = norm.pdf(np.arange(width) + 0.5, center_x, sigma_px)
        along_y = norm.pdf(np.arange(height) + 0.5, center_y, sigma_px)
        mass_x = norm.cdf(width, center_x, sigma_px) - norm.cdf(0, center_x, sigma_px)
        mass_y = norm.cdf(height, center_y, sigma_px) - norm.cdf(0, center_y, sigma_px)
        total += np.outer(along_y / mass_y, along_x / mass_x)
    return total


def test_sum_of_kernels_is_that_of_one_truncated_gaussian_after_the_other():
    x, y = draw(20)
    np.testing.assert_allclose(
        kernel_sum(x, y, SIZE, 1.7), brute_force(x, y, 1.7), rtol=1e-12, atol=1e-15
    )


def test_kernels_beyond_one_chunk_and_on_shared_coordinates_all_count():
    x, y = (np.floor(values * 4) / 4 for values in draw(9001))  # 36 and 24 distinct values
    whole = kernel_sum(x, y, SIZE, 1.7)
    parts = sum(kernel_sum(x[i::3], y[i::3], SIZE, 1.7) for i in range(3))
    np.testing.assert_allclose(whole, parts, rtol=1e-10)
    np.testing.assert_allclose(
        kernel_sum(x[:50], y[:50], SIZE, 1.7), brute_force(x[:50], y[:50], 1.7), rtol=1e-10
    )


def test_renormalized_kernel_in_the_corner_keeps_its_mass_in_the_image():
    corner = np.array([0.0]), np.array([0.0])
    size = (120, 160)
    assert kernel_sum(*corner, size, 8.0).sum() == pytest.approx(1, abs=2e-3)
    assert kernel_sum(*corner, size, 8.0, renormalize=False).sum() == pytest.approx(0.25, abs=1e-3)


def test_kernel_peaks_at_its_pixel_with_x_to_the_right():
    density = kernel_sum(np.array([7.5]), np.array([2.5]), SIZE, 1.0)
    assert np.unravel_index(density.argmax(), SIZE) == (2, 7)


def test_weight_two_counts_like_the_kernel_twice():
    x, y = draw(2)
    np.testing.assert_allclose(
        kernel_sum(x, y, SIZE, 2.0, np.array([1.0, 2.0])),
        kernel_sum(x[[0, 1, 1]], y[[0, 1, 1]], SIZE, 2.0),
        rtol=1e-12,
    )


def test_no_kernels_sum_to_zero_everywhere():
    assert not kernel_sum(np.empty(0), np.empty(0), SIZE, 2.0).any()


@pytest.mark.parametrize("renormalize", [True, False])
def test_pairwise_values_at_a_pixel_center_sum_to_the_map_there(renormalize):
    x, y = draw(12)
    pairs = kernel_at(
        np.array([3.5, 8.5]), np.array([0.5, 5.5]), x, y, SIZE, 1.3, renormalize=renormalize
    )
    density = kernel_sum(x, y, SIZE, 1.3, renormalize=renormalize)
    np.testing.assert_allclose(pairs.sum(1), density[[0, 5], [3, 8]], rtol=1e-12)


def test_products_of_the_factors_are_the_kernels():
    x, y = draw(12)
    along_y, along_x = kernel_factors(x, y, SIZE, 1.3)
    for some in ([3], [0, 5, 11], list(range(12))):
        np.testing.assert_allclose(
            along_y[:, some] @ along_x[:, some].T,
            kernel_sum(x[some], y[some], SIZE, 1.3),
            rtol=1e-12,
        )


def test_kernel_densities_match_pysaliencys_exact_gold_model():
    golden = json.loads(GOLDEN.read_text())
    x, y, image, observer = (np.array(golden[key]) for key in ("x", "y", "n", "subject"))
    uniform_weight = 1e-2
    for i, size in enumerate([(24, 32), (30, 30), (20, 40)]):
        for left_out in range(3):
            others = (image == i) & (observer != left_out)
            density = kernel_sum(x[others], y[others], size, 0.12 * max(size), renormalize=False)
            density = (1 - uniform_weight) * density / density.sum()
            density += uniform_weight / density.size
            scored = (image == i) & (observer == left_out)
            np.testing.assert_allclose(
                np.log(density)[y[scored].astype(int), x[scored].astype(int)],
                np.array(golden["gold_leave_one_subject_out_ll"])[scored],
                rtol=1e-12,
            )
