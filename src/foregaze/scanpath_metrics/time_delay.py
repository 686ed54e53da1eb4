"""Time-delay embedding: how far windows of one scanpath are from the nearest ones of another.

Wang, Chen, Wang, Jiang, Fang & Yao (2011), CVPR. Every window of k successive fixations of the
simulated scanpath is compared with every window of the human one; its distance to the nearest of
them, divided by k, is averaged. Two distances of windows are in use, and functions of both are
here: the sum of the distances of their fixations (FixaTons; then the measure is a mean distance
of fixations), and the Frobenius norm of their difference. The scaled forms divide positions by
the longer side of the stimulus and average over all k that both scanpaths have windows for.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics.padding import distances, lengths_of, require_pairs
from foregaze.scanpath_metrics.scanpath import Scanpath, Scores, require_length
from foregaze.types import Size

TDE_WINDOW = 3


def time_delay_distance(human: Scanpath, simulated: Scanpath, window: int = TDE_WINDOW) -> float:
    """Mean over the simulated scanpath's windows of the distance to the nearest human one, in px.

    Windows are compared by the sum of the distances of their fixations. 0 is equal; not
    symmetric.

    Args:
        human: The scanpath in which near windows are looked for.
        simulated: The scanpath whose windows are averaged over.
        window: Fixations in a window.

    Raises:
        TooShortError: If a scanpath has no window.
    """
    return float(_nearest(human, simulated, window, power=1).mean())


def time_delay_hausdorff(human: Scanpath, simulated: Scanpath, window: int = TDE_WINDOW) -> float:
    """The largest of the distances that `time_delay_distance` averages, in px."""
    return float(_nearest(human, simulated, window, power=1).max())


def time_delay_distance_frobenius(
    human: Scanpath, simulated: Scanpath, window: int = TDE_WINDOW
) -> float:
    """`time_delay_distance` with windows compared by the Frobenius norm of their difference."""
    return float(_nearest(human, simulated, window, power=2).mean())


def scaled_time_delay_similarity(human: Scanpath, simulated: Scanpath, size: Size) -> float:
    """Mean over k of exp(-distance of windows of k fixations), positions over the longer side.

    In (0, 1], 1 for identical scanpaths; not symmetric. Any two scanpaths have it.
    """
    return float(scaled_time_delay_similarity_pairs([human], [simulated], size)[0])


def scaled_time_delay_similarity_frobenius(
    human: Scanpath, simulated: Scanpath, size: Size
) -> float:
    """`scaled_time_delay_similarity` with the Frobenius norm."""
    by_window = _scaled([human], [simulated], size, power=2)
    return float(np.nanmean(np.exp(-by_window)))


def scaled_time_delay_distance(human: Scanpath, simulated: Scanpath, size: Size) -> float:
    """Mean over k of the distance of windows, positions over the longer side: 0 is equal."""
    return float(np.nanmean(_scaled([human], [simulated], size, power=1)))


def scaled_time_delay_similarity_pairs(
    first: Sequence[Scanpath], second: Sequence[Scanpath], size: Size
) -> Scores:
    """`scaled_time_delay_similarity` of each pair; the first scanpath is the human one."""
    require_pairs(first, second)
    similarity: Scores = np.nanmean(np.exp(-_scaled(first, second, size, power=1)), axis=1)
    return similarity


def _nearest(
    human: Scanpath, simulated: Scanpath, window: int, power: int
) -> Float[np.ndarray, " m"]:
    """Distance over k of each simulated window to the nearest human one."""
    if window < 1:
        raise ShapeError(f"a window of {window} fixations: at least 1")
    require_length([human, simulated], window, f"time-delay embedding with windows of {window}")
    fixations = distances([human], [simulated], fill=np.inf)[0] ** power  # (n, m)
    starts = [fixations.shape[axis] - window + 1 for axis in (0, 1)]
    summed = sum(fixations[t : t + starts[0], t : t + starts[1]] for t in range(window))
    nearest: Float[np.ndarray, " m"] = np.min(summed, axis=0) ** (1 / power) / window
    return nearest


def _scaled(
    human: Sequence[Scanpath], simulated: Sequence[Scanpath], size: Size, power: int
) -> Float[np.ndarray, "P k"]:
    """Mean distance of windows of 1, 2, ... fixations; NaN where a scanpath is shorter."""
    if min(size) < 1:
        raise ShapeError(f"a stimulus of {size[0]}x{size[1]} px has no longer side")
    fixations = (distances(human, simulated, fill=np.inf) / max(size)) ** power  # (P, n, m)
    lengths = lengths_of(simulated)
    shortest = np.minimum(lengths_of(human), lengths)
    by_window = np.full((len(lengths), shortest.max(initial=1)), np.nan)
    summed = np.zeros_like(fixations)
    for k in range(1, by_window.shape[1] + 1):
        rows, columns = (side - k + 1 for side in fixations.shape[1:])
        summed = summed[:, :rows, :columns] + fixations[:, k - 1 :, k - 1 :]
        nearest = summed.min(axis=1) ** (1 / power) / k  # (P, columns)
        started = np.arange(columns) < (lengths - k + 1)[:, None]
        by_window[:, k - 1] = np.where(k <= shortest, _means(nearest, started), np.nan)
    return by_window


def _means(
    values: Float[np.ndarray, "P m"], present: Bool[np.ndarray, "P m"]
) -> Float[np.ndarray, " P"]:
    """Mean of the present entries of each row; of none, 0."""
    totals = np.where(present, values, 0).sum(axis=1)
    means: Float[np.ndarray, " P"] = totals / np.maximum(present.sum(axis=1), 1)
    return means
