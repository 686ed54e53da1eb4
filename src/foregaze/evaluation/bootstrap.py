"""Percentile bootstrap over images (Efron & Tibshirani 1993, chapter 13).

Letters: `N` images, `M` quantities that are resampled together, `R` resamples.
"""

import numpy as np
from jaxtyping import Float

RESAMPLES = 10_000
"""Resamples behind every interval that is reported."""

_DRAWS_AT_ONCE = 2**20


def mean_interval(
    values: Float[np.ndarray, " N"], rng: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95% interval of a mean over images, in the unit of the values."""
    means = _resampled_means(values[:, None], rng, resamples)[:, 0]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def ratio_interval(
    numerator: Float[np.ndarray, " N"],
    denominator: Float[np.ndarray, " N"],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> tuple[float, float] | None:
    """95% interval of mean(numerator) / mean(denominator), both over the same resampled images.

    Returns:
        None where some resample has a denominator of zero or less: the ratio then has no
        interval that a pair of numbers could give.
    """
    pairs = np.stack([numerator, denominator], axis=1)  # (N, 2)
    means = _resampled_means(pairs, rng, resamples)  # (R, 2)
    if means[:, 1].min() <= 0:
        return None
    low, high = np.quantile(means[:, 0] / means[:, 1], [0.025, 0.975])
    return float(low), float(high)


def _resampled_means(
    values: Float[np.ndarray, "N M"], rng: np.random.Generator, resamples: int
) -> Float[np.ndarray, "R M"]:
    """Means over N rows drawn with replacement, `resamples` times, in bounded memory."""
    images = len(values)
    at_once = max(1, _DRAWS_AT_ONCE // images)
    means = []
    for start in range(0, resamples, at_once):
        drawn = rng.integers(images, size=(min(at_once, resamples - start), images))  # (r, N)
        means.append(np.stack([column[drawn].mean(1) for column in values.T], axis=1))
    return np.concatenate(means)
