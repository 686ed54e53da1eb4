"""What pictures have in common: ink, places on the page, photographs, and densities over them.

Every color of a heat map, and every contour, is a share of the probability mass, not a density:
a shade means the same in a peaked and in a flat prediction.
"""

from dataclasses import dataclass

import matplotlib
import numpy as np
from jaxtyping import Float, Float32, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.patheffects import AbstractPathEffect, Normal, Stroke
from PIL import Image

from foregaze.ops.mass import mass_levels
from foregaze.types import ImageArray, Size

QUARTERS = (0.25, 0.5, 0.75)
"""Shares of the mass that contours enclose."""

DISPLAY_PX = 1600
"""Photographs and densities are drawn with at most this many pixels on the long side."""

INK = "#222222"
FONT = "DejaVu Sans"  # ships with matplotlib
TEXT_PT = 8.0
DPI = 160
MARGIN = 0.12
"""Of a page, in inches."""
TITLE = 0.25
"""Height of a title line, in inches."""

_COLORS = matplotlib.colormaps["inferno"]
_STEPS = 100  # shades of the heat map


@dataclass(frozen=True, eq=False)
class Contours:
    """Contours as drawn, and the share of the mass that each level's enclose."""

    curves: ContourSet
    share_of: dict[float, float]


def blank_page(width: float, height: float) -> Figure:
    """A white figure of so many inches that belongs to no window."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def place_axes(
    figure: Figure, left: float, top: float, width: float, height: float, *, polar: bool = False
) -> Axes:
    """Axes at a place in inches from the page's top-left corner."""
    page_width, page_height = figure.get_size_inches()
    bottom = page_height - top - height
    place = (left / page_width, bottom / page_height, width / page_width, height / page_height)
    axes: Axes = figure.add_axes(place, polar=polar)
    return axes


def show_stimulus(panel: Axes, size: Size) -> None:
    """Give a panel the coordinates of a stimulus of that (H, W), and take its frame away."""
    height, width = size
    panel.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
    panel.set_axis_off()


def image_inches(size: Size, long_side: float) -> tuple[float, float]:
    """Width and height of an image on the page; very thin ones are widened to be seen."""
    aspect = size[1] / size[0]
    image = long_side * min(1.0, aspect), long_side * min(1.0, 1 / aspect)
    return max(image[0], 0.05), max(image[1], 0.05)


def size_pt(axes: Axes) -> Float[np.ndarray, " 2"]:
    """Width and height in points."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    box = axes.get_window_extent()
    return np.array([box.width, box.height]) * (72 / figure.dpi)


def halo(linewidth: float, color: str) -> list[AbstractPathEffect]:
    """An outline that sets lines and text off from what is under them."""
    return [Stroke(linewidth=linewidth, foreground=color), Normal()]


def write_title(figure: Figure, title: str) -> None:
    """One line at the top of the page: plain text, shortened in the middle if it does not fit."""
    page_width, page_height = figure.get_size_inches()
    figure.text(
        MARGIN / page_width,
        1 - MARGIN / page_height,
        fitted(title, page_width - 2 * MARGIN, TEXT_PT + 1),
        va="top",
        fontsize=TEXT_PT + 1,
        color=INK,
        fontfamily=FONT,
        parse_math=False,
    )


def fitted(text: str, width: float, text_pt: float) -> str:
    """Text that the font can write, shortened in the middle to a width in inches."""
    known = get_font(findfont(FONT)).get_charmap()
    line = "".join(c if ord(c) in known else "\N{REPLACEMENT CHARACTER}" for c in text)
    fits = int(width * 72 / (0.62 * text_pt))
    if len(line) > fits:
        line = f"{line[: fits // 2 - 1]}…{line[-(fits // 2) :]}"
    return line


def reduce_photograph(image: ImageArray, longest: int = DISPLAY_PX) -> UInt8[np.ndarray, "h w 3"]:
    """A photograph with at most so many pixels on its long side."""
    size = _reduced_size((image.shape[0], image.shape[1]), longest)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))


def reduce_log_density(
    log_density: Float32[np.ndarray, "H W"], longest: int = DISPLAY_PX
) -> Float[np.ndarray, "h w"]:
    """Log of the mean density under each display pixel; no lower than 60 nats below the peak."""
    peak = log_density.max()
    density = Image.fromarray(np.exp(log_density - peak))
    size = _reduced_size((log_density.shape[0], log_density.shape[1]), longest)
    reduced = np.asarray(density.resize(size, Image.Resampling.BOX), dtype=np.float64)
    return np.log(np.maximum(reduced, np.exp(-60.0)))


def _reduced_size(size: Size, longest: int) -> tuple[int, int]:
    """(W, H) for display, as Pillow wants it."""
    height, width = size
    scale = min(1.0, longest / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def to_gray(photograph: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The photograph without its colors, so that all color is what is drawn over it."""
    gray = photograph @ np.array([0.299, 0.587, 0.114])  # (h, w)
    return np.stack([gray.round().astype(np.uint8)] * 3, axis=-1)


def fade(photograph: UInt8[np.ndarray, "h w 3"], kept: float) -> UInt8[np.ndarray, "h w 3"]:
    """The photograph paled towards white; `kept` is the share of its contrast that is left."""
    faded = 255 - (255 - photograph.astype(np.float64)) * kept
    return faded.astype(np.uint8)


def draw_photograph(panel: Axes, photograph: UInt8[np.ndarray, "h w 3"], size: Size) -> None:
    """Lay a photograph, reduced or not, over a panel of a stimulus of that (H, W)."""
    height, width = size
    panel.imshow(photograph, extent=(0, width, height, 0), aspect="auto")


def draw_density(
    panel: Axes, log_density: Float[np.ndarray, "h w"], size: Size, linewidth: float = 1.1
) -> Contours | None:
    """Lay a heat map and the contours of `QUARTERS` over a panel; None where all is flat."""
    height, width = size
    extent = (0, width, height, 0)
    panel.imshow(heat(log_density), extent=extent, aspect="auto", interpolation="bilinear")
    # A frame of repeated values carries contours from the outer pixels' centers to the edges.
    framed = np.pad(log_density, 1, mode="edge")
    h, w = log_density.shape
    columns = np.concatenate([[0], np.arange(w) + 0.5, [w]]) * (width / w)
    rows = np.concatenate([[0], np.arange(h) + 0.5, [h]]) * (height / h)
    levels = mass_levels(log_density, QUARTERS)
    share_of = {
        level: share
        for share, level in zip(QUARTERS, levels, strict=True)
        if log_density.min() < level < log_density.max()
    }
    if not share_of:  # no region is denser than another
        return None
    contours = panel.contour(
        columns, rows, framed, levels=sorted(share_of), colors="white", linestyles="solid"
    )
    contours.set_linewidth(linewidth)
    contours.set_path_effects(halo(linewidth + 1.3, "#000000b0"))
    return Contours(contours, share_of)


def heat(log_density: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w 4"]:
    """Colors (RGBA) to lay over a photograph: shades are shares of the probability mass."""
    shares = np.arange(1, _STEPS) / _STEPS
    levels = mass_levels(log_density, list(shares))[::-1]  # rising
    denser = np.searchsorted(levels, log_density, side="left") / (_STEPS - 1)  # (h, w)
    return _heat_colors(denser)


def _heat_colors(denser: Float[np.ndarray, "..."]) -> Float[np.ndarray, "... 4"]:
    """RGBA for the share of the mass that lies where density is lower."""
    colors = _COLORS(0.3 + 0.66 * denser)
    colors[..., 3] = 0.67 * denser**0.85
    return colors


def draw_heat_key(bar: Axes) -> None:
    """Make axes the key of heat maps and their contours; text goes below."""
    denser = np.linspace(1, 0, 256)[None, :]
    backdrop = np.full((1, 256, 3), 0.6)
    for colors in (backdrop, _heat_colors(denser)):
        bar.imshow(colors, extent=(0, 1, 0, 1), aspect="auto")
    for share in QUARTERS:
        bar.axvline(share, color="black", linewidth=2.4, alpha=0.7)
        bar.axvline(share, color="white", linewidth=1.1)
    bar.set_xticks([0, *QUARTERS, 1], ["0%", "25%", "50%", "75%", "100%"])
    label_bar(bar, "share of fixations predicted inside the contour")


def label_bar(bar: Axes, text: str) -> None:
    """Finish a bar of colors that has its ticks: small text below, nothing else."""
    bar.set_yticks([])
    bar.tick_params(length=0, pad=2, labelsize=TEXT_PT - 1, labelcolor=INK, labelfontfamily=FONT)
    first, *_, last = bar.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    bar.set_xlabel(text, fontsize=TEXT_PT - 1, color=INK, labelpad=1, fontfamily=FONT)
    bar.spines[:].set_visible(False)
