"""A scanpath as it unfolds: an animated GIF."""

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from foregaze.errors import OutputError
from foregaze.files import check_free, whole_file
from foregaze.scanpath_metrics import Scanpath
from foregaze.types import ImageArray
from foregaze.viz.scanpaths_marks import (
    STAR,
    check_scanpaths,
    disk_areas,
    draw_arrows,
    draw_disks,
)
from foregaze.viz.scanpaths_steps import Conditional
from foregaze.viz.scanpaths_timing import Moment, find_moments
from foregaze.viz.style import (
    FONT,
    INK,
    draw_density,
    draw_photograph,
    fade,
    place_axes,
    reduce_log_density,
    reduce_photograph,
    show_stimulus,
    size_pt,
    to_gray,
)

LONGEST_PX = 640
"""Long side of the image in an animation."""
MOST_BYTES = 2_000_000
"""An animation that would be larger has fewer colors."""

_OTHER_VIDEOS = (".avi", ".mkv", ".mov", ".mp4", ".webm", ".webp")
_COLORS = (127, 63, 31)  # one more is for what does not change
_PALETTE_MOMENTS = 8
_GRAY_SPREAD = 14  # between the channels of a pixel that counts as gray
_DPI = 100
_BAR_PX = 30
_NARROW_PX = 220  # has no room for both texts
_TRAIL = 7
_ARROW = (0.25, 0.85, 1.0)
_DISK = (0.0, 0.42, 0.62)


def animate_scanpath(
    image: ImageArray,
    scanpath: Scanpath,
    path: str | Path,
    *,
    conditional: Conditional | None = None,
    overwrite: bool = False,
) -> None:
    """Write an animation of a scanpath as GIF, which repeats forever: whole, or not at all.

    It runs in real time; where durations are not known each fixation takes as long. The disk is
    where the eye is; its area grows with the time that it has been there. Arrows are the saccades
    before, older ones fainter. With `conditional`, the heat map is what the model expects of the
    next fixation. Equal input gives equal bytes.

    Args:
        image: The stimulus, sRGB.
        scanpath: A recorded or a sampled one.
        path: Name of the file.
        conditional: A model on that image.
        overwrite: Whether an earlier file may be replaced.

    Raises:
        ShapeError: If a fixation lies outside the image, or the scanpath is too long (see
            `foregaze.viz.scanpaths_timing`).
        OutputError: If a file is there that must stay, its name is that of another kind of
            video, or it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() in _OTHER_VIDEOS:
        raise OutputError(f"{path}: animations are GIF files; give a name that ends in .gif")
    check_free(path, overwrite=overwrite)  # before any work
    moments = find_moments(scanpath)
    painter = _Painter(image, scanpath, conditional)
    chosen = np.unique(np.linspace(0, len(moments) - 1, _PALETTE_MOMENTS).round().astype(int))
    sheet = np.concatenate([painter.paint(moments[i]) for i in chosen])
    frames: list[Image.Image] = []
    for colors in _COLORS:
        palette = _palette(sheet, colors)
        if frames:
            pictures = (frame.convert("RGB") for frame in frames)
        else:
            pictures = (Image.fromarray(painter.paint(moment)) for moment in moments)
        frames = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
        content = _to_gif(frames, palette, [moment.lasts_ms for moment in moments])
        if len(content) <= MOST_BYTES:
            break
    with whole_file(path, overwrite=overwrite) as unfinished:
        unfinished.write_bytes(content)


def _palette(sheet: UInt8[np.ndarray, "h w 3"], colors: int) -> Image.Image:
    """An image with a palette of so many colors: those of the marks, and what a sheet needs.

    Grays and colors have their own parts, or a gray photograph would leave none for the heat.
    """
    marks = [to_rgb(color) for color in (_ARROW, _DISK, STAR, INK, "white")]
    fixed = (255 * np.array(marks)).round().astype(int)
    spread = sheet.max(axis=-1).astype(int) - sheet.min(axis=-1)
    colored = spread > _GRAY_SPREAD
    free = colors - len(fixed)
    grays = round(free * float(np.clip(1 - colored.mean(), 0.2, 0.5)))
    table: list[int] = []
    for pixels, count in ((sheet[~colored], grays), (sheet[colored], free - grays)):
        if len(pixels):
            chosen = Image.fromarray(pixels[None]).quantize(count, dither=Image.Dither.NONE)
            table += (chosen.getpalette() or [])[: 3 * count]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*table, *fixed.ravel().tolist()])
    return palette


def _to_gif(frames: Sequence[Image.Image], palette: Image.Image, lasts_ms: list[int]) -> bytes:
    """One table of colors for all frames; what a frame does not change is left transparent."""
    table = palette.getpalette()
    assert table is not None
    clear = len(table) // 3
    table += [0, 0, 0]
    shown = [np.asarray(frame) for frame in frames]
    changes = [np.where(now != was, now, clear) for was, now in pairwise(shown)]
    first, *others = [Image.fromarray(cells.astype(np.uint8)) for cells in (shown[0], *changes)]
    for frame in (first, *others):
        frame.putpalette(table)
    file = io.BytesIO()
    first.save(
        file,
        format="GIF",
        save_all=True,
        append_images=others,
        palette=bytes(table),
        duration=lasts_ms,
        transparency=clear,
        loop=0,
        disposal=1,
        optimize=False,
    )
    return file.getvalue()


class _Painter:
    """Makes the picture of any moment of one scanpath."""

    def __init__(
        self, image: ImageArray, scanpath: Scanpath, conditional: Conditional | None
    ) -> None:
        self._size = check_scanpaths([scanpath], image)
        self._scanpath = scanpath
        self._conditional = conditional
        self._photograph = reduce_photograph(image, LONGEST_PX)
        self._backgrounds: dict[int, UInt8[np.ndarray, "h w 3"]] = {}
        height, width = self._size
        scale = LONGEST_PX / max(height, width)
        self._pixels = max(1, round(width * scale)), max(1, round(height * scale))
        self._total_ms = float(scanpath.duration_ms.sum())  # NaN where they are not known

    def paint(self, moment: Moment) -> UInt8[np.ndarray, "h w 3"]:
        """The picture of a moment."""
        # While the eye moves, what was expected of this fixation is still to be seen.
        seen = moment.fixation - int(moment.moving)
        if seen not in self._backgrounds:
            self._backgrounds[seen] = self._background(seen)
        figure = self._page("none")
        panel = self._panel(figure)
        self._draw_trail(panel, moment)
        self._draw_bar(figure, moment)
        over = _pixels(figure).astype(np.float64)  # (h, w, 4), alpha not multiplied in
        opacity = over[..., 3:] / 255
        mixed = self._backgrounds[seen] * (1 - opacity) + over[..., :3] * opacity
        return mixed.round().astype(np.uint8)

    def _background(self, fixation: int) -> UInt8[np.ndarray, "h w 3"]:
        """Photograph, and the density after a fixation."""
        figure = self._page("white")
        panel = self._panel(figure)
        if self._conditional is None:
            draw_photograph(panel, fade(self._photograph, 0.8), self._size)
        else:
            draw_photograph(panel, fade(to_gray(self._photograph), 0.85), self._size)
            x, y = (v[: fixation + 1] for v in (self._scanpath.x, self._scanpath.y))
            log_density = self._conditional(np.column_stack([x, y])).log_density
            draw_density(panel, reduce_log_density(log_density, LONGEST_PX), self._size, 0.9)
        return _pixels(figure)[..., :3].copy()

    def _draw_trail(self, panel: Axes, moment: Moment) -> None:
        """Arrows and dots of the last fixations, and the disk where the eye is."""
        panel_pt = float(size_pt(panel).max())
        first = max(0, moment.fixation - _TRAIL)
        past = slice(first, moment.fixation)
        x, y = self._scanpath.x[past], self._scanpath.y[past]
        whole = Scanpath.without_durations(np.append(x, moment.x), np.append(y, moment.y))
        age = np.arange(len(whole))[::-1]
        opacity = np.maximum(0.25, 0.8**age)
        areas = np.full(len(whole), 8.0**2)
        fixated_ms = np.array([max(60.0, moment.fixated_ms)])
        areas[-1] = disk_areas(fixated_ms, panel_pt)[0]
        arrows = np.column_stack([np.tile(_ARROW, (len(whole), 1)), opacity])
        draw_arrows(panel, whole, areas, arrows, width_pt=1.8)
        disks = np.column_stack([np.tile(_DISK, (len(whole), 1)), opacity])
        disks[-1] = (*to_rgb(STAR), 1.0)
        draw_disks(panel, whole, areas, disks)

    def _draw_bar(self, figure: Figure, moment: Moment) -> None:
        """How far the scanpath is, below the image."""
        count = len(self._scanpath)
        texts = {"right": f"fixation {moment.fixation + 1} of {count}"}
        if self._pixels[0] < _NARROW_PX:
            texts = {}
        share = (moment.fixation + 1) / count
        if not np.isnan(self._total_ms):
            texts["left"] = f"{moment.elapsed_ms / 1000:.1f} s"
            share = moment.elapsed_ms / max(self._total_ms, 1e-9)
        width, height = self._pixels[0] / _DPI, _BAR_PX / _DPI
        bar = place_axes(figure, 0.0, self._pixels[1] / _DPI, width, height)
        bar.set(xlim=(0, 1), ylim=(0, 1))
        bar.set_axis_off()
        bar.axhspan(0.9, 1.0, color="#dddddd", linewidth=0)
        bar.axhspan(0.9, 1.0, xmax=share, color=STAR, linewidth=0)
        for side, text in texts.items():
            bar.annotate(
                text,
                (float(side == "right"), 0.42),
                xytext=(6 if side == "left" else -6, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=9,
                fontfamily=FONT,
                color=INK,
            )

    def _page(self, color: str) -> Figure:
        width, height = self._pixels
        figure = Figure(
            figsize=(width / _DPI, (height + _BAR_PX) / _DPI), dpi=_DPI, facecolor=color
        )
        FigureCanvasAgg(figure)
        return figure

    def _panel(self, figure: Figure) -> Axes:
        width, height = self._pixels
        panel = place_axes(figure, 0.0, 0.0, width / _DPI, height / _DPI)
        show_stimulus(panel, self._size)
        return panel


def _pixels(figure: Figure) -> UInt8[np.ndarray, "h w 4"]:
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
