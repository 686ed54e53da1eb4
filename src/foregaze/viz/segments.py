"""Pictures of segments: their colors over the photograph, and which patches are alike.

`K` segments.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Bool, Float, Int, Integer, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import ndimage
from skimage.color import rgb2lab

from foregaze.errors import ShapeError
from foregaze.ops.cells import cell_of_pixels
from foregaze.types import ImageArray, Size
from foregaze.viz.style import (
    FONT,
    INK,
    MARGIN,
    TEXT_PT,
    TITLE,
    blank_page,
    draw_photograph,
    fade,
    halo,
    image_inches,
    label_bar,
    place_axes,
    reduce_photograph,
    show_stimulus,
    to_gray,
    write_title,
)

COLORS = 64
"""Different colors; ids that differ by a multiple of it have the same."""
MOST_ROWS = 64
"""Segments in the legend; of more, the largest."""

_LONG_SIDE = 6.4  # of the photograph, in inches
_GAP = 0.15
_DIGIT = 0.07  # of an id, in inches
_ROW = 0.155
_FEWEST_ROWS = 20  # of a column of the legend, unless there are fewer segments
_ID_PT = TEXT_PT - 1
_ID_ROOM = 0.13  # inches of a segment around its number
_FILL = 0.62
_KEPT = 0.75  # of the photograph's contrast: color shows on dark ones, too
_BAR = 0.13


@dataclass(frozen=True)
class _Layout:
    """Where things go, in inches from the page's top-left corner."""

    page: tuple[float, float]
    image: tuple[float, float, float, float]
    """Left, top, width, height."""
    legend: tuple[float, float]
    """Left, top."""
    rows: int
    """Of a column of the legend."""
    column: float
    """Its width."""


def draw_segments(
    image: ImageArray, segments: Integer[np.ndarray, "_ _"], title: str | None = None
) -> Figure:
    """Draw segments over a gray photograph, and a legend with the area of each.

    The color of an id is the same in every picture. Segments with room for it have their id inside.

    Args:
        image: The stimulus, sRGB.
        segments: An id for each of its pixels, 0 or larger.
        title: One line at the top, such as the file's name.

    Raises:
        ShapeError: If segments have another size, or a negative id.
    """
    size = (image.shape[0], image.shape[1])
    if segments.shape != size or segments.min() < 0:
        raise ShapeError(
            f"segments of shape {segments.shape} with ids from {segments.min()} on, expected one "
            f"for each of {size} pixels, from 0 on"
        )
    ids, counts = np.unique(segments, return_counts=True)
    rows = np.sort(np.argsort(-counts, kind="stable")[:MOST_ROWS])
    photograph = reduce_photograph(image)
    shown = _reduced(segments, photograph.shape[:2])
    layout = _lay_out(size, int(ids[rows].max()), len(rows), has_title=bool(title))
    notes = f"and {len(ids) - len(rows)} smaller ones" if len(rows) < len(ids) else ""
    figure = blank_page(layout.page[0], layout.page[1] + _ROW * bool(notes))
    if title:
        write_title(figure, title)
    panel = place_axes(figure, *layout.image)
    show_stimulus(panel, size)
    draw_photograph(panel, _painted(photograph, shown), size)
    _number_segments(panel, shown, size, pixels_per_inch=shown.shape[1] / layout.image[2])
    _draw_legend(figure, layout, ids[rows], counts[rows] / segments.size, notes)
    return figure


def draw_affinity(
    image: ImageArray,
    affinity: Float[np.ndarray, "h w"],
    patch: tuple[int, int],
    title: str | None = None,
) -> Figure:
    """Draw how much each patch is like one of them, which is marked.

    Args:
        image: The stimulus, sRGB.
        affinity: Cosine for each patch of a grid that covers the image.
        patch: Row and column of the one that they are compared with.
        title: One line at the top, such as the file's name.
    """
    size = (image.shape[0], image.shape[1])
    width, height = image_inches(size, _LONG_SIDE)
    top = MARGIN + TITLE * bool(title)
    wide = max(width, 2.6)
    figure = blank_page(wide + 2 * MARGIN, top + height + 0.1 + _BAR + 0.34 + MARGIN)
    if title:
        write_title(figure, title)
    panel = place_axes(figure, MARGIN + (wide - width) / 2, top, width, height)
    show_stimulus(panel, size)
    draw_photograph(panel, fade(to_gray(reduce_photograph(image)), _KEPT), size)
    colors = matplotlib.colormaps["viridis"]
    extent = (0, size[1], size[0], 0)
    panel.imshow(
        affinity,
        cmap=colors,
        vmin=0,
        vmax=1,
        alpha=_FILL,
        extent=extent,
        aspect="auto",
        interpolation="nearest",
    )
    _mark_patch(panel, patch, (affinity.shape[0], affinity.shape[1]), size)
    bar = place_axes(figure, MARGIN + (wide - 2.6) / 2, top + height + 0.1, 2.6, _BAR)
    backdrop = np.full((1, 256, 3), 0.6)
    bar.imshow(backdrop, extent=(0, 1, 0, 1), aspect="auto")
    bar.imshow(
        np.linspace(0, 1, 256)[None], cmap=colors, alpha=_FILL, extent=(0, 1, 0, 1), aspect="auto"
    )
    bar.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 or less", "0.25", "0.5", "0.75", "1"])
    label_bar(bar, "cosine similarity with the marked patch")
    return figure


def segment_colors(ids: Integer[np.ndarray, "..."]) -> UInt8[np.ndarray, "... 3"]:
    """The color of each id (RGB); those of low ids differ most."""
    colors: UInt8[np.ndarray, "... 3"] = _palette()[ids % COLORS]
    return colors


@cache
def _palette() -> UInt8[np.ndarray, "K 3"]:
    """Colors, each as far as can be from all before it (in CIELAB), none too dark or too pale."""
    levels = np.linspace(0, 255, 16).round().astype(np.uint8)
    candidates = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 3)
    lab = rgb2lab(candidates / 255)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    usable = (lab[:, 0] > 32) & (lab[:, 0] < 90) & (chroma > 18) & (chroma < 85)
    candidates, lab = candidates[usable], lab[usable]
    chosen = [int(np.abs(candidates.astype(int) - [51, 119, 204]).sum(1).argmin())]
    distance = np.full(len(lab), np.inf)
    while len(chosen) < COLORS:
        distance = np.minimum(distance, np.linalg.norm(lab - lab[chosen[-1]], axis=1))
        chosen.append(int(distance.argmax()))
    palette: UInt8[np.ndarray, "K 3"] = candidates[chosen]
    return palette


def _reduced(segments: Integer[np.ndarray, "H W"], size: Sequence[int]) -> Int[np.ndarray, "h w"]:
    """Segments on a grid that is no finer: those under the centers of its cells."""
    rows, columns = (
        cell_of_pixels(cells, pixels) for pixels, cells in zip(segments.shape, size, strict=True)
    )
    shown: Int[np.ndarray, "h w"] = segments[np.ix_(rows, columns)].astype(np.int64)
    return shown


def _painted(
    photograph: UInt8[np.ndarray, "h w 3"], shown: Int[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """The photograph in gray under the colors of segments, with pale borders between them."""
    mixed = (1 - _FILL) * fade(to_gray(photograph), _KEPT) + _FILL * segment_colors(shown)
    border = _starts(shown)
    mixed[border] = 0.25 * mixed[border] + 0.75 * 255
    return mixed.round().astype(np.uint8)


def _starts(shown: Int[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels whose left or upper neighbor belongs to another segment."""
    found = np.zeros(shown.shape, dtype=bool)
    found[:, 1:] |= shown[:, 1:] != shown[:, :-1]
    found[1:] |= shown[1:] != shown[:-1]
    return found


def _number_segments(
    panel: Axes, shown: Int[np.ndarray, "h w"], size: Size, pixels_per_inch: float
) -> None:
    """Write ids where segments are the thickest, if they are thick enough."""
    ids, where = np.unique(shown, return_inverse=True)
    borders = _starts(shown) | _starts(shown[::-1, ::-1])[::-1, ::-1]
    depth = ndimage.distance_transform_edt(np.pad(~borders, 1))[1:-1, 1:-1]
    places = ndimage.maximum_position(depth, where.reshape(shown.shape), range(len(ids)))
    for number, (row, column) in zip(ids, places, strict=True):
        text = f"{number}"
        if depth[row, column] < _ID_ROOM / 2 * pixels_per_inch * len(text) ** 0.5:
            continue
        x, y = column + 0.5, row + 0.5
        x, y = x * size[1] / shown.shape[1], y * size[0] / shown.shape[0]
        outline = halo(1.8, "white")
        _write(panel, x, y, text, ha="center", va="center", path_effects=outline)


def _lay_out(size: Size, largest: int, count: int, *, has_title: bool) -> _Layout:
    """Room for a legend beside the photograph, below a panorama."""
    width, height = image_inches(size, _LONG_SIDE)
    top = MARGIN + TITLE * has_title
    cell = max(width, 1.5)
    left = MARGIN + (cell - width) / 2
    column = 0.78 + _DIGIT * len(str(largest))
    if size[1] > 2.2 * size[0]:
        rows = -(-count // int(cell / column))
        legend = MARGIN, top + height + _GAP
        page = cell + 2 * MARGIN, legend[1] + rows * _ROW + MARGIN
    else:
        rows = max(min(count, _FEWEST_ROWS), int(height / _ROW))
        legend = MARGIN + cell + _GAP, top
        tall = max(height, min(rows, count) * _ROW)
        page = legend[0] + -(-count // rows) * column - 0.1 + MARGIN, top + tall + MARGIN
    return _Layout(page, (left, top, width, height), legend, rows, column)


def _draw_legend(
    figure: Figure,
    layout: _Layout,
    ids: Int[np.ndarray, " K"],
    shares: Float[np.ndarray, " K"],
    note: str,
) -> None:
    """Color, id and share of the area, column after column."""
    columns = -(-len(ids) // layout.rows)
    width, height = columns * layout.column, (min(len(ids), layout.rows) + 1) * _ROW
    legend = place_axes(figure, *layout.legend, width, height)
    legend.set(xlim=(0, width), ylim=(height, 0))
    legend.set_axis_off()
    for k, (number, share) in enumerate(zip(ids, shares, strict=True)):
        left, top = k // layout.rows * layout.column, k % layout.rows * _ROW
        seen = (1 - _FILL) * 0.6 + _FILL * segment_colors(np.array(number)) / 255
        legend.add_patch(Rectangle((left, top + 0.025), 0.15, _ROW - 0.05, color=seen))
        percent = f"{100 * share:.1f}%" if share >= 0.0005 else "<0.1%"
        right = left + layout.column - 0.15
        for x, text in ((right - 0.44, f"{number}"), (right, percent)):
            _write(legend, x, top + _ROW / 2, text, ha="right", va="center")
    if note:
        _write(legend, 0.0, height - _ROW / 2, note, ha="left", va="center")


def _write(axes: Axes, x: float, y: float, text: str, **where: Any) -> None:
    axes.text(x, y, text, fontsize=_ID_PT, color=INK, fontfamily=FONT, parse_math=False, **where)


def _mark_patch(panel: Axes, patch: tuple[int, int], grid: Size, size: Size) -> None:
    """A frame around a cell of a grid that covers the image."""
    tall, wide = size[0] / grid[0], size[1] / grid[1]
    panel.add_patch(
        Rectangle(
            (patch[1] * wide, patch[0] * tall),
            wide,
            tall,
            fill=False,
            edgecolor="#ff2222",
            linewidth=1.4,
            path_effects=halo(3.0, "white"),
        )
    )
