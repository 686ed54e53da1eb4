"""A scanpath step by step: at each fixation, what a model expected after those before it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from foregaze.errors import ShapeError
from foregaze.inference.prediction import Prediction
from foregaze.scanpath_metrics import Scanpath
from foregaze.types import ImageArray, Size
from foregaze.viz.scanpaths_marks import (
    STAR,
    check_scanpaths,
    draw_arrows,
    draw_disks,
    draw_numbers,
    draw_star,
)
from foregaze.viz.scanpaths_panels import MOST_PANELS, how_many, lay_out, write_key, write_line
from foregaze.viz.style import (
    INK,
    draw_density,
    draw_heat_key,
    draw_photograph,
    fade,
    place_axes,
    reduce_log_density,
    reduce_photograph,
    to_gray,
    write_title,
)

Conditional = Callable[[Float[np.ndarray, "T 2"]], Prediction]
"""The prediction after past fixations, rows of x, y in pixels of the image, oldest first."""

_DISK = (0.0, 0.42, 0.62)  # blue, which no heat has
_ARROW = (0.25, 0.85, 1.0)
_PANEL_PX = 640
_FOOTER = 0.9


@dataclass(frozen=True, eq=False)
class _Step:
    """One fixation of a scanpath, and what was expected."""

    number: int
    """Index of the fixation."""
    log_density: Float[np.ndarray, "h w"]
    gain_bits: float


def draw_steps(
    image: ImageArray,
    scanpath: Scanpath,
    conditional: Conditional,
    *,
    first: int = 0,
    most: int = MOST_PANELS,
    title: str | None = None,
) -> Figure:
    """Draw a panel for each fixation of a scanpath: what was expected, and where it fell.

    The heat map over the photograph in gray is the density of the fixation after those before
    it, which are numbered dots joined by arrows, older ones fainter; the star is the fixation.
    The caption has its log-likelihood over the uniform density, in bits, and how long it took if
    that is known.

    Args:
        image: The stimulus, sRGB.
        scanpath: A recorded or a sampled one.
        conditional: A model on that image; `foregaze.inference.conditional.Conditional` is one.
        first: Index of the first fixation that is predicted; 1 where a model takes the first one
            of a scanpath as given.
        most: Panels, at the most; the picture says if there are more fixations.
        title: One line at the top, such as the file's name.

    Raises:
        ShapeError: If a fixation lies outside the image, no fixation is left to be predicted, or
            a prediction is not of the image's size.
    """
    size = check_scanpaths([scanpath], image)
    if first < 0:
        raise ShapeError(f"first is {first}, expected the index of a fixation, from 0")
    if len(scanpath) <= first:
        raise ShapeError(
            f"a scanpath of {len(scanpath)} fixations, of which {first} are given, has no step to "
            "predict"
        )
    numbers = range(first, min(len(scanpath), first + most))
    steps = [_step(scanpath, conditional, number, size) for number in numbers]
    note = how_many(len(steps), len(scanpath) - first, "steps")
    grid = lay_out(size, len(steps), has_title=bool(title), footer=_FOOTER)
    figure, panels = grid.draw([_caption(step, scanpath) for step in steps])
    if title:
        write_title(figure, title)
    photograph = to_gray(reduce_photograph(image, _PANEL_PX))
    for panel, step in zip(panels, steps, strict=True):
        _draw_step(panel, step, scanpath, photograph, size)
    _draw_keys(figure, grid.body, steps, note)
    return figure


def gain_bits(log_density: Float[np.ndarray, "H W"], x: float, y: float) -> float:
    """Log-likelihood of a fixation over the uniform density, in bits."""
    return float((log_density[int(y), int(x)] + math.log(log_density.size)) / math.log(2))


def _step(scanpath: Scanpath, conditional: Conditional, number: int, size: Size) -> _Step:
    history = np.column_stack([scanpath.x[:number], scanpath.y[:number]])
    log_density = conditional(history).log_density
    if log_density.shape != size:
        raise ShapeError(
            f"a prediction of shape {log_density.shape} for an image of shape {size}; give the "
            "conditional of this image"
        )
    bits = gain_bits(log_density, scanpath.x[number], scanpath.y[number])
    return _Step(number, reduce_log_density(log_density, _PANEL_PX), bits)


def _caption(step: _Step, scanpath: Scanpath) -> str:
    gain = f"{step.gain_bits:+.2f} bits".replace("-", "−").replace("inf", "∞")
    duration = scanpath.duration_ms[step.number]
    lasting = "" if np.isnan(duration) else f", {duration:.0f} ms"
    return f"fixation {step.number + 1}: {gain}{lasting}"


def _draw_step(
    panel: Axes,
    step: _Step,
    scanpath: Scanpath,
    photograph: UInt8[np.ndarray, "h w 3"],
    size: Size,
) -> None:
    draw_photograph(panel, fade(photograph, 0.85), size)
    draw_density(panel, step.log_density, size, linewidth=0.6)
    if step.number:
        _draw_history(panel, scanpath, step.number)
    draw_star(panel, scanpath.x[step.number], scanpath.y[step.number])


def _draw_history(panel: Axes, scanpath: Scanpath, count: int) -> None:
    past = Scanpath.without_durations(scanpath.x[:count], scanpath.y[:count])
    age = np.arange(count)[::-1]
    opacity = np.maximum(0.4, 0.75**age)
    areas = np.full(count, 9.0**2)
    for draw, color in ((draw_arrows, _ARROW), (draw_disks, _DISK)):
        draw(panel, past, areas, np.column_stack([np.tile(color, (count, 1)), opacity]))
    draw_numbers(panel, [past], [areas], 6.0, opacity=np.maximum(0.7, opacity))


def _draw_keys(figure: Figure, top: float, steps: Sequence[_Step], note: str) -> None:
    width = 3.4
    page_width = figure.get_size_inches()[0]
    draw_heat_key(place_axes(figure, (page_width - width) / 2, top + 0.12, width, 0.1))
    write_key(
        figure,
        top + 0.56,
        [
            Line2D(
                *([0], [0]),
                color=_ARROW,
                marker="o",
                markersize=6,
                markerfacecolor=_DISK,
                markeredgecolor="white",
                label="fixations before, older ones fainter",
            ),
            Line2D(
                *([0], [0]),
                linestyle="none",
                marker="*",
                markersize=10,
                markerfacecolor=STAR,
                markeredgecolor=INK,
                markeredgewidth=0.6,
                label="the fixation that followed",
            ),
        ],
    )
    mean = f"{np.mean([step.gain_bits for step in steps]):+.2f}".replace("-", "−")
    line = f"bits: log-likelihood over the uniform density, {mean} on average"
    write_line(figure, top + 0.78, ";  ".join(filter(None, [line, note])))
