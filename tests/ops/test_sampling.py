import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from foregaze.ops.logdensity import normalize, resample
from foregaze.ops.sampling import sample_resampled


@pytest.mark.parametrize(
    ("grid", "size"), [((6, 8), (24, 32)), ((6, 8), (19, 45)), ((9, 12), (7, 5)), ((4, 5), (4, 5))]
)
def test_draws_follow_the_density_at_the_images_size(grid, size):
    log_density = normalize(
        2 * torch.randn(1, *grid, generator=torch.Generator().manual_seed(0)).double()
    )
    expected = resample(log_density, size)[0].exp().flatten().numpy()
    n = 20_000
    drawn = sample_resampled(log_density.expand(n, -1, -1).float(), size, np.random.default_rng(1))
    pixel = drawn[:, 1].astype(int) * size[1] + drawn[:, 0].astype(int)
    counts = np.bincount(pixel, minlength=size[0] * size[1])
    likely = expected * n >= 5
    observed = np.append(counts[likely], counts[~likely].sum())
    wanted = np.append(expected[likely], expected[~likely].sum()) * n
    observed, wanted = observed[wanted > 0], wanted[wanted > 0]
    assert chisquare(observed, wanted * observed.sum() / wanted.sum()).pvalue > 1e-3


def test_the_test_above_would_notice_a_density_drawn_cell_by_cell():
    grid, size, n = (6, 8), (24, 32), 20_000
    log_density = normalize(
        2 * torch.randn(1, *grid, generator=torch.Generator().manual_seed(0)).double()
    )
    interpolated = resample(log_density, size)[0].exp().flatten().numpy()
    by_cell = log_density[0].exp().repeat_interleave(4, 0).repeat_interleave(4, 1).flatten() / 16
    counts = np.random.default_rng(0).multinomial(n, by_cell.numpy() / by_cell.sum().item())
    assert chisquare(counts, interpolated * n / interpolated.sum()).pvalue < 1e-6


def test_each_density_gives_its_own_draw():
    log_density = torch.full((3, 4, 4), -30.0)
    for i in range(3):
        log_density[i, i, 3 - i] = 0.0
    drawn = sample_resampled(log_density, (4, 4), np.random.default_rng(0))
    assert drawn.astype(int).tolist() == [[3, 0], [2, 1], [1, 2]]


def test_positions_stay_inside_the_image_and_repeat_with_the_seed():
    log_density = torch.zeros(500, 3, 3)
    first = sample_resampled(log_density, (7, 11), np.random.default_rng(4))
    assert (first >= 0).all()
    assert (first < [11, 7]).all()
    np.testing.assert_array_equal(
        first, sample_resampled(log_density, (7, 11), np.random.default_rng(4))
    )


def test_draws_from_one_steep_peak_end_and_follow_it():
    column, row = (torch.arange(8.0) - 3).abs(), (torch.arange(6.0) - 2).abs()
    steep = -3000 * column[None, None] - 300 * row[None, :, None]
    drawn = sample_resampled(steep.expand(400, -1, -1), (60, 80), np.random.default_rng(0))
    # The peak's center is a corner that four pixels share; all others have next to nothing.
    places, counts = np.unique(drawn.astype(int), axis=0, return_counts=True)
    assert places.tolist() == [[34, 24], [34, 25], [35, 24], [35, 25]]
    assert chisquare(counts).pvalue > 1e-3
