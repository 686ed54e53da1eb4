"""One picture of a prediction: a heat map with mass contours beside sampled fixations."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Real, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foregaze.errors import ShapeError
from foregaze.files import whole_file
from foregaze.types import Size
from foregaze.viz.style import (
    FONT,
    INK,
    MARGIN,
    TEXT_PT,
    TITLE,
    Contours,
    blank_page,
    draw_density,
    draw_heat_key,
    draw_photograph,
    fade,
    halo,
    image_inches,
    place_axes,
    reduce_log_density,
    reduce_photograph,
    show_stimulus,
    size_pt,
    to_gray,
    write_title,
)


@dataclass(frozen=True)
class _Layout:
    """Where things go on the page, in inches; a cell is an image with its key below."""

    image: tuple[float, float]
    """Width and height of each image."""
    cell_width: float
    stacked: bool
    title: float
    """Height of the title line."""

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
        return width + 2 * MARGIN, height + 2 * MARGIN + self.title

    def axes(
        self, figure: Figure, cell: int, left: float, top: float, width: float, height: float
    ) -> Axes:
        """Axes at a place given from the top-left corner of a cell."""
        if self.stacked:
            top += cell * (self.image[1] + self.color_key)
        else:
            left += cell * (self.cell_width + self.gap)
        return place_axes(figure, left + MARGIN, top + MARGIN + self.title, width, height)


def _lay_out(height: int, width: int, *, has_title: bool) -> _Layout:
    aspect = width / height
    stacked = aspect > 2.2
    long_side = 8.4 if stacked else 5.2
    image = image_inches((height, width), long_side)
    return _Layout(image, max(image[0], 2.5), stacked, title=TITLE if has_title else 0.0)


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
    figure = blank_page(*layout.page)
    if title:
        write_title(figure, title)
    photograph = reduce_photograph(image)
    panels = [
        layout.axes(figure, cell, (layout.cell_width - layout.image[0]) / 2, 0.0, *layout.image)
        for cell in (0, 1)
    ]
    for panel in panels:
        show_stimulus(panel, (height, width))
    draw_photograph(panels[0], to_gray(photograph), (height, width))
    contours = draw_density(panels[0], reduce_log_density(log_density), (height, width))
    if contours is not None:
        _label_contours(panels[0], contours, (height, width))
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


def _label_contours(panel: Axes, contours: Contours, size: Size) -> None:
    """One label for each level, on a level, free stretch of its contours."""
    panel_pt = size_pt(panel)
    pt_per_px = panel_pt / np.array(size[::-1])
    places: list[Float[np.ndarray, " 2"]] = []
    for curves in contours.curves.allsegs:
        place = _best_place([curve * pt_per_px for curve in curves], panel_pt, places)
        if place is not None:
            places.append(place)
    labels = contours.curves.clabel(
        fmt={level: f"{share:.0%}" for level, share in contours.share_of.items()},
        fontsize=TEXT_PT,
        inline_spacing=2,
        manual=[tuple(place / pt_per_px) for place in places],
    )
    for label in labels:
        label.set(
            fontfamily=FONT,
            color="white",
            path_effects=halo(2.2, "#000000c0"),
        )


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
    size: Size,
) -> None:
    draw_photograph(panel, fade(photograph, 0.7), size)
    _draw_points(panel, x, y, area_pt2=float(np.clip(3000 / max(1, len(x)), 4, 25)))


def _draw_points(
    panel: Axes, x: Real[np.ndarray, " N"], y: Real[np.ndarray, " N"], area_pt2: float
) -> None:
    """Points with a white ring in a dark one, which show on any background."""
    diameter = np.sqrt(area_pt2)
    ring_pt = diameter / 5
    for rings, color in ((1.5, INK), (1.0, "white"), (0.0, "#e8175d")):
        area = (diameter + 2 * rings * ring_pt) ** 2
        panel.scatter(x, y, s=area, c=color, linewidths=0, clip_on=False)


def _draw_color_key(figure: Figure, layout: _Layout) -> None:
    width = min(layout.cell_width, 3.4)
    left = (layout.cell_width - width) / 2
    bar = layout.axes(figure, 0, left, layout.image[1] + 0.09, width, 0.1)
    draw_heat_key(bar)


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
        fontsize=TEXT_PT - 1,
        color=INK,
        fontfamily=FONT,
    )
    left = key.transData.inverted().transform(written.get_window_extent().min)[0]
    _draw_points(key, np.array([left - 2 * 8 / size_pt(key)[0]]), np.zeros(1), area_pt2=25.0)
