"""From a density to the saliency map that scores best on a metric, if fixations follow it.

Kümmerer, Wallis & Bethge (2018), "Saliency benchmarking made easy", ECCV: a metric asks for a map,
a model knows a density, and what map the metric rewards most follows from the density. Log
densities in nats whose `exp` sums to one; maps in float64.

Letters: `S` sampled empirical maps, `h w` a grid coarser than the pixels.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.ndimage import zoom
from scipy.stats import rankdata

from foregaze.ops.gaussian import blur, blurred_counts
from foregaze.types import Size

SIM_SAMPLES = 400
_CELLS_PER_SIGMA = 2.5


def density_map(log_density: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """The density itself, for NSS."""
    density: Float[np.ndarray, "H W"] = np.exp(log_density, dtype=np.float64)
    return density


def auc_map(log_density: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """The equalized density: the share of pixels with a smaller density, equal ones half.

    Any increasing function of the density has the same AUC; this one has a flat histogram. From
    0 to 1.
    """
    ranks = rankdata(log_density, method="average").reshape(log_density.shape)
    equalized: Float[np.ndarray, "H W"] = (ranks - 0.5) / log_density.size
    return equalized


def shuffled_auc_map(
    log_density: Float[np.ndarray, "H W"], centerbias: Float[np.ndarray, "H W"]
) -> Float[np.ndarray, "H W"]:
    """Log density over center bias: how much more likely than elsewhere a fixation is here.

    Args:
        log_density: The prediction.
        centerbias: Log density of the negatives, which are the fixations of other images.
    """
    ratio: Float[np.ndarray, "H W"] = log_density.astype(np.float64) - centerbias
    return ratio


def blurred_map(log_density: Float[np.ndarray, "H W"], sigma_px: float) -> Float[np.ndarray, "H W"]:
    """The density blurred as empirical maps are (zeros beyond the edges), for CC and KLDiv.

    Args:
        log_density: The prediction.
        sigma_px: Standard deviation of the empirical maps' kernel.
    """
    return blur(density_map(log_density), sigma_px, "constant")


def sim_map(
    log_density: Float[np.ndarray, "H W"],
    sigma_px: float,
    fixations: int,
    samples: int = SIM_SAMPLES,
    seed: int = 0,
) -> Float[np.ndarray, "H W"]:
    """The map with the largest expected SIM, for a number of fixations.

    Expected SIM, sum E[min(q, Q)] over random empirical maps Q, is a concave function of each
    pixel's q with slope P(Q > q). Where the sum of q is fixed to one the best slopes are all
    equal: q is in each pixel the same quantile of Q, the one that makes it sum to one. (The
    benchmark climbs the same function by gradient steps.) The quantiles come from sampled
    empirical maps on a grid finer than half of sigma, the result is carried back by cubic splines.

    Args:
        log_density: The prediction.
        sigma_px: Standard deviation of the empirical maps' kernel.
        fixations: Fixations that make one empirical map, for instance the data set's mean.
        samples: Empirical maps that are drawn.
        seed: Of the samples.

    Returns:
        Sums to one.
    """
    height, width = log_density.shape
    step = max(1, int(sigma_px / _CELLS_PER_SIGMA))
    coarse = _cells(density_map(log_density), step)  # (h, w)
    rng = np.random.default_rng(seed)
    cumulative = np.cumsum(coarse)
    drawn = rng.random((samples, fixations)) * cumulative[-1]
    cell = np.minimum(np.searchsorted(cumulative, drawn, side="right"), coarse.size - 1)
    row, column = np.unravel_index(cell, coarse.shape)  # (S, fixations)
    empirical = np.empty((coarse.size, samples), dtype=np.float32)
    grid: Size = (coarse.shape[0], coarse.shape[1])
    for i in range(samples):
        counts = blurred_counts(column[i], row[i], grid, sigma_px / step)
        empirical[:, i] = counts.ravel() / fixations
    empirical.sort(axis=1)
    best = _quantile_of_sum_one(empirical).reshape(coarse.shape)
    if step > 1:
        best = (_spline(grid[0], step) @ best @ _spline(grid[1], step).T)[:height, :width]
        best = np.maximum(best, 0.0)
    summing_to_one: Float[np.ndarray, "H W"] = best / best.sum()
    return summing_to_one


@lru_cache(16)
def _spline(cells: int, step: int) -> Float[np.ndarray, "n m"]:
    """Matrix that carries cells to pixels by cubic splines: column i is the response to cell i."""
    pixels: Float[np.ndarray, "n m"] = zoom(
        np.eye(cells), (step, 1), order=3, mode="nearest", grid_mode=True
    )
    return pixels


def _cells(density: Float[np.ndarray, "H W"], step: int) -> Float[np.ndarray, "h w"]:
    """Mass in squares of `step` pixels; those at the far edges may be smaller."""
    rows, columns = (np.arange(0, length, step) for length in density.shape)
    mass: Float[np.ndarray, "h w"] = np.add.reduceat(
        np.add.reduceat(density, rows, axis=0), columns, axis=1
    )
    return mass


def _quantile_of_sum_one(ascending: Float[np.ndarray, "n S"]) -> Float[np.ndarray, " n"]:
    """The quantile, one share for all rows, whose values sum to one."""
    totals = ascending.sum(0, dtype=np.float64)  # (S,), ascending
    above = int(np.clip(np.searchsorted(totals, 1.0), 1, len(totals) - 1))
    low, high = totals[above - 1], totals[above]
    share = min(max((1.0 - low) / (high - low), 0.0), 1.0) if high > low else 0.0
    between: Float[np.ndarray, " n"] = (
        (1 - share) * ascending[:, above - 1] + share * ascending[:, above]
    ).astype(np.float64)
    return between
