import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import chisquare, kstest

from foregaze.ops.logdensity import mix, normalize, pool, resample, sample_pixels


def scores(*shape: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def masses(log_density: torch.Tensor) -> torch.Tensor:
    return log_density.exp().sum((-2, -1))


def assert_normalized(log_density: torch.Tensor) -> None:
    torch.testing.assert_close(masses(log_density), torch.ones_like(masses(log_density)))


def test_normalized_scores_sum_to_one_and_keep_their_differences():
    x = scores(2, 3, 5, 7) + 900  # beyond what exp can hold
    log_density = normalize(x)
    assert_normalized(log_density)
    torch.testing.assert_close(log_density - log_density[..., :1, :1], x - x[..., :1, :1])


def test_normalizing_matches_scipy():
    x = scores(4, 6)
    np.testing.assert_allclose(normalize(x).numpy(), x.numpy() - logsumexp(x.numpy()), rtol=1e-14)


def test_a_mixture_is_the_mean_of_the_densities():
    components = normalize(scores(3, 2, 4, 5))
    torch.testing.assert_close(mix(components).exp(), components.exp().mean(0))


def test_a_mixture_stays_finite_where_components_underflow():
    components = normalize(
        torch.stack([torch.tensor([[0.0, -2000.0]]), torch.tensor([[0.0, -2e3]])])
    )
    torch.testing.assert_close(mix(components), torch.tensor([[0.0, -2000.0]]))


@pytest.mark.parametrize("size", [(9, 14), (4, 3), (6, 7), (1, 1)])
def test_a_resampled_density_sums_to_one(size):
    resampled = resample(normalize(scores(2, 6, 7)), size)
    assert resampled.shape == (2, *size)
    assert_normalized(resampled)


def test_a_resampled_uniform_density_is_uniform():
    uniform = normalize(torch.zeros(1, 5, 4, dtype=torch.float64))
    torch.testing.assert_close(
        resample(uniform, (11, 7)), torch.full((1, 11, 7), -np.log(77.0), dtype=torch.float64)
    )


def test_resampling_carries_a_slope_to_the_same_places():
    """In the middle, a log density linear in x has half the slope per pixel at twice the width."""
    slope = torch.arange(8, dtype=torch.float64).expand(1, 6, 8)
    resampled = resample(normalize(slope), (12, 16))
    step = resampled[0].diff(dim=-1)[:, 1:-1]  # beyond the outermost cell centers it is flat
    torch.testing.assert_close(step, torch.full_like(step, 0.5))
    torch.testing.assert_close(resampled[0, :, 0], resampled[0, :1, 0].expand(12))


def test_resampling_to_the_same_size_changes_nothing():
    log_density = normalize(scores(2, 6, 7))
    assert resample(log_density, (6, 7)) is log_density


def test_a_pooled_density_sums_the_blocks_it_covers():
    log_density = normalize(scores(2, 6, 8))
    blocks = log_density.exp().reshape(2, 3, 2, 2, 4).sum((2, 4))
    torch.testing.assert_close(pool(log_density, (3, 2)).exp(), blocks)


def test_pooling_to_sizes_that_do_not_divide_keeps_a_uniform_density():
    uniform = normalize(torch.zeros(1, 7, 11, dtype=torch.float64))
    torch.testing.assert_close(pool(uniform, (3, 4)).exp(), torch.full((1, 3, 4), 1 / 12).double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_pooled_cell_without_mass_is_finite_and_worth_nothing(dtype):
    density = torch.zeros(1, 4, 4, dtype=dtype)
    density[0, :2, :2] = 0.25
    pooled = pool(density.log(), (2, 2))
    assert pooled.isfinite().all()
    torch.testing.assert_close(pooled.exp(), torch.tensor([[[1, 0], [0, 0]]], dtype=dtype))


def test_samples_follow_the_density():
    density = np.array([[0.05, 0.0, 0.2], [0.4, 0.3, 0.05]])
    with np.errstate(divide="ignore"):
        log_density = np.log(density)
    n = 20_000
    x, y = sample_pixels(log_density, n, np.random.default_rng(5)).T
    counts = np.zeros((2, 3))
    np.add.at(counts, (np.floor(y).astype(int), np.floor(x).astype(int)), 1)
    assert counts[0, 1] == 0
    possible = density > 0
    assert chisquare(counts[possible], n * density[possible]).pvalue > 0.05
    assert kstest(x % 1, "uniform").pvalue > 0.05
    assert kstest(y % 1, "uniform").pvalue > 0.05


def test_samples_lie_inside_the_image():
    log_density = normalize(scores(3, 5)).numpy().astype(np.float32)
    x, y = sample_pixels(log_density, 5000, np.random.default_rng(1)).T
    assert 0 <= x.min() < 0.1
    assert 4.9 < x.max() < 5
    assert 0 <= y.min() < 0.1
    assert 2.9 < y.max() < 3


class ExtremeDraws(np.random.Generator):
    """Every draw is the smallest or the largest that NumPy can return."""

    def __init__(self, *, largest: bool) -> None:
        super().__init__(np.random.PCG64(0))
        self.largest = largest

    def random(self, size=None, dtype=np.float64, out=None):
        draw = np.nextafter(dtype(1), dtype(0)) if self.largest else dtype(0)
        return np.full(size, draw, dtype=dtype)


def test_the_largest_draw_stays_inside_the_last_pixel():
    log_density = np.full((600, 800), -np.log(480_000))
    ((x, y),) = sample_pixels(log_density, 1, ExtremeDraws(largest=True))
    assert 799.99 < x < 800
    assert 599.99 < y < 600


def test_the_smallest_draw_falls_into_the_first_pixel_with_mass():
    log_density = np.array([[-np.inf, -np.inf, 0.0]])
    assert sample_pixels(log_density, 1, ExtremeDraws(largest=False)).tolist() == [[2, 0]]


def test_no_samples_are_an_empty_table():
    assert sample_pixels(np.zeros((1, 1)), 0, np.random.default_rng(0)).shape == (0, 2)


def test_the_same_generator_draws_the_same_samples():
    log_density = normalize(scores(4, 4)).numpy()
    first, second = (sample_pixels(log_density, 9, np.random.default_rng(8)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, sample_pixels(log_density, 9, np.random.default_rng(9)))
