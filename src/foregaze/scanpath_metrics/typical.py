"""The most typical of many scanpaths: those that are most like all the others.

Our own: each scanpath's mean ScanMatch and its mean MultiMatch (over dimensions) with the others,
both standardized over the scanpaths, are added. `n` scanpaths.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from foregaze.errors import ConfigError
from foregaze.scanpath_metrics.multimatch import DIMENSIONS, multimatch_pairs
from foregaze.scanpath_metrics.scanmatch import OSIE, OSIE_WITHOUT_DURATION, scanmatch_pairs
from foregaze.scanpath_metrics.scanpath import Scanpath, Scores
from foregaze.types import Size

COMPARED = 50
"""Scanpaths that each is compared with at most, the first ones: cost grows with n, not with n^2."""


def most_typical(scanpaths: Sequence[Scanpath], count: int, size: Size) -> list[Scanpath]:
    """Those `count` of the scanpaths that are most like all the others, in their order.

    Args:
        scanpaths: In no order that matters, such as samples from a model. Durations count where
            all of them are known.
        count: How many to keep.
        size: (H, W) of the stimulus.

    Raises:
        ConfigError: If `count` is below one, or there are fewer scanpaths.
    """
    if not 1 <= count <= len(scanpaths):
        raise ConfigError(f"count is {count}, expected 1 to {len(scanpaths)}, the scanpaths given")
    order = np.argsort(-typicality(scanpaths, size), kind="stable")
    return [scanpaths[number] for number in sorted(order[:count].tolist())]


def typicality(scanpaths: Sequence[Scanpath], size: Size) -> Float[np.ndarray, " n"]:
    """How much like the others each scanpath is; comparable among these only.

    A scanpath that a measure is not defined for, such as one with fewer than 3 fixations for
    MultiMatch, is in that measure as the least typical one.
    """
    timed = all(scanpath.has_durations for scanpath in scanpaths)
    setting = OSIE if timed else OSIE_WITHOUT_DURATION
    dimensions = len(DIMENSIONS) if timed else DIMENSIONS.index("duration")

    def scanmatch(first: list[Scanpath], second: list[Scanpath]) -> Scores:
        return scanmatch_pairs(first, second, size, setting)

    def multimatch(first: list[Scanpath], second: list[Scanpath]) -> Scores:
        scores: Scores = multimatch_pairs(first, second, size)[:, :dimensions].mean(axis=1)
        return scores

    found: Float[np.ndarray, " n"] = np.sum(
        [_standardized(scanpaths, measure) for measure in (scanmatch, multimatch)], axis=0
    )
    return found


def _standardized(
    scanpaths: Sequence[Scanpath], pairs: Callable[[list[Scanpath], list[Scanpath]], Scores]
) -> Float[np.ndarray, " n"]:
    """Mean score of each scanpath with the others, in standard deviations from the usual one."""
    means = np.full(len(scanpaths), np.nan)
    for number, scanpath in enumerate(scanpaths):
        others = [other for k, other in enumerate(scanpaths[:COMPARED]) if k != number]
        scores = pairs([scanpath] * len(others), others)
        if (defined := ~np.isnan(scores)).any():
            means[number] = scores[defined].mean()
    known = ~np.isnan(means)
    if not known.any() or not means[known].std() > 0:
        return np.zeros(len(scanpaths))
    z: Float[np.ndarray, " n"] = (means - means[known].mean()) / means[known].std()
    z[~known] = z[known].min()
    return z
