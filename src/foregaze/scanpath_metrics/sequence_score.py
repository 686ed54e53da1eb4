"""Sequence score: the longest common subsequence of two scanpaths' strings of fixated regions.

Borji, Tavakoli, Sihite & Itti (2013), ICCV; Yang et al. (2020), CVPR. The regions are clusters
that mean shift finds in the human fixations of an image; a fixation's symbol is its nearest
cluster center. Strings are aligned with match 1, mismatch 0 and gap 0, which gives the length of
the longest common subsequence, and divided by the longer one's length. Letter: `K` clusters.

Published code reads clusters from files whose bandwidth is not stated, so numbers compare only
between models that are scored with the same clusters.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics.alignment import best_alignments
from foregaze.scanpath_metrics.padding import lengths_of, pad_codes, require_pairs
from foregaze.scanpath_metrics.scanpath import Scanpath, Scores

STANDSTILL = 1e-3
"""A seed that moves less than this part of the bandwidth has arrived."""
MOST_STEPS = 300


def sequence_score(a: Scanpath, b: Scanpath, centers: Float[np.ndarray, "K 2"]) -> float:
    """Longest common subsequence over the longer length: 0 to 1, which equal strings have.

    Args:
        a: A scanpath; its symbols are the nearest centers, however far.
        b: The other one.
        centers: x, y of each cluster, from `mean_shift` or given.
    """
    return float(sequence_score_pairs([a], [b], centers)[0])


def sequence_score_pairs(
    first: Sequence[Scanpath], second: Sequence[Scanpath], centers: Float[np.ndarray, "K 2"]
) -> Scores:
    """`sequence_score` of each pair."""
    require_pairs(first, second)
    if not len(centers):
        raise ShapeError("the sequence score needs at least one cluster center")
    strings = [[nearest_center(s, centers) for s in side] for side in (first, second)]
    common = best_alignments(
        pad_codes(strings[0], len(centers)),
        pad_codes(strings[1], len(centers)),
        np.eye(len(centers)),
    )
    score: Scores = common / np.maximum(lengths_of(first), lengths_of(second))
    return score


def nearest_center(scanpath: Scanpath, centers: Float[np.ndarray, "K 2"]) -> Int[np.ndarray, " N"]:
    """Number of the center that is nearest to each fixation; of equally near ones the first."""
    x, y = centers.T
    apart = np.hypot(scanpath.x[:, None] - x, scanpath.y[:, None] - y)  # (N, K)
    nearest: Int[np.ndarray, " N"] = apart.argmin(axis=1)
    return nearest


def mean_shift(
    x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"], bandwidth_px: float
) -> Float[np.ndarray, "K 2"]:
    """x, y of the clusters' centers, most fixations first.

    Comaniciu & Meer (2002) with a flat kernel, as in scikit-learn: from every fixation, a seed
    moves to the mean of the fixations within the bandwidth until it stands still. Of seeds within
    a bandwidth of each other, the one with most fixations around it stays.

    Raises:
        ShapeError: If there is no fixation or the bandwidth is not positive.
    """
    if not len(x) or not bandwidth_px > 0:
        raise ShapeError(
            f"mean shift of {len(x)} fixations with a bandwidth of {bandwidth_px} px: "
            "give at least one fixation and a positive bandwidth"
        )
    points = np.stack([x, y], axis=1).astype(np.float64)  # (N, 2)
    seeds = points.copy()
    around = np.zeros(len(seeds), dtype=np.int64)
    moving = np.ones(len(seeds), dtype=bool)
    for _ in range(MOST_STEPS):
        near = _apart(seeds[moving], points) <= bandwidth_px
        moved = near @ points / near.sum(axis=1, keepdims=True)
        shift_px = np.hypot(*(moved - seeds[moving]).T)
        seeds[moving], around[moving] = moved, near.sum(axis=1)
        moving[moving] = shift_px > STANDSTILL * bandwidth_px
        if not moving.any():
            break
    strongest_first = np.lexsort((seeds[:, 1], seeds[:, 0], around))[::-1]
    seeds = seeds[strongest_first]
    close = _apart(seeds, seeds) <= bandwidth_px
    stays = np.ones(len(seeds), dtype=bool)
    for seed in range(len(seeds)):
        if stays[seed]:
            stays[seed + 1 :] &= ~close[seed, seed + 1 :]
    return seeds[stays]


def _apart(a: Float[np.ndarray, "A 2"], b: Float[np.ndarray, "B 2"]) -> Float[np.ndarray, "A B"]:
    """Euclidean distances."""
    apart: Float[np.ndarray, "A B"] = np.hypot(*(a[:, None] - b).transpose(2, 0, 1))
    return apart
