"""MultiMatch's optional first step: scanpaths with small saccades merged into larger ones.

Jarodzka, Holmqvist & Nyström (2010). Passes over direction and over length take turns until the
number of saccades no longer changes. A pass goes from the first saccade to the last; two that are
merged become their sum, start where the first one starts, and are not merged again in that pass.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from foregaze.scanpath_metrics.scanpath import Scanpath


@dataclass(frozen=True, eq=False)
class Saccades:
    """Saccades in order, with the fixations that they start from."""

    x: Float[np.ndarray, " N"]
    """Of the fixation at which the saccade starts."""
    y: Float[np.ndarray, " N"]
    dx: Float[np.ndarray, " N"]
    dy: Float[np.ndarray, " N"]
    duration_ms: Float[np.ndarray, " N"]
    """Of the fixation at which the saccade starts."""
    last_duration_ms: float
    """Of the fixation at which the last saccade ends."""

    def __len__(self) -> int:
        return len(self.dx)


@dataclass(frozen=True)
class SimplificationSetting:
    """When two saccades are merged."""

    direction_deg: float = 45.0
    """Merge saccades whose angle is smaller than this."""
    length_px: float = 100.0
    """Merge a saccade that is shorter than this."""
    duration_ms: float = 300.0
    """Merge only around fixations that are shorter than this."""


def saccades_of(scanpath: Scanpath) -> Saccades:
    """The vectors from each fixation to the next."""
    return Saccades(
        x=scanpath.x[:-1],
        y=scanpath.y[:-1],
        dx=np.diff(scanpath.x),
        dy=np.diff(scanpath.y),
        duration_ms=scanpath.duration_ms[:-1],
        last_duration_ms=float(scanpath.duration_ms[-1]),
    )


def simplify(saccades: Saccades, setting: SimplificationSetting) -> Saccades:
    """Saccades merged by direction and by length until nothing changes.

    Args:
        saccades: With known durations: a NaN is never below a threshold.
        setting: Thresholds; the defaults are those that documentation names as typical.
    """

    def turns_little(now: Saccades, i: int) -> bool:
        v, u = ((now.dx[k], now.dy[k]) for k in (i, i + 1))
        lengths = np.hypot(*v) * np.hypot(*u)
        if lengths == 0:  # no direction, hence no angle
            return False
        cosine = np.clip(np.dot(v, u) / lengths, -1, 1)
        is_short = now.duration_ms[i + 1] < setting.duration_ms
        return bool(is_short and np.degrees(np.arccos(cosine)) < setting.direction_deg)

    def is_small(now: Saccades, i: int) -> bool:
        after = np.append(now.duration_ms, now.last_duration_ms)[i + 1]
        shortest = min(now.duration_ms[i], after)
        length = np.hypot(now.dx[i], now.dy[i])
        return bool(length < setting.length_px and shortest < setting.duration_ms)

    while True:
        merged = _merge(saccades, turns_little, last_joins=False)
        merged = _merge(merged, is_small, last_joins=True)
        if len(merged) == len(saccades):
            return merged
        saccades = merged


def _merge(
    saccades: Saccades, joins: Callable[[Saccades, int], bool], *, last_joins: bool
) -> Saccades:
    """One pass, in which saccade i is merged with the next where `joins` says so.

    Args:
        saccades: At least one.
        joins: Whether saccade i is merged; asked of the last one only with `last_joins`.
        last_joins: Whether the last saccade may be merged into what comes before it.
    """
    starts: list[int] = []
    i, last = 0, len(saccades) - 1
    while i <= last:
        if i == last and last_joins and starts and joins(saccades, i):
            break
        starts.append(i)
        i += 2 if i < last and joins(saccades, i) else 1
    return Saccades(
        x=saccades.x[starts],
        y=saccades.y[starts],
        dx=np.add.reduceat(saccades.dx, starts),
        dy=np.add.reduceat(saccades.dy, starts),
        duration_ms=saccades.duration_ms[starts],
        last_duration_ms=saccades.last_duration_ms,
    )
