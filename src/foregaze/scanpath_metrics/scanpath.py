"""The scanpath that every metric compares, and what is raised where a pair has no score.

Letters of this package: `P` pairs that are scored together, `n` and `m` fixations (or symbols) of
the longest first and second scanpath among them; shorter ones are padded.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from foregaze.errors import DataError, ShapeError
from foregaze.types import Size

Scores = Float[np.ndarray, " P"]
"""One score for each pair, NaN where the metric is not defined for it."""


class UndefinedScoreError(DataError):
    """A pair of scanpaths for which a metric is not defined."""


class TooShortError(UndefinedScoreError):
    """A scanpath with too few fixations for a metric."""


class NoDurationsError(UndefinedScoreError):
    """A scanpath without fixation durations where a metric needs them."""


class NoSymbolsError(UndefinedScoreError):
    """A scanpath whose fixations are all too short for a temporal bin."""


@dataclass(frozen=True, eq=False)
class Scanpath:
    """Fixations in viewing order; the columns are kept in float64.

    Raises:
        ShapeError: If the columns differ in length, or there is no fixation.
        DataError: If a position is not finite, or a duration negative or infinite.
    """

    x: Float[np.ndarray, " N"]
    y: Float[np.ndarray, " N"]
    duration_ms: Float[np.ndarray, " N"]
    """NaN where it is not known."""

    def __post_init__(self) -> None:
        for name in ("x", "y", "duration_ms"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        if not len(self.x) == len(self.y) == len(self.duration_ms):
            raise ShapeError(
                f"{len(self.x)} x, {len(self.y)} y and {len(self.duration_ms)} durations: "
                "a scanpath has one of each for every fixation"
            )
        if not len(self.x):
            raise ShapeError("a scanpath has at least one fixation")
        located = np.isfinite(self.x) & np.isfinite(self.y)
        if not located.all():
            raise DataError(f"fixation {np.argmin(located)} of a scanpath is at no finite position")
        wrong = (self.duration_ms < 0) | np.isinf(self.duration_ms)
        if wrong.any():
            first = int(np.argmax(wrong))
            raise DataError(f"fixation {first} of a scanpath lasts {self.duration_ms[first]} ms")

    def __len__(self) -> int:
        return len(self.x)

    @classmethod
    def without_durations(
        cls, x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"]
    ) -> "Scanpath":
        """A scanpath of positions alone."""
        return cls(x, y, np.full(len(x), np.nan))

    @property
    def has_durations(self) -> bool:
        """Whether every duration is known."""
        return not bool(np.isnan(self.duration_ms).any())

    def is_inside(self, size: Size) -> bool:
        """Whether every fixation lies on a stimulus of that (H, W)."""
        height, width = size
        inside = (self.x >= 0) & (self.x < width) & (self.y >= 0) & (self.y < height)
        return bool(inside.all())


def require_length(scanpaths: Sequence[Scanpath], fixations: int, metric: str) -> None:
    """Stop at a scanpath with fewer fixations than a metric needs.

    Raises:
        TooShortError: Naming the metric and both numbers.
    """
    for scanpath in scanpaths:
        if len(scanpath) < fixations:
            raise TooShortError(
                f"{metric} needs {fixations} fixations in each scanpath; one has {len(scanpath)}"
            )


def require_durations(scanpaths: Sequence[Scanpath], metric: str) -> None:
    """Stop at a scanpath with an unknown duration.

    Raises:
        NoDurationsError: Naming the metric.
    """
    if not all(scanpath.has_durations for scanpath in scanpaths):
        raise NoDurationsError(f"{metric} needs the duration of every fixation; one is NaN")


def know_durations(scanpaths: Sequence[Scanpath]) -> Bool[np.ndarray, " P"]:
    """Which scanpaths have all durations."""
    return np.array([scanpath.has_durations for scanpath in scanpaths], dtype=bool)
