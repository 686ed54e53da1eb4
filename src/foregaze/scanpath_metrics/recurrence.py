"""Cross-recurrence of two scanpaths: who looks where the other looked, and in what order.

Anderson, Anderson, Kingstone & Bischof (2015), Behavior Research Methods 47(4). Both scanpaths
are cut to the shorter one's N fixations. c(i, j) is 1 where fixation i of the first and j of the
second lie less than a radius apart (about the fovea's, 2 degrees). Over the whole matrix, with
R = sum of c:

    REC   100 R / N^2                                     recurrence
    DET   100 (points on diagonal lines) / R              determinism: equal order
    LAM   100 (points on horizontal + vertical lines) / 2R    laminarity: dwelling
    CORM  100 sum of (j - i) c / (N - 1) R                center of recurrence mass: who leads

A line has at least two points. The functions named `toolbox_...` compute what a widespread Python
collection does instead: R counts only points with j > i as if the matrix were symmetric, and DET
and LAM count lines, not points. Those numbers are not those of the paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics.padding import distances, lengths_of, require_pairs
from foregaze.scanpath_metrics.scanpath import Scanpath, UndefinedScoreError, require_length

MEASURES = ("REC", "DET", "LAM", "CORM")


@dataclass(frozen=True)
class Recurrence:
    """Measures of one pair, in percent."""

    rec: float
    det: float
    lam: float
    corm: float
    """Positive where the first scanpath is ahead; negative where it follows."""


def cross_recurrence(a: Scanpath, b: Scanpath, radius_px: float) -> Recurrence:
    """All four measures of the paper.

    REC, DET and LAM are symmetric and go from 0 to 100, where REC has 100 only if all fixations
    of both coincide; CORM changes its sign when the scanpaths are exchanged.

    Args:
        a: A scanpath.
        b: The other one.
        radius_px: Fixations closer than this coincide.

    Raises:
        TooShortError: If a scanpath has a single fixation.
        UndefinedScoreError: If no fixations coincide: then only REC exists, and is 0.
    """
    require_length([a, b], 2, "cross-recurrence")
    measures = cross_recurrence_pairs([a], [b], radius_px)[0]
    if np.isnan(measures).any():
        raise UndefinedScoreError(
            f"no fixations of the two scanpaths are within {radius_px} px, so that DET, LAM and "
            "CORM are 0/0; REC is 0"
        )
    return Recurrence(*(float(value) for value in measures))


def cross_recurrence_pairs(
    first: Sequence[Scanpath], second: Sequence[Scanpath], radius_px: float
) -> Float[np.ndarray, "P 4"]:
    """REC, DET, LAM and CORM of each pair, in percent.

    DET, LAM and CORM are NaN where no fixations coincide, and CORM where N is 1.
    """
    c, lengths = _recurrence(first, second, radius_px)  # (P, N, N), (P,)
    points = c.sum(axis=(1, 2))
    on_diagonals = _on_lines(c, 1, 1).sum(axis=(1, 2))
    on_rows = _on_lines(c, 0, 1).sum(axis=(1, 2))
    on_columns = _on_lines(c, 1, 0).sum(axis=(1, 2))
    return np.stack(
        [
            100 * points / lengths**2,
            _percent(on_diagonals, points),
            _percent(on_rows + on_columns, 2 * points),
            _percent((c * _lag(c)).sum(axis=(1, 2)), (lengths - 1) * points),
        ],
        axis=1,
    )


def toolbox_recurrence(a: Scanpath, b: Scanpath, radius_px: float) -> float:
    """200 R / N(N - 1) with R the points at j > i: the auto-recurrence formula."""
    c, n = _one_pair(a, b, radius_px)
    return float(200 * np.triu(c, 1).sum() / (n * (n - 1)))


def toolbox_determinism(a: Scanpath, b: Scanpath, radius_px: float) -> float:
    """100 times the number of diagonal lines at j > i over the points there."""
    c, _ = _one_pair(a, b, radius_px)
    upper = np.triu(c, 1)
    return _toolbox_percent(float(_line_count(upper, 1, 1)), upper, radius_px)


def toolbox_laminarity(a: Scanpath, b: Scanpath, radius_px: float) -> float:
    """100 times the number of lines in all rows and columns over 2 (points at j > i).

    It can exceed 100: lines are counted in the whole matrix, points only in its upper half.
    """
    c, _ = _one_pair(a, b, radius_px)
    lines = _line_count(c, 0, 1) + _line_count(c, 1, 0)
    return _toolbox_percent(lines / 2, np.triu(c, 1), radius_px)


def toolbox_corm(a: Scanpath, b: Scanpath, radius_px: float) -> float:
    """100 (sum of j - i over points at j > i) / (N - 1) R: never negative."""
    c, n = _one_pair(a, b, radius_px)
    upper = np.triu(c, 1)
    return _toolbox_percent((upper * _lag(c)).sum() / (n - 1), upper, radius_px)


def _recurrence(
    first: Sequence[Scanpath], second: Sequence[Scanpath], radius_px: float
) -> tuple[Bool[np.ndarray, "P N N"], Int[np.ndarray, " P"]]:
    """For each pair c, which is False beyond its N, and N."""
    require_pairs(first, second)
    if not radius_px > 0:
        raise ShapeError(f"fixations within {radius_px} px never coincide: give a positive radius")
    lengths = np.minimum(lengths_of(first), lengths_of(second))
    side = int(lengths.max(initial=0))
    apart = distances(first, second, fill=np.inf)[:, :side, :side]
    within = np.arange(side) < lengths[:, None]  # (P, N)
    c: Bool[np.ndarray, "P N N"] = (apart < radius_px) & within[:, :, None] & within[:, None, :]
    return c, lengths


def _one_pair(a: Scanpath, b: Scanpath, radius_px: float) -> tuple[Bool[np.ndarray, "N N"], int]:
    require_length([a, b], 2, "cross-recurrence")
    c, lengths = _recurrence([a], [b], radius_px)
    return c[0], int(lengths[0])


def _on_lines(c: Bool[np.ndarray, "P N N"], down: int, right: int) -> Bool[np.ndarray, "P N N"]:
    """Points with a neighbor before or after them in a direction: those on lines of two or more."""
    n = c.shape[1]
    around = np.pad(c, ((0, 0), (1, 1), (1, 1)))
    after = around[:, 1 + down : n + 1 + down, 1 + right : n + 1 + right]
    before = around[:, 1 - down : n + 1 - down, 1 - right : n + 1 - right]
    on_lines: Bool[np.ndarray, "P N N"] = c & (after | before)
    return on_lines


def _line_count(c: Bool[np.ndarray, "N N"], down: int, right: int) -> int:
    """Lines of two or more points in a direction: those points that only a line's first can be."""
    n = len(c)
    around = np.pad(c, 1)
    after = around[1 + down : n + 1 + down, 1 + right : n + 1 + right]
    before = around[1 - down : n + 1 - down, 1 - right : n + 1 - right]
    return int((c & after & ~before).sum())


def _lag(c: Bool[np.ndarray, "... N N"]) -> Int[np.ndarray, "N N"]:
    """The column minus the row: by how many fixations the first scanpath is ahead."""
    n = np.arange(c.shape[-1])
    lag: Int[np.ndarray, "N N"] = n - n[:, None]
    return lag


def _percent(part: Int[np.ndarray, " P"], whole: Int[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
    """100 part / whole, NaN over nothing."""
    return np.where(whole > 0, 100 * part / np.maximum(whole, 1), np.nan)


def _toolbox_percent(part: float, upper: Bool[np.ndarray, "N N"], radius_px: float) -> float:
    points = int(upper.sum())
    if not points:
        raise UndefinedScoreError(
            f"no later fixation of the second scanpath is within {radius_px} px of an earlier one "
            "of the first: 0/0"
        )
    return float(100 * part / points)
