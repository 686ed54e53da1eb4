"""What scanpaths are like, whatever they are scanpaths of: numbers to put beside people's.

`M` saccades, `N` fixations of one scanpath.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Float

from foregaze.errors import DataError
from foregaze.scanpath_metrics import Scanpath
from foregaze.types import Size

_NEAR = math.pi / 4
"""Directions closer than this count as alike."""


@dataclass(frozen=True)
class ScanpathStatistics:
    """Over all scanpaths together; shares are fractions, None where there is nothing to count."""

    scanpaths: int
    fixations: float
    """Mean number of a scanpath."""
    saccade_px: tuple[float, float, float] | None
    """Quartiles of saccade lengths: a quarter, half and three quarters are shorter."""
    horizontal: float | None
    """Share of saccades within 45 degrees of the horizontal."""
    forward: float | None
    """Share of saccades within 45 degrees of the direction of the one before."""
    returning: float | None
    """Share of saccades within 45 degrees of the opposite direction."""
    revisits: float | None
    """Share of fixations, first ones left out, within a radius of an earlier one of the scanpath;
    the one just before counts too."""
    refixations: float | None
    """Share of fixations, first two left out, within the radius of one before the one just
    before."""
    duration_ms: float | None
    """Mean of all fixations."""
    first_from_center_px: float
    """Median distance of first fixations from the image's center."""

    def to_json(self) -> dict[str, object]:
        """Plain numbers, lists and None."""
        return asdict(self)


def describe_scanpaths(
    scanpaths: Sequence[Scanpath], size: Size, radius_px: float
) -> ScanpathStatistics:
    """Statistics of scanpaths on images of one size.

    Args:
        scanpaths: At least one.
        size: (H, W) of the images.
        radius_px: Distance within which a place counts as visited before.

    Raises:
        DataError: If there is no scanpath.
    """
    if not scanpaths:
        raise DataError("there are no scanpaths to describe")
    steps = [np.column_stack([np.diff(s.x), np.diff(s.y)]) for s in scanpaths]
    saccades = np.concatenate(steps)  # (M, 2)
    lengths = np.hypot(*saccades.T)
    turns = np.concatenate([_turns(step) for step in steps])
    visited = [_visited(one, radius_px) for one in scanpaths]
    durations = np.concatenate([one.duration_ms for one in scanpaths])
    first = np.array([(one.x[0] - size[1] / 2, one.y[0] - size[0] / 2) for one in scanpaths])
    quartiles = np.quantile(lengths, (0.25, 0.5, 0.75)).tolist() if len(lengths) else None
    return ScanpathStatistics(
        scanpaths=len(scanpaths),
        fixations=float(np.mean([len(one) for one in scanpaths])),
        saccade_px=None if quartiles is None else (quartiles[0], quartiles[1], quartiles[2]),
        horizontal=_share(np.abs(saccades[:, 0]) > np.abs(saccades[:, 1])),
        forward=_share(turns < _NEAR),
        returning=_share(turns > math.pi - _NEAR),
        revisits=_share(np.concatenate([any_before for any_before, _ in visited])),
        refixations=_share(np.concatenate([earlier for _, earlier in visited])),
        duration_ms=None if np.isnan(durations).any() else float(durations.mean()),
        first_from_center_px=float(np.median(np.hypot(*first.T))),
    )


def _turns(steps: Float[np.ndarray, "M 2"]) -> Float[np.ndarray, " m"]:
    """Angles between successive saccades of one scanpath, 0 straight on, pi straight back."""
    directions = np.arctan2(steps[:, 1], steps[:, 0])
    turned = np.abs(np.diff(directions))
    turns: Float[np.ndarray, " m"] = np.minimum(turned, 2 * math.pi - turned)
    return turns


def _visited(
    scanpath: Scanpath, radius_px: float
) -> tuple[Bool[np.ndarray, " a"], Bool[np.ndarray, " b"]]:
    """Whether fixations are near an earlier one, and near one that is not the one just before.

    The former from the second fixation on, the latter from the third.
    """
    distances = np.hypot(
        scanpath.x[:, None] - scanpath.x, scanpath.y[:, None] - scanpath.y
    )  # (N, N)
    near = distances <= radius_px
    any_before = np.tril(near, -1).any(axis=1)[1:]
    not_just_before = np.tril(near, -2).any(axis=1)[2:]
    return any_before, not_just_before


def _share(counted: Bool[np.ndarray, " N"]) -> float | None:
    return float(counted.mean()) if len(counted) else None
