"""One picture of a prediction: a heat map with mass contours beside sampled fixations.

Every color of the heat map, and every contour, is a share of the probability mass, not a density:
a shade means the same in a peaked and in a flat prediction.
"""

from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float, Float32, Real, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.patheffects import Normal, Stroke
from PIL import Image

from foregaze.errors import ShapeError
from foregaze.files import whole_file
from foregaze.ops.mass import mass_levels

QUARTERS = (0.25, 0.5, 0.75)
"""Shares of the mass that the contours enclose."""

DISPLAY_PX = 1600
"""Photographs and densities are drawn with at most this many pixels on the long side."""

_COLORS = matplotlib.colormaps["inferno"]
_INK = "#222222"
_FONT = "DejaVu Sans"  # ships with matplotlib
_TEXT_PT = 8.0
_DPI = 160
_STEPS = 100  # shades of the heat map


@dataclass(frozen=True)
class _Layout:
    """Where things go on the page, in inches; a cell is an image with its key below."""

    image: tuple[float, float]
    """Width and height of each image."""
    cell_width: float
    stacked: bool
    title: float
    """Height of the title line."""

    margin = 0.12
    gap = 0.16
    color_key = 0.5
    point_key = 0.28

    @property
    def page(self) -> tuple[float, float]:
        width, height = self.cell_width, self.image[1] + self.color_key
        if self.stacked:
            height += self.image[1] + self.point_key
        else:
            width += self.gap + self.cell_width
        return width + 2 * self.margin, height + 2 * self.margin + self.title

    def axes(
        self, figure: Figure, cell: int, left: float, top: float, width: float, height: float
    ) -> Axes:
        """Axes at a place given from the top-left corner of a cell."""
        page_width, page_height = self.page
        if self.stacked:
            top += cell * (self.image[1] + self.color_key)
        else:
            left += cell * (self.cell_width + self.gap)
        left += self.margin
        bottom = page_height - self.margin - self.title - top - height
        return figure.add_axes(
            (left / page_width, bottom / page_height, width / page_width, height / page_height)
        )


def _lay_out(height: int, width: int, *, has_title: bool) -> _Layout:
    aspect = width / height
    stacked = aspect > 2.2
    long_side = 8.4 if stacked else 5.2
    image = long_side * min(1.0, aspect), long_side * min(1.0, 1 / aspect)
    image = max(image[0], 0.05), max(image[1], 0.05)
    return _Layout(image, max(image[0], 2.5), stacked, title=0.25 if has_title else 0.0)


def draw_prediction(
    image: UInt8[np.ndarray, "H W 3"],
    log_density: Float32[np.ndarray, "H W"],
    x: Real[np.ndarray, " N"],
    y: Real[np.ndarray, " N"],
    title: str | None = None,
) -> Figure:
    """Draw where a model expects fixations.

    The first panel lays a heat map over the photograph in gray, so that all color is prediction,
    with contours around the smallest regions that hold a quarter, half and three quarters of the
    mass. The second shows the sampled fixations. Panels stand side by side, or one above the
    other for a panorama.

    Args:
        image: The stimulus, sRGB.
        log_density: Nats, at the size of the stimulus.
        x: Sampled fixations, in stimulus pixels.
        y: As many as in `x`.
        title: One line at the top, such as the file's name.

    Raises:
        ShapeError: The sizes do not fit together.
    """
    if log_density.shape != image.shape[:2] or x.shape != y.shape:
        raise ShapeError(
            f"image {image.shape}, log_density {log_density.shape}, x {x.shape}, y {y.shape}: "
            "expected (H, W, 3), (H, W), (N,) and (N,)"
        )
    height, width = log_density.shape
    layout = _lay_out(height, width, has_title=bool(title))
    figure = Figure(figsize=layout.page, dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    if title:
        _write_title(figure, title, layout)
    photograph = _reduce_photograph(image)
    panels = [
        layout.axes(figure, cell, (layout.cell_width - layout.image[0]) / 2, 0.0, *layout.image)
        for cell in (0, 1)
    ]
    for panel in panels:
        panel.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
        panel.set_axis_off()
    _draw_density(panels[0], photograph, _reduce_log_density(log_density), (height, width))
    _draw_fixations(panels[1], photograph, x, y, (height, width))
    _draw_color_key(figure, layout)
    _draw_point_key(figure, layout, len(x))
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG: whole, or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    with whole_file(Path(path), overwrite=True) as unfinished:
        figure.savefig(unfinished, format="png")


def _reduced_size(height: int, width: int) -> tuple[int, int]:
    """(W, H) for display, as Pillow wants it."""
    scale = min(1.0, DISPLAY_PX / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _reduce_photograph(image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
    size = _reduced_size(*image.shape[:2])
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))


def _reduce_log_density(log_density: Float32[np.ndarray, "H W"]) -> Float[np.ndarray, "h w"]:
    """Log of the mean density under each display pixel; no lower than 60 nats below the peak."""
    peak = log_density.max()
    density = Image.fromarray(np.exp(log_density - peak))
    size = _reduced_size(*log_density.shape)
    reduced = np.asarray(density.resize(size, Image.Resampling.BOX), dtype=np.float64)
    return np.log(np.maximum(reduced, np.exp(-60.0)))


def _draw_density(
    panel: Axes,
    photograph: UInt8[np.ndarray, "h w 3"],
    log_density: Float[np.ndarray, "h w"],
    size: tuple[int, int],
) -> None:
    height, width = size
    extent = (0, width, height, 0)
    gray = photograph @ np.array([0.299, 0.587, 0.114]) / 255  # (h, w)
    panel.imshow(np.stack([gray] * 3, axis=-1), extent=extent, aspect="auto")
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
    if not share_of:  # flat: no region is denser than another
        return
    contours = panel.contour(
        columns, rows, framed, levels=sorted(share_of), colors="white", linestyles="solid"
    )
    contours.set_linewidth(1.1)
    contours.set_path_effects([Stroke(linewidth=2.4, foreground="#000000b0"), Normal()])
    _label_contours(panel, contours, share_of, size)


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


def _label_contours(
    panel: Axes, contours: ContourSet, share_of: dict[float, float], size: tuple[int, int]
) -> None:
    """One label for each level, on a level, free stretch of its contours."""
    panel_pt = _size_pt(panel)
    pt_per_px = panel_pt / np.array(size[::-1])
    places: list[Float[np.ndarray, " 2"]] = []
    for curves in contours.allsegs:
        place = _best_place([curve * pt_per_px for curve in curves], panel_pt, places)
        if place is not None:
            places.append(place)
    labels = contours.clabel(
        fmt={level: f"{share:.0%}" for level, share in share_of.items()},
        fontsize=_TEXT_PT,
        inline_spacing=2,
        manual=[tuple(place / pt_per_px) for place in places],
    )
    for label in labels:
        label.set(
            fontfamily=_FONT,
            color="white",
            path_effects=[Stroke(linewidth=2.2, foreground="#000000c0"), Normal()],
        )


def _size_pt(axes: Axes) -> Float[np.ndarray, " 2"]:
    """Width and height in points."""
    box = axes.get_window_extent()
    return np.array([box.width, box.height]) * (72 / _DPI)


def _best_place(
    curves_pt: list[Float[np.ndarray, "_ 2"]],
    panel_pt: Float[np.ndarray, " 2"],
    taken_pt: list[Float[np.ndarray, " 2"]],
) -> Float[np.ndarray, " 2"] | None:
    """Where on some curves (points, from the top-left) a label sits best; None if too short."""
    label_pt, best, best_score = 28.0, None, 0.0
    for curve in curves_pt:
        along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
        if along[-1] < 3 * label_pt:
            continue
        for middle in np.linspace(label_pt, along[-1] - label_pt, 40):
            start, place, end = (
                np.array([np.interp(middle + offset, along, axis) for axis in curve.T])
                for offset in (-label_pt / 2, 0, label_pt / 2)
            )
            level = abs(end[0] - start[0]) / label_pt  # 1 where the label reads straight on
            border = min(*place, *(panel_pt - place)) / label_pt
            apart = min([np.hypot(*(place - other)) for other in taken_pt], default=np.inf)
            score = level**2 * min(1, border) * min(1, apart / (3 * label_pt))
            if score > best_score and border > 0.6 and apart > label_pt:
                best, best_score = place, score
    return best


def _draw_fixations(
    panel: Axes,
    photograph: UInt8[np.ndarray, "h w 3"],
    x: Real[np.ndarray, " N"],
    y: Real[np.ndarray, " N"],
    size: tuple[int, int],
) -> None:
    height, width = size
    faded = 255 - (255 - photograph.astype(np.float64)) * 0.7
    panel.imshow(faded.astype(np.uint8), extent=(0, width, height, 0), aspect="auto")
    _draw_points(panel, x, y, area_pt2=float(np.clip(3000 / max(1, len(x)), 4, 25)))


def _draw_points(
    panel: Axes, x: Real[np.ndarray, " N"], y: Real[np.ndarray, " N"], area_pt2: float
) -> None:
    """Points with a white ring in a dark one, which show on any background."""
    diameter = np.sqrt(area_pt2)
    ring_pt = diameter / 5
    for rings, color in ((1.5, _INK), (1.0, "white"), (0.0, "#e8175d")):
        area = (diameter + 2 * rings * ring_pt) ** 2
        panel.scatter(x, y, s=area, c=color, linewidths=0, clip_on=False)


def _draw_color_key(figure: Figure, layout: _Layout) -> None:
    width = min(layout.cell_width, 3.4)
    left = (layout.cell_width - width) / 2
    bar = layout.axes(figure, 0, left, layout.image[1] + 0.09, width, 0.1)
    denser = np.linspace(1, 0, 256)[None, :]
    backdrop = np.full((1, 256, 3), 0.6)
    for colors in (backdrop, _heat_colors(denser)):
        bar.imshow(colors, extent=(0, 1, 0, 1), aspect="auto")
    for share in QUARTERS:
        bar.axvline(share, color="black", linewidth=2.4, alpha=0.7)
        bar.axvline(share, color="white", linewidth=1.1)
    bar.set_xticks([0, *QUARTERS, 1], ["0%", "25%", "50%", "75%", "100%"])
    bar.set_yticks([])
    bar.tick_params(length=0, pad=2, labelsize=_TEXT_PT - 1, labelcolor=_INK, labelfontfamily=_FONT)
    first, *_, last = bar.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    bar.set_xlabel(
        "share of fixations predicted inside the contour",
        fontsize=_TEXT_PT - 1,
        color=_INK,
        labelpad=1,
        fontfamily=_FONT,
    )
    bar.spines[:].set_visible(False)


def _draw_point_key(figure: Figure, layout: _Layout, count: int) -> None:
    key = layout.axes(figure, 1, 0.0, layout.image[1], layout.cell_width, layout.point_key)
    key.set_axis_off()
    key.set(xlim=(-1, 1), ylim=(-1, 1))
    text = "1 sampled fixation" if count == 1 else f"{count:,} sampled fixations"
    written = key.annotate(
        text,
        (0, 0),
        xytext=(6, 0),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=_TEXT_PT - 1,
        color=_INK,
        fontfamily=_FONT,
    )
    left = key.transData.inverted().transform(written.get_window_extent().min)[0]
    _draw_points(key, np.array([left - 2 * 8 / _size_pt(key)[0]]), np.zeros(1), area_pt2=25.0)


def _write_title(figure: Figure, title: str, layout: _Layout) -> None:
    known = get_font(findfont(_FONT)).get_charmap()
    line = "".join(c if ord(c) in known else "\N{REPLACEMENT CHARACTER}" for c in title)
    page_width, page_height = layout.page
    fits = int((page_width - 2 * layout.margin) * 72 / (0.62 * (_TEXT_PT + 1)))
    if len(line) > fits:
        line = f"{line[: fits // 2 - 1]}…{line[-(fits // 2) :]}"
    figure.text(
        layout.margin / page_width,
        1 - layout.margin / page_height,
        line,
        va="top",
        fontsize=_TEXT_PT + 1,
        color=_INK,
        fontfamily=_FONT,
        parse_math=False,
    )
