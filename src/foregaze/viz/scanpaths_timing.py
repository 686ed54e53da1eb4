"""What an animation of a scanpath shows, and for how long: a list of moments."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics import Scanpath

STEP_MS = 600.0
"""Each fixation's share of an animation where durations are not known."""
MOST_FIXATIONS = 100
MOST_MS = 120_000.0

_TICK_MS = 100.0  # between two pictures of one fixation
_MOVE_MS = 30.0
_MOVES = 3  # pictures of a saccade, whose time is taken from the fixation that it leads to
_MOST_TICKS = 150


@dataclass(frozen=True)
class Moment:
    """One picture of an animation."""

    fixation: int
    """Index of the fixation that is under way, or that the eye moves to."""
    x: float
    """Where the eye is, in pixels of the stimulus."""
    y: float
    moving: bool
    fixated_ms: float
    """How long the fixation has lasted at the end of the moment; 0 while the eye moves."""
    elapsed_ms: float
    """Since the scanpath began, at the end of the moment."""
    lasts_ms: int
    """A multiple of 10, the unit of GIF."""


def animation_times(scanpath: Scanpath) -> Float[np.ndarray, " N"]:
    """How long an animation stays with each fixation, in ms.

    Raises:
        ShapeError: If there are more than `MOST_FIXATIONS`, or they take more than `MOST_MS`.
    """
    times = scanpath.duration_ms
    if not scanpath.has_durations:
        times = np.full(len(scanpath), STEP_MS)
    if len(times) > MOST_FIXATIONS or times.sum() > MOST_MS:
        raise ShapeError(
            f"a scanpath of {len(times)} fixations and {times.sum() / 1000:.1f} s is too long for "
            f"an animation: expected at most {MOST_FIXATIONS} fixations and "
            f"{MOST_MS / 1000:.0f} s"
        )
    return times


def find_moments(scanpath: Scanpath) -> list[Moment]:
    """The pictures of an animation in order; what they last sums to the scanpath's duration.

    The sum is right to 10 ms, and at least that.

    Raises:
        ShapeError: See `animation_times`.
    """
    times = animation_times(scanpath)
    tick_ms = max(_TICK_MS, float(times.sum()) / _MOST_TICKS)
    moments: list[Moment] = []
    begins_ms, shown_ms = 0.0, 0
    for number, lasting in enumerate(times.tolist()):
        for x, y, after_ms, moving in _course(scanpath, number, lasting, tick_ms):
            lasts_ms = 10 * round((begins_ms + after_ms) / 10) - shown_ms
            if lasts_ms <= 0:
                continue
            shown_ms += lasts_ms
            fixated = 0.0 if moving else after_ms
            moments.append(Moment(number, x, y, moving, fixated, begins_ms + after_ms, lasts_ms))
        begins_ms += lasting
    if not moments:  # all fixations together are too short to be seen
        x, y = float(scanpath.x[-1]), float(scanpath.y[-1])
        moments.append(Moment(len(scanpath) - 1, x, y, False, begins_ms, begins_ms, 10))
    return moments


def _course(
    scanpath: Scanpath, number: int, lasting: float, tick_ms: float
) -> Iterator[tuple[float, float, float, bool]]:
    """Positions during one fixation: x, y, the time at the end of each in ms, and if it moves."""
    x, y = float(scanpath.x[number]), float(scanpath.y[number])
    moves = min(_MOVES, int(lasting / 2 // _MOVE_MS)) if number else 0
    for move in range(1, moves + 1):
        share = move / (moves + 1)
        share = share**2 * (3 - 2 * share)  # slow, fast, slow
        before = float(scanpath.x[number - 1]), float(scanpath.y[number - 1])
        yield (
            before[0] + share * (x - before[0]),
            before[1] + share * (y - before[1]),
            move * _MOVE_MS,
            True,
        )
    rest = lasting - moves * _MOVE_MS
    ticks = max(1, round(rest / tick_ms))
    for tick in range(1, ticks + 1):
        yield x, y, moves * _MOVE_MS + rest * tick / ticks, False
