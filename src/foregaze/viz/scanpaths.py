"""Scanpaths over their image: numbered disks, as large as fixations are long."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from foregaze.scanpath_metrics import Scanpath
from foregaze.types import ImageArray
from foregaze.viz.scanpaths_marks import (
    check_scanpaths,
    disk_areas,
    draw_arrows,
    draw_disks,
    draw_numbers,
    order_colors,
)
from foregaze.viz.scanpaths_panels import (
    MOST_PANELS,
    Grid,
    draw_order_bar,
    how_many,
    lay_out,
    write_key,
    write_line,
)
from foregaze.viz.style import (
    INK,
    draw_photograph,
    fade,
    reduce_photograph,
    size_pt,
    write_title,
)

MOST_TOGETHER = 4
"""So many scanpaths share a panel, each in a color of its own; more have a panel each."""

_COLORS = ("#d81b60", "#1e6fd9", "#1b8a3a", "#e07b00")
_DARK_COLORS = ("#7a0a34", "#0d3a7a", "#0b4a1e", "#7a4300")
_SMALLER = 0.6  # disks of several scanpaths in one panel
_PANEL_PX = 1000
_KEY_MS = (100.0, 200.0, 400.0)


class _Panel(NamedTuple):
    """What one panel shows."""

    caption: str
    scanpaths: Sequence[Scanpath]


def draw_scanpaths(
    image: ImageArray,
    scanpaths: Sequence[Scanpath],
    *,
    most: int = MOST_PANELS,
    title: str | None = None,
) -> Figure:
    """Draw numbered scanpaths over an image.

    One scanpath is colored by order, from dark to bright. Up to `MOST_TOGETHER` share one panel,
    each in a color of its own. More have a panel each, colored by order again. The area of a disk
    is in proportion to the fixation's duration; where that is not known all are alike.

    Args:
        image: The stimulus, sRGB.
        scanpaths: At least one.
        most: Panels, at the most; the picture says if there are more scanpaths.
        title: One line at the top, such as the file's name.

    Raises:
        ShapeError: If there is no scanpath, or a fixation lies outside the image.
    """
    size = check_scanpaths(scanpaths, image)
    together = len(scanpaths) <= MOST_TOGETHER
    shown = scanpaths if together else scanpaths[:most]
    contents = [_Panel("", shown)]
    if not together:
        contents = [_Panel(f"scanpath {k + 1}", [one]) for k, one in enumerate(shown)]
    note = how_many(len(shown), len(scanpaths), "scanpaths") or _missing_durations(shown)
    footer = (0.26 if _missing_durations(shown) else 0.68) + (0.16 if note else 0.0)
    grid = lay_out(
        size, len(contents), has_title=bool(title), footer=footer, captioned=not together
    )
    figure, panels = grid.draw([panel.caption for panel in contents])
    if title:
        write_title(figure, title)
    photograph = fade(reduce_photograph(image, _PANEL_PX), 0.75)
    for panel, content in zip(panels, contents, strict=True):
        draw_photograph(panel, photograph, size)
        _draw_panel(panel, content.scanpaths)
    _draw_keys(figure, grid, shown, panels[0], by_order=len(contents[0].scanpaths) == 1)
    if note:
        write_line(figure, grid.body + footer - 0.14, note)
    return figure


def _draw_keys(
    figure: Figure, grid: Grid, shown: Sequence[Scanpath], panel: Axes, *, by_order: bool
) -> None:
    if by_order:
        draw_order_bar(figure, grid.body + 0.1, max(map(len, shown)))
    else:
        _draw_color_key(figure, grid, len(shown))
    if not _missing_durations(shown):
        _draw_size_key(figure, grid, shown, panel)


def _missing_durations(scanpaths: Sequence[Scanpath]) -> str:
    """Says that no disk's size means anything; empty where some do."""
    known = any(np.isfinite(scanpath.duration_ms).any() for scanpath in scanpaths)
    return "" if known else "durations are not known"


def _draw_panel(panel: Axes, scanpaths: Sequence[Scanpath]) -> None:
    """All scanpaths of a panel; colors are by order if there is one."""
    panel_pt = float(size_pt(panel).max())
    several = len(scanpaths) > 1
    smaller = _SMALLER if several else 1.0
    areas = [smaller * disk_areas(scanpath.duration_ms, panel_pt) for scanpath in scanpaths]
    for number, scanpath in enumerate(scanpaths):
        colors = order_colors(len(scanpath))
        if several:
            colors = np.tile(_group_color(number), (len(scanpath), 1))
        draw_arrows(panel, scanpath, areas[number], colors, width_pt=panel_pt / 230)
        draw_disks(panel, scanpath, areas[number], colors)
    text_pt = 7.0 if panel_pt > 260 and not several else 6.0
    draw_numbers(panel, scanpaths, areas, text_pt, _DARK_COLORS if several else ())


def _group_color(number: int) -> Float[np.ndarray, " 4"]:
    return np.array(matplotlib.colors.to_rgba(_COLORS[number]))


def _draw_color_key(figure: Figure, grid: Grid, scanpaths: int) -> None:
    marks = [
        Line2D([0], [0], color=_COLORS[number], linewidth=3, label=f"scanpath {number + 1}")
        for number in range(scanpaths)
    ]
    write_key(figure, grid.body + 0.1, marks)


def _draw_size_key(figure: Figure, grid: Grid, scanpaths: Sequence[Scanpath], panel: Axes) -> None:
    """Disks of some durations."""
    areas = disk_areas(np.array(_KEY_MS), float(size_pt(panel).max()))
    areas *= _SMALLER if 1 < len(scanpaths) <= MOST_TOGETHER else 1.0
    marks = [
        Line2D(
            *([0], [0]),
            linestyle="none",
            marker="o",
            markersize=float(np.sqrt(area)),
            markerfacecolor="#9a9a9a",
            markeredgecolor=INK,
            markeredgewidth=0.8,
            label=f"{ms:.0f} ms",
        )
        for ms, area in zip(_KEY_MS, areas, strict=True)
    ]
    write_key(figure, grid.body + 0.34, marks)
