"""Percentile bootstrap over images (Efron & Tibshirani 1993, chapter 13).

The resamples of so many images are always the same, so that equal values make equal intervals and
quantities of one set of images are compared under the same resamples.

Letters: `N` images, `M` quantities that are resampled together, `R` resamples.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from jaxtyping import Float

RESAMPLES = 10_000
"""Resamples behind every interval that is reported."""

SEED = 0

_DRAWS_AT_ONCE = 2**22
_ENDS = (0.025, 0.975)


def mean_intervals(
    values: Float[np.ndarray, "N M"], resamples: int = RESAMPLES
) -> list[tuple[float, float] | None]:
    """95% intervals of means over images, in the units of the values; None of a single image."""
    if len(values) < 2:
        return [None] * values.shape[1]
    low, high = np.quantile(_resampled_means(values, resamples), _ENDS, axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def ratio_interval(
    numerator: Float[np.ndarray, " N"],
    denominator: Float[np.ndarray, " N"],
    resamples: int = RESAMPLES,
) -> tuple[float, float] | None:
    """95% interval of mean(numerator) / mean(denominator), both over the same resampled images.

    Returns:
        None where some resample has a denominator of zero or less: the ratio then has no
        interval that a pair of numbers could give. None of a single image.
    """
    if len(numerator) < 2:
        return None
    pairs = np.stack([numerator, denominator], axis=1)  # (N, 2)
    means = _resampled_means(pairs, resamples)  # (R, 2)
    if means[:, 1].min() <= 0:
        return None
    low, high = np.quantile(means[:, 0] / means[:, 1], _ENDS)
    return float(low), float(high)


def _resampled_means(values: Float[np.ndarray, "N M"], resamples: int) -> Float[np.ndarray, "R M"]:
    """Means over N rows drawn with replacement, `resamples` times, in bounded memory."""
    return np.concatenate([counts @ values for counts in _counts(len(values), resamples)]) / len(
        values
    )


def _counts(images: int, resamples: int) -> Iterator[Float[np.ndarray, "r N"]]:
    """How often each image occurs in each resample, some resamples at a time."""
    if images * resamples <= 2 * _DRAWS_AT_ONCE:
        yield _all_counts(images, resamples)
        return
    rng = np.random.default_rng(SEED)
    at_once = max(1, _DRAWS_AT_ONCE // images)
    for start in range(0, resamples, at_once):
        yield _draw(rng, images, min(at_once, resamples - start))


@lru_cache(4)
def _all_counts(images: int, resamples: int) -> Float[np.ndarray, "R N"]:
    return _draw(np.random.default_rng(SEED), images, resamples)


def _draw(rng: np.random.Generator, images: int, resamples: int) -> Float[np.ndarray, "r N"]:
    uniform = np.full(images, 1 / images)
    return rng.multinomial(images, uniform, size=resamples).astype(np.float64)
