"""Several small pictures of one stimulus in rows, with captions and a key below them."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from foregaze.types import Size
from foregaze.viz.scanpaths_marks import order_colors
from foregaze.viz.style import (
    FONT,
    INK,
    MARGIN,
    TEXT_PT,
    TITLE,
    blank_page,
    halo,
    image_inches,
    place_axes,
    show_stimulus,
)

MOST_PANELS = 12

_COLUMNS = {1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3, 9: 3}  # else 4
_LONG_SIDE = {1: 5.2, 2: 4.4, 3: 3.8, 4: 4.2}  # else 3.1
_GAP = 0.14
_CAPTION = 0.24


@dataclass(frozen=True)
class Grid:
    """Where panels go on a page, in inches."""

    size: Size
    """(H, W) of the stimulus."""
    panels: int
    image: tuple[float, float]
    """Width and height of each panel."""
    narrowest: float
    """Width of a caption."""
    columns: int
    header: float
    caption: float
    footer: float
    """Room for keys below the panels."""

    @property
    def cell_width(self) -> float:
        """Of a panel and its caption."""
        return max(self.image[0], self.narrowest)

    @property
    def cell_height(self) -> float:
        """Of a panel and its caption."""
        return self.image[1] + self.caption

    @property
    def body(self) -> float:
        """Where the footer begins, from the top of the page."""
        rows = -(-self.panels // self.columns)
        return MARGIN + self.header + rows * self.cell_height + (rows - 1) * _GAP

    @property
    def page(self) -> tuple[float, float]:
        """Width and height."""
        width = self.columns * self.cell_width + (self.columns - 1) * _GAP
        return max(width, 5.0) + 2 * MARGIN, self.body + self.footer + MARGIN

    def draw(self, captions: Sequence[str]) -> tuple[Figure, list[Axes]]:
        """A page with empty panels of the stimulus and a caption under each."""
        figure = blank_page(*self.page)
        whole = self.columns * self.cell_width + (self.columns - 1) * _GAP
        indent = (self.page[0] - whole) / 2
        panels = []
        for number, caption in enumerate(captions):
            row, column = divmod(number, self.columns)
            left = indent + column * (self.cell_width + _GAP)
            left += (self.cell_width - self.image[0]) / 2
            top = MARGIN + self.header + row * (self.cell_height + _GAP)
            panel = place_axes(figure, left, top, *self.image)
            show_stimulus(panel, self.size)
            panel.annotate(
                caption,
                (0.5, 0),
                xycoords="axes fraction",
                xytext=(0, -3.5),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=TEXT_PT,
                fontfamily=FONT,
                color=INK,
                parse_math=False,
                zorder=10,
                path_effects=halo(2.0, "white"),  # disks may reach over the panel's edge
            )
            panels.append(panel)
        return figure, panels


def lay_out(
    size: Size,
    panels: int,
    *,
    has_title: bool,
    footer: float,
    captioned: bool = True,
    narrowest: float = 2.1,
) -> Grid:
    """Columns and sizes that suit so many panels of one stimulus."""
    aspect = size[1] / size[0]
    columns = _COLUMNS.get(panels, 4)
    if aspect > 2.2:
        columns = min(columns, 2)
    long_side = _LONG_SIDE.get(panels, 3.1) * (1.4 if aspect > 2.2 else 1.0)
    return Grid(
        size,
        panels,
        image_inches(size, long_side),
        narrowest,
        columns,
        header=TITLE if has_title else 0.0,
        caption=_CAPTION if captioned else 0.0,
        footer=footer,
    )


def write_key(figure: Figure, top: float, marks: Sequence[Line2D]) -> None:
    """One line of labeled marks in the middle of the page, so many inches from its top."""
    _, page_height = figure.get_size_inches()
    largest = max(float(mark.get_markersize()) for mark in marks)
    figure.legend(
        handles=list(marks),
        loc="upper center",
        bbox_to_anchor=(0.5, 1 - top / page_height),
        ncols=len(marks),
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=max(2.0, (largest + 3) / (TEXT_PT - 1)),
        handleheight=max(0.7, largest / (TEXT_PT - 1)),
        handletextpad=0.5,
        columnspacing=1.6,
        labelcolor=INK,
        prop={"family": FONT, "size": TEXT_PT - 1},
    )


def draw_order_bar(figure: Figure, top: float, longest: int) -> None:
    """The key of colors by order, so many inches from the page's top."""
    width, page_width = 1.6, figure.get_size_inches()[0]
    bar = place_axes(figure, (page_width - width) / 2, top, width, 0.1)
    bar.imshow(order_colors(256)[None], extent=(0, 1, 0, 1), aspect="auto")
    bar.set_axis_off()
    for side, text in ((0.0, "fixation 1"), (1.0, f"{longest}")):
        bar.annotate(
            text,
            (side, 0.5),
            xycoords="axes fraction",
            xytext=(10 * side - 5, 0),
            textcoords="offset points",
            ha="left" if side else "right",
            va="center",
            fontsize=TEXT_PT - 1,
            fontfamily=FONT,
            color=INK,
        )


def write_line(figure: Figure, top: float, text: str) -> None:
    """Small text in the middle of the page, so many inches from its top."""
    _, page_height = figure.get_size_inches()
    figure.text(
        0.5,
        1 - top / page_height,
        text,
        ha="center",
        va="top",
        fontsize=TEXT_PT - 1,
        fontfamily=FONT,
        color=INK,
        parse_math=False,
    )


def how_many(shown: int, total: int, what: str) -> str:
    """Says that a picture does not show everything; empty where it does."""
    return "" if shown == total else f"the first {shown} of {total} {what}"
