"""One picture of areas of interest: where they are, how likely each is seen, and by when.

`K` areas, `M` moments, `V` vertices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Curve
from matplotlib.text import Text

from foregaze.errors import ShapeError
from foregaze.types import ImageArray, Size
from foregaze.viz.area_labels import place_labels
from foregaze.viz.evaluation import model_colors
from foregaze.viz.style import (
    FONT,
    INK,
    MARGIN,
    TEXT_PT,
    TITLE,
    blank_page,
    draw_photograph,
    fitted,
    halo,
    image_inches,
    place_axes,
    reduce_photograph,
    show_stimulus,
    size_pt,
    write_title,
)

MOST_ROWS = 24
"""Areas in the charts; of more, the most seen."""
MOST_CHIPS = 12
"""Areas whose labels tell name and probability; of more, the labels are numbers."""
MOST_COLORS = 8
"""Areas that have a color each; of more, only the most seen have, and outlines are thin and white:
neighbors overdraw each other's."""
COLORED = 6
"""So many of those most seen."""

_GAP = 0.25
_COLUMN = 3.5  # width of a chart, in inches
_NAMES = 1.5  # of it, at most, for names
_ROW = 0.24
_NARROW_ROW = 0.17  # where there are many
_CHIP_PT = TEXT_PT - 1.5
_CHIP_PAD = 0.22  # of its text's size
_AXIS = 0.36  # below a chart
_CURVES = 1.45
_KEY = 0.22
_FIRST_SOURCE = 2.1  # of the key's width
_TEXT_WIDTH = 0.62 * TEXT_PT / 72  # of a character, in inches
_LINES = ("-", (0, (3, 1.5)))
"""Of the first and the second source."""
_GRAY = "#bbbbbb"
_FADED = "#757575"


@dataclass(frozen=True)
class Seen:
    """How likely an area was seen, in one source of viewings."""

    share: float
    ci95: tuple[float, float] | None
    seen_by: tuple[float, ...]
    """The share by each moment, to draw a curve through."""


@dataclass(frozen=True, eq=False)
class DrawnArea:
    """An area in stimulus pixels."""

    name: str
    outlines: Sequence[Float[np.ndarray, "_ 2"]]
    """Closed curves around it and, the other way round, around its holes."""
    seen: tuple[Seen, ...]
    """One for each source."""
    number: int | None = None
    """Its own, such as the id of a segment; None if it has a name alone."""


@dataclass(frozen=True)
class _Layout:
    """Where things go, in inches from the page's top-left corner."""

    page: tuple[float, float]
    image: tuple[float, float, float, float]
    """Left, top, width, height."""
    dots: tuple[float, float, float, float]
    curves: tuple[float, float, float, float]
    key: tuple[float, float]
    """Left, top."""


def draw_areas(
    image: ImageArray,
    areas: Sequence[DrawnArea],
    sources: Sequence[str],
    moments: Sequence[float],
    horizon: str,
    title: str | None = None,
) -> Figure:
    """Draw areas on a photograph, and charts of the probability that each is seen.

    The charts stand beside the photograph, below it for a panorama. The first source of viewings
    has dots and solid curves, a second one diamonds and dashed curves. Labels stand on their
    areas or, where these have no room, beside them.

    Args:
        image: The stimulus, sRGB.
        areas: What to draw; intervals are lines.
        sources: What the viewings are, such as "model" and "recorded"; one or two.
        moments: What `Seen.seen_by` is about, rising: seconds or numbers of fixations.
        horizon: The last moment with its unit, "3 s" or "8 fixations".
        title: One line at the top, such as the file's name.

    Raises:
        ShapeError: If there are no areas, or values of an area do not fit the sources and moments.
    """
    _check(areas, sources, moments)
    size = (image.shape[0], image.shape[1])
    rows = sorted(sorted(range(len(areas)), key=lambda k: -areas[k].seen[0].share)[:MOST_ROWS])
    names = [_row_name(areas, k) for k in rows]
    layout = _lay_out(size, names, has_title=bool(title), has_key=len(sources) > 1)
    figure = blank_page(*layout.page)
    if title:
        write_title(figure, title)
    colors = _area_colors(areas)
    panel = place_axes(figure, *layout.image)
    show_stimulus(panel, size)
    draw_photograph(panel, reduce_photograph(image), size)
    for area, color in zip(areas, colors, strict=True):
        _draw_outline(panel, area, color, colored=len(areas) <= MOST_COLORS)
    _draw_chips(panel, size, areas, colors)
    charted, colors = [areas[k] for k in rows], [colors[k] for k in rows]
    dots = place_axes(figure, *layout.dots)
    _draw_dots(dots, charted, colors)
    _name_rows(dots, names, colors)
    shown = "" if len(rows) == len(areas) else f" ({len(rows)} most seen of {len(areas)})"
    _caption(dots, f"seen within {horizon}, 95% interval{shown}", flush=bool(shown))
    curves = place_axes(figure, *layout.curves)
    _draw_curves(curves, charted, colors, moments)
    in_seconds = horizon.endswith(" s")
    curves.locator_params(axis="x", nbins=6, integer=not in_seconds)
    faded = f" (in color: {COLORED} most seen)" if len(areas) > MOST_COLORS else ""
    axis = "time, s" if in_seconds else "number of fixations"
    _caption(curves, f"seen by then; {axis}{faded}", flush=bool(faded))
    if len(sources) > 1:
        _draw_key(figure, layout, sources)
    return figure


def _check(areas: Sequence[DrawnArea], sources: Sequence[str], moments: Sequence[float]) -> None:
    if not areas or not 1 <= len(sources) <= 2:
        raise ShapeError(f"{len(areas)} areas, {len(sources)} sources: expected some, and 1 or 2")
    for area in areas:
        if [len(seen.seen_by) for seen in area.seen] != [len(moments)] * len(sources):
            raise ShapeError(
                f"area {area.name!r} does not have {len(moments)} moments of {len(sources)} sources"
            )


def _lay_out(size: Size, names: Sequence[str], *, has_title: bool, has_key: bool) -> _Layout:
    """Room for a chart with a row for each name, and the curves."""
    beside = min(_NAMES, _TEXT_WIDTH * max(map(len, names)) + 0.12)
    stacked = size[1] / size[0] > 2.2
    width, height = image_inches(size, 8.4 if stacked else 5.2)
    cell = max(width, 2.5)
    top = MARGIN + TITLE * has_title
    key = _KEY * has_key
    dots = max(2, len(names)) * (_ROW if len(names) <= 10 else _NARROW_ROW)
    if stacked:
        cell = max(cell, 2 * _COLUMN + _GAP)
        chart_top = top + height + _GAP + key
        column = (cell - _GAP) / 2
        dots = max(dots, _CURVES)
        below = chart_top + dots + _AXIS + MARGIN
        right = MARGIN + column + _GAP
        return _Layout(
            (cell + 2 * MARGIN, below),
            (MARGIN + (cell - width) / 2, top, width, height),
            (MARGIN + beside, chart_top, column - beside, dots),
            (right + 0.42, chart_top, column - 0.42 - 0.1, dots),
            (MARGIN, chart_top - key),
        )
    column_height = key + dots + _CURVES + 2 * _AXIS
    tall = max(height, column_height)
    spare = tall - column_height
    dots += spare * 0.4
    left = MARGIN + cell + _GAP
    curves = _CURVES + spare * 0.6
    curves_top = top + key + dots + _AXIS
    return _Layout(
        (left + _COLUMN + MARGIN, top + tall + MARGIN),
        (MARGIN + (cell - width) / 2, top, width, height),
        (left + beside, top + key, _COLUMN - beside - 0.1, dots),
        (left + 0.42, curves_top + 0.1, _COLUMN - 0.42 - 0.1, curves - 0.1),
        (left, top),
    )


def _area_colors(areas: Sequence[DrawnArea]) -> list[str]:
    """Different colors, as far as there are; the less seen of many areas are gray."""
    most_seen = sorted(range(len(areas)), key=lambda k: -areas[k].seen[0].share)
    colored = most_seen if len(areas) <= MOST_COLORS else most_seen[:COLORED]
    colors = model_colors([str(k) for k in sorted(colored)])
    return [colors[str(k)] if k in colored else _FADED for k in range(len(areas))]


def _row_name(areas: Sequence[DrawnArea], k: int) -> str:
    """What the chart calls an area: with the number on its label, unless the name tells it."""
    if len(areas) <= MOST_CHIPS or areas[k].number is not None:
        return areas[k].name
    return f"{k + 1}  {areas[k].name}"


def _chip_text(areas: Sequence[DrawnArea], k: int) -> str:
    """What the photograph calls an area."""
    area = areas[k]
    if len(areas) <= MOST_CHIPS:
        return f"{fitted(area.name, 1.3, _CHIP_PT)} {_told(area)}"
    return str(k + 1 if area.number is None else area.number)


def _draw_outline(panel: Axes, area: DrawnArea, color: str, *, colored: bool) -> None:
    """Outline and tint."""
    curve = Curve.make_compound_path(*(Curve(ring, closed=True) for ring in area.outlines))
    panel.add_patch(PathPatch(curve, facecolor=color, alpha=0.1, linewidth=0))
    panel.add_patch(
        PathPatch(
            curve,
            fill=False,
            edgecolor=color if colored else "white",
            linewidth=1.6 if colored else 0.8,
            path_effects=halo(3.4, "white") if colored else halo(1.8, "#00000090"),
        )
    )


def _draw_chips(panel: Axes, size: Size, areas: Sequence[DrawnArea], colors: Sequence[str]) -> None:
    """Labels on the photograph."""
    chips = [
        panel.text(
            0,
            0,
            _chip_text(areas, k),
            fontsize=_CHIP_PT,
            color=INK,
            fontfamily=FONT,
            ha="left",
            va="top",
            parse_math=False,
            bbox={
                "boxstyle": f"round,pad={_CHIP_PAD}",
                "facecolor": "#ffffffe4",
                "edgecolor": color,
                "linewidth": 1.2,
            },
        )
        for k, color in enumerate(colors)
    ]
    pad = (_CHIP_PAD * _CHIP_PT + 0.6) * np.array(size[::-1]) / size_pt(panel)
    extents = [_extent(panel, chip) + 2 * pad for chip in chips]
    boxes = place_labels([area.outlines for area in areas], extents, size)
    for chip, box in zip(chips, boxes, strict=True):
        chip.set_position((box[0] + pad[0], box[1] + pad[1]))


def _told(area: DrawnArea) -> str:
    first = area.seen[0]
    text = f"{first.share:.0%}"
    if first.ci95 is not None:
        text += f" [{100 * first.ci95[0]:.0f}, {100 * first.ci95[1]:.0f}]"
    return text


def _extent(panel: Axes, chip: Text) -> Float[np.ndarray, " 2"]:
    """Width and height of a text in stimulus pixels."""
    corners = panel.transData.inverted().transform(chip.get_window_extent().get_points())
    extent: Float[np.ndarray, " 2"] = np.abs(corners[1] - corners[0])
    return extent


def _draw_dots(chart: Axes, areas: Sequence[DrawnArea], colors: Sequence[str]) -> None:
    several = len(areas[0].seen) > 1
    for place, (area, color) in enumerate(zip(areas, colors, strict=True)):
        for number, seen in enumerate(area.seen):
            y = place + (0.17 * (2 * number - 1) if several else 0.0)
            if seen.ci95 is not None:
                chart.plot(seen.ci95, (y, y), color=color, linewidth=1.4, solid_capstyle="butt")
            _draw_mark(chart, seen.share, y, number, color)
    chart.set(xlim=(0, 1), ylim=(len(areas) - 0.5, -0.5))
    chart.set_xticks(np.linspace(0, 1, 5), ["0%", "25%", "50%", "75%", "100%"])
    chart.grid(axis="x", color=_GRAY, linewidth=0.5)
    _plain(chart)


def _draw_mark(chart: Axes, x: float, y: float, source: int, color: str) -> None:
    """A dot for the first source, an open diamond for the second."""
    chart.plot(
        [x],
        [y],
        "oD"[source],
        color=(color, "white")[source],
        markeredgecolor=color,
        markersize=(5.0, 4.0)[source],
        clip_on=False,
    )


def _name_rows(chart: Axes, names: Sequence[str], colors: Sequence[str]) -> None:
    texts = [fitted(name, _NAMES, TEXT_PT) for name in names]
    chart.set_yticks(range(len(names)), texts, parse_math=False)
    for label, color in zip(chart.get_yticklabels(), colors, strict=True):
        label.set_color(color)


def _draw_curves(
    chart: Axes, areas: Sequence[DrawnArea], colors: Sequence[str], moments: Sequence[float]
) -> None:
    for area, color in zip(areas, colors, strict=True):
        for number, seen in enumerate(area.seen):
            chart.plot(
                (0.0, *moments),
                (0.0, *seen.seen_by),
                color=color,
                linewidth=1.2,
                linestyle=_LINES[number],
                drawstyle="steps-post",
                clip_on=False,
                zorder=2.0 if color == _FADED else 2.1,
            )
    chart.set(xlim=(0, moments[-1]), ylim=(0, 1))
    chart.set_yticks(np.linspace(0, 1, 3), ["0%", "50%", "100%"])
    chart.grid(color=_GRAY, linewidth=0.5)
    _plain(chart)


def _draw_key(figure: Figure, layout: _Layout, sources: Sequence[str]) -> None:
    key = place_axes(figure, *layout.key, _COLUMN, _KEY)
    key.set(xlim=(0, _COLUMN), ylim=(0, 1))
    key.set_axis_off()
    for number, source in enumerate(sources):
        x = 0.15 + number * _FIRST_SOURCE
        key.plot(
            [x - 0.14, x + 0.14], [0.6, 0.6], color=INK, linestyle=_LINES[number], linewidth=1.2
        )
        _draw_mark(key, x, 0.6, number, INK)
        key.text(
            x + 0.2,
            0.6,
            fitted(source, (_FIRST_SOURCE, _COLUMN - _FIRST_SOURCE)[number] - 0.4, TEXT_PT - 1),
            fontsize=TEXT_PT - 1,
            va="center",
            color=INK,
            fontfamily=FONT,
            parse_math=False,
        )


def _plain(chart: Axes) -> None:
    chart.set_axisbelow(True)
    chart.tick_params(length=0, pad=5, labelsize=TEXT_PT - 1, labelfontfamily=FONT)
    chart.spines[["top", "right", "left"]].set_visible(False)
    chart.spines["bottom"].set_color(_GRAY)


def _caption(chart: Axes, text: str, *, flush: bool = False) -> None:
    """Text below a chart; where it is wider than that, flush with the right edge."""
    chart.set_xlabel(
        text,
        fontsize=TEXT_PT - 1,
        color=INK,
        labelpad=1,
        fontfamily=FONT,
        loc="right" if flush else "center",
    )
