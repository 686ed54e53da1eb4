"""Fixations from MIT1003's raw gaze, by the routine that its authors publish.

`checkFixations` (Hidalgo-Sotelo, 2006, in DatabaseCode.zip of MIT1003) calls it an acceleration:
the difference of two smoothed speeds. A saccade begins where that stays above a threshold for
three samples, and ends where it comes back from below minus the threshold. What lies between
saccades is a fixation, at the median of its samples. `M` is the number of samples.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Float

SAMPLING_RATE_HZ = 240
THRESHOLD = 6.0 * 34.0
"""Six degrees per second at the 34 px per degree that the routine assumes, in px/s."""
SMOOTHING = 4
"""Samples of the moving average of steps; a window of speeds has one more."""
LONGEST_SEARCH = 25
"""Samples after its beginning in which the end of a saccade must come."""
SHORTEST_FIXATION = 12
"""Samples (50 ms): a shorter gap between saccades makes one saccade of both."""

Interval = tuple[int, int]
"""First and last sample, both included."""


def detect_fixations(samples: Float[np.ndarray, "M 2"]) -> Float[np.ndarray, "_ 3"]:
    """x, y in the samples' pixels and duration in ms of each fixation, in viewing order."""
    fixations = _fixations(_saccades(_acceleration(samples)), len(samples))
    rows = [
        (*_medians(samples[first : last + 1]), 1000 * (last - first + 1) / SAMPLING_RATE_HZ)
        for first, last in fixations
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _acceleration(samples: Float[np.ndarray, "M 2"]) -> Float[np.ndarray, " M"]:
    """Difference of the speeds in windows one sample apart, in px/s; zero at both ends."""
    step = np.concatenate([[0.0], np.sqrt((np.diff(samples, axis=0) ** 2).sum(axis=1))])
    smooth = np.convolve(step, np.full(SMOOTHING, 1 / SMOOTHING))[
        : len(step)
    ]  # of the samples past
    acceleration = np.zeros(len(samples))
    if len(samples) > SMOOTHING + 2:
        summed = np.convolve(smooth, np.ones(SMOOTHING + 1), mode="valid")
        speed = summed * (SAMPLING_RATE_HZ / SMOOTHING)
        acceleration[1 : len(speed) - 1] = np.diff(speed)[1:]
    return acceleration


def _saccades(acceleration: Float[np.ndarray, " M"]) -> list[Interval]:
    onsets = _long_runs(acceleration > THRESHOLD)
    found = []
    for first, last in onsets:
        end = _saccade_end(acceleration, last)
        if end is None and len(onsets) == 1 and last == np.flatnonzero(acceleration)[-1]:
            end = len(acceleration) - 1  # the trial ends in its only saccade
        if end is not None:
            found.append((first, end))
    return _without_short_fixations(found, len(acceleration))


def _long_runs(above: np.ndarray) -> list[Interval]:
    """Runs of at least three samples."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], above.astype(np.int8), [0]])))
    runs = [(int(first), int(stop) - 1) for first, stop in edges.reshape(-1, 2)]
    return [(first, last) for first, last in runs if last - first >= 2]


def _saccade_end(acceleration: Float[np.ndarray, " M"], onset: int) -> int | None:
    """Last sample of the first stretch below minus the threshold."""
    below = acceleration < -THRESHOLD
    for sample in range(onset + 1, onset + 1 + LONGEST_SEARCH):
        if sample > onset + 1 and sample + 2 >= len(below):
            return None
        if below[sample] and not below[sample + 1]:
            return sample
    return None


def _without_short_fixations(saccades: list[Interval], samples: int) -> list[Interval]:
    """Saccades joined across short gaps; the last one reaches the end if what follows is short.

    What comes before the first saccade may be of any length.
    """
    if not saccades:
        return []
    long_gap = [after[0] - before[1] > SHORTEST_FIXATION for before, after in pairwise(saccades)]
    firsts = [s[0] for s, keep in zip(saccades, [True, *long_gap], strict=True) if keep]
    lasts = [s[1] for s, keep in zip(saccades, [*long_gap, True], strict=True) if keep]
    if samples - 1 - lasts[-1] <= SHORTEST_FIXATION:
        lasts[-1] = samples - 1
    return list(zip(firsts, lasts, strict=True))


def _fixations(saccades: list[Interval], samples: int) -> list[Interval]:
    """What lies between saccades."""
    firsts = [0, *(last + 1 for _, last in saccades)]
    lasts = [*(first - 1 for first, _ in saccades), samples - 1]
    return [(f, last) for f, last in zip(firsts, lasts, strict=True) if f <= last]


def _medians(samples: Float[np.ndarray, "M 2"]) -> tuple[float, float]:
    """Median of each coordinate over the samples that have it; NaN if none has."""
    x, y = (column[~np.isnan(column)] for column in samples.T)
    return (
        float(np.median(x)) if len(x) else np.nan,
        float(np.median(y)) if len(y) else np.nan,
    )
