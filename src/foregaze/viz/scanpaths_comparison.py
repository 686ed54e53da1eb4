"""Sampled scanpaths beside those of observers, and what both are like."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics import Scanpath
from foregaze.types import ImageArray, Size
from foregaze.viz.scanpaths_marks import check_scanpaths, order_colors
from foregaze.viz.scanpaths_panels import draw_order_bar, lay_out
from foregaze.viz.scanpaths_statistics import draw_statistics
from foregaze.viz.style import (
    MARGIN,
    draw_photograph,
    fade,
    halo,
    reduce_photograph,
    size_pt,
    to_gray,
    write_title,
)

_COLORS = ("#d81b60", "#1e6fd9", "#1b8a3a", "#e07b00", "#6a1b9a", "#455a64")
_PANEL_PX = 1000
_STATISTICS = 1.75
_KEY = 0.3


def draw_samples_and_observers(
    image: ImageArray,
    groups: Mapping[str, Sequence[Scanpath]],
    *,
    px_per_dva: float | None = None,
    title: str | None = None,
) -> Figure:
    """Draw scanpaths of a model and of observers side by side, and compare them in numbers.

    Each group has a panel with all its scanpaths, colored by order on the same scale: a color is
    the same fixation number everywhere. Small panels below compare the groups: length and
    direction of all saccades, distance of all fixations from the image's center, number of
    fixations, and their durations where every group has some. Triangles are means.

    Args:
        image: The stimulus, sRGB.
        groups: Scanpaths by the name of their group, such as "model" and "observers"; at most
            six.
        px_per_dva: Pixels per degree of visual angle; lengths are in degrees where it is given.
        title: One line at the top, such as the file's name.

    Raises:
        ShapeError: If there are no groups or too many, one is empty, or a fixation lies outside
            the image.
    """
    if not 1 <= len(groups) <= len(_COLORS):
        raise ShapeError(f"{len(groups)} groups of scanpaths, expected 1 to {len(_COLORS)}")
    if px_per_dva is not None and not 0 < px_per_dva < np.inf:
        raise ShapeError(f"px_per_dva is {px_per_dva:g}, expected a positive number")
    for scanpaths in groups.values():
        size = check_scanpaths(scanpaths, image)
    colors = dict(zip(groups, _COLORS, strict=False))
    longest = max(len(scanpath) for scanpaths in groups.values() for scanpath in scanpaths)
    footer = _KEY + _STATISTICS
    grid = lay_out(size, len(groups), has_title=bool(title), footer=footer, narrowest=3.4)
    captions = [_caption(name, scanpaths) for name, scanpaths in groups.items()]
    figure, panels = grid.draw(captions)
    if title:
        write_title(figure, title)
    photograph = fade(to_gray(reduce_photograph(image, _PANEL_PX)), 0.6)
    for panel, (name, scanpaths) in zip(panels, groups.items(), strict=True):
        _draw_group(panel, scanpaths, photograph, size, order_colors(longest))
        panel.texts[0].set(color=colors[name], fontweight="bold")
    draw_order_bar(figure, grid.body + 0.08, longest)
    place = MARGIN, grid.body + _KEY, grid.page[0] - 2 * MARGIN, _STATISTICS
    draw_statistics(figure, groups, colors, size, place, px_per_dva)
    return figure


def _caption(name: str, scanpaths: Sequence[Scanpath]) -> str:
    fixations = sum(map(len, scanpaths))
    paths = "1 scanpath" if len(scanpaths) == 1 else f"{len(scanpaths)} scanpaths"
    return f"{name}: {paths}, {fixations} fixation{'s' if fixations > 1 else ''}"


def _draw_group(
    panel: Axes,
    scanpaths: Sequence[Scanpath],
    photograph: UInt8[np.ndarray, "h w 3"],
    size: Size,
    colors: Float[np.ndarray, "T 4"],
) -> None:
    """All scanpaths as thin lines and points; those of an early fixation below later ones."""
    draw_photograph(panel, photograph, size)
    crowd = max(1.0, len(scanpaths) / 8)
    scale = float(size_pt(panel).max()) / 300
    opacity = max(0.25, 0.9 / crowd**0.5)
    for number in range(len(colors)):
        ends = [
            [(s.x[number - 1], s.y[number - 1]), (s.x[number], s.y[number])]
            for s in scanpaths
            if 0 < number < len(s)
        ]
        width = scale * 1.5 / crowd**0.25
        lines = LineCollection(ends, colors=[colors[number]], linewidths=width, alpha=opacity)
        lines.set_path_effects(halo(width + 1.0, "#ffffff90"))
        panel.add_collection(lines)
        here = [s for s in scanpaths if number < len(s)]
        panel.scatter(
            [s.x[number] for s in here],
            [s.y[number] for s in here],
            s=scale**2 * 26 / crowd**0.5,
            color=[colors[number]],
            edgecolors="white",
            linewidths=0.6,
            zorder=3 + number / 1000,
            clip_on=False,
            gid=f"fixations {number + 1}",
        )
