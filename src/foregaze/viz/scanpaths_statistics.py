"""What scanpaths are like, beside those of others: saccades, distances from the center, durations.

`M` saccades, all those of several scanpaths.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foregaze.scanpath_metrics import Scanpath
from foregaze.types import Size
from foregaze.viz.style import FONT, INK, TEXT_PT, place_axes

DIRECTIONS = 16
"""Sectors that saccade directions are counted in; the first is centered on rightward."""
BINS = 14

_TINT = 0.16
_LEFT, _BELOW, _ABOVE = 0.42, 0.42, 0.26  # inches around the axes of a panel


@dataclass(frozen=True, eq=False)
class Statistic:
    """One number for each fixation, saccade or scanpath, and how it is called."""

    title: str
    unit: str
    values: Callable[[Sequence[Scanpath]], Float[np.ndarray, " N"]]
    whole: bool = False
    """Whether values are whole numbers, which have a bin each."""


def saccades(scanpaths: Sequence[Scanpath]) -> Float[np.ndarray, "M 2"]:
    """Steps from each fixation to the next, x and y in pixels; none across scanpaths."""
    steps = [np.column_stack([np.diff(s.x), np.diff(s.y)]) for s in scanpaths]
    return np.concatenate([np.empty((0, 2)), *steps])


def saccade_lengths(scanpaths: Sequence[Scanpath]) -> Float[np.ndarray, " M"]:
    """Lengths of all saccades, in pixels."""
    x, y = saccades(scanpaths).T
    lengths: Float[np.ndarray, " M"] = np.hypot(x, y)
    return lengths


def saccade_directions(scanpaths: Sequence[Scanpath]) -> Float[np.ndarray, " M"]:
    """Directions of all saccades, in radians: 0 to the right, pi / 2 up."""
    x, y = saccades(scanpaths).T
    directions: Float[np.ndarray, " M"] = np.arctan2(-y, x)
    return directions


def center_distances(scanpaths: Sequence[Scanpath], size: Size) -> Float[np.ndarray, " N"]:
    """Distances of all fixations from the center of an image of that (H, W), in pixels."""
    height, width = size
    distances = [np.hypot(s.x - width / 2, s.y - height / 2) for s in scanpaths]
    return np.concatenate([np.empty(0), *distances])


def fixation_counts(scanpaths: Sequence[Scanpath]) -> Float[np.ndarray, " n"]:
    """How many fixations each scanpath has."""
    return np.array([len(scanpath) for scanpath in scanpaths], dtype=np.float64)


def fixation_durations(scanpaths: Sequence[Scanpath]) -> Float[np.ndarray, " N"]:
    """All durations that are known, in ms."""
    durations = np.concatenate([np.empty(0), *(s.duration_ms for s in scanpaths)])
    known: Float[np.ndarray, " N"] = durations[np.isfinite(durations)]
    return known


def draw_statistics(
    figure: Figure,
    groups: Mapping[str, Sequence[Scanpath]],
    colors: Mapping[str, str],
    size: Size,
    place: tuple[float, float, float, float],
    px_per_dva: float | None,
) -> None:
    """Draw small panels in a row, in each of which all groups are compared.

    Args:
        figure: The page.
        groups: Scanpaths by the name of their group.
        colors: Of each group.
        size: (H, W) of the image.
        place: Left, top, width and height of the row, in inches from the page's top-left corner.
        px_per_dva: Pixels per degree of visual angle; lengths are in degrees where it is given.
    """
    left, top, width, height = place
    kinds = _statistics(groups, size, px_per_dva)
    cell = width / (len(kinds) + 1)
    inner = cell - _LEFT - 0.1, height - _ABOVE - _BELOW
    polar_first = 1  # directions stand after lengths
    for column in range(len(kinds) + 1):
        corner = left + column * cell + _LEFT, top + _ABOVE
        if column == polar_first:
            side = min(inner[0], inner[1])
            corner = corner[0] + (inner[0] - side) / 2, corner[1] + 0.13
            axes = place_axes(figure, *corner, side, side, polar=True)
            _draw_directions(axes, groups, colors)
        else:
            axes = place_axes(figure, *corner, *inner)
            _draw_distribution(axes, kinds[column - (column > polar_first)], groups, colors)
            if column == 0:
                axes.set_ylabel("share", fontsize=TEXT_PT - 1, fontfamily=FONT, color=INK)


def _statistics(
    groups: Mapping[str, Sequence[Scanpath]], size: Size, px_per_dva: float | None
) -> list[Statistic]:
    unit, scale = ("px", 1.0) if px_per_dva is None else ("degrees", 1 / px_per_dva)
    kinds = [
        Statistic("saccade length", unit, lambda s: saccade_lengths(s) * scale),
        Statistic("distance from center", unit, lambda s: center_distances(s, size) * scale),
        Statistic("fixations in a scanpath", "", fixation_counts, whole=True),
    ]
    if all(len(fixation_durations(scanpaths)) for scanpaths in groups.values()):
        kinds.append(Statistic("fixation duration", "ms", fixation_durations))
    return kinds


def _draw_distribution(
    axes: Axes,
    kind: Statistic,
    groups: Mapping[str, Sequence[Scanpath]],
    colors: Mapping[str, str],
) -> None:
    values = {name: kind.values(scanpaths) for name, scanpaths in groups.items()}
    edges = _edges(np.concatenate(list(values.values())), whole=kind.whole)
    for name, found in values.items():
        if not len(found):
            continue
        shares = np.histogram(found, edges)[0] / len(found)
        axes.stairs(shares, edges, color=colors[name], fill=True, alpha=_TINT)
        axes.stairs(shares, edges, color=colors[name], linewidth=1.3, gid=name)
        axes.plot(
            *(found.mean(), 0),
            marker="^",
            markersize=5.5,
            color=colors[name],
            markeredgecolor="white",
            markeredgewidth=0.5,
            clip_on=False,
            zorder=5,
        )
    axes.set_ylim(bottom=0)
    axes.set_xlim(edges[0], edges[-1])
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color="#888888", linewidth=0.7)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.locator_params(nbins=5, integer=kind.whole, axis="x")
    axes.locator_params(nbins=4, axis="y")
    _set_text(axes, kind.title, kind.unit)


def _edges(values: Float[np.ndarray, " N"], *, whole: bool) -> Float[np.ndarray, " E"]:
    """Edges of bins that hold all values; those of whole numbers lie between them."""
    if not len(values):
        return np.array([0.0, 1.0])
    low, high = values.min(), values.max()
    if whole:
        step = max(1, int(np.ceil((high - low + 1) / 20)))
        return np.arange(low - 0.5, high + 0.5 + step, step)
    return np.linspace(0, max(high, 1e-9), BINS + 1)


def _draw_directions(
    axes: Axes, groups: Mapping[str, Sequence[Scanpath]], colors: Mapping[str, str]
) -> None:
    """Shares of saccades by their direction, as the reader sees it: up is up."""
    sector = 2 * np.pi / DIRECTIONS
    for name, scanpaths in groups.items():
        turned = (saccade_directions(scanpaths) + sector / 2) % (2 * np.pi)
        # rounding could carry a remainder up to the whole turn
        counts = np.bincount((turned // sector).astype(int) % DIRECTIONS, minlength=DIRECTIONS)
        if not counts.sum():
            continue
        angles = np.arange(DIRECTIONS + 1) * sector
        shares = np.append(counts, counts[0]) / counts.sum()
        axes.fill(angles, shares, color=colors[name], alpha=_TINT, linewidth=0)
        axes.plot(angles, shares, color=colors[name], linewidth=1.3, gid=name)
    axes.set_xticks(np.arange(4) * np.pi / 2, ["right", "up", "left", "down"])
    axes.set_yticks([])
    axes.grid(color="#cccccc", linewidth=0.6)
    axes.spines["polar"].set(color="#888888", linewidth=0.7)
    _set_text(axes, "saccade direction", "")
    axes.tick_params(axis="x", pad=-1)


def _set_text(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, fontsize=TEXT_PT, fontfamily=FONT, color=INK, pad=5)
    axes.set_xlabel(unit, fontsize=TEXT_PT - 1, fontfamily=FONT, color=INK, labelpad=1)
    axes.tick_params(
        labelsize=TEXT_PT - 1.5, labelfontfamily=FONT, labelcolor=INK, color="#888888", length=2.5
    )
