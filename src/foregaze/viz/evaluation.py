"""Figures of an evaluation: gains against the gold standard's, calibration, examples.

`I` images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from foregaze.viz.style import heat

_COLORS = ("#c2185b", "#1565c0", "#2e7d32", "#ef6c00", "#6a1b9a", "#00838f", "#5d4037", "#455a64")
_INK = "#222222"
_PANEL_INCHES = 2.9
_PANELS_IN_A_ROW = 4
_LARGEST_DISK_PT2 = 120.0
_DPI = 110
_THUMBNAIL_INCHES = 2.6


@dataclass(frozen=True, eq=False)
class Example:
    """One image with what was measured and what was predicted on it."""

    title: str
    image: UInt8[np.ndarray, "H W 3"]
    x: Float[np.ndarray, " N"]
    y: Float[np.ndarray, " N"]
    log_density: Float[np.ndarray, "H W"] | None
    saliency_map: Float[np.ndarray, "H W"] | None = None
    """Drawn where there is no density."""


def model_colors(models: Sequence[str]) -> dict[str, str]:
    """A color for each model, the same in every figure of a report."""
    return {name: _COLORS[i % len(_COLORS)] for i, name in enumerate(models)}


def draw_gains(
    gold_gain: Sequence[float],
    gains: Mapping[str, Sequence[float]],
    colors: Mapping[str, str],
) -> Figure:
    """Information gain of the gold standard against that of each model, a point for each image.

    Points above the diagonal are images that are predicted worse than by other observers.

    Args:
        gold_gain: Bits per fixation, one per image.
        gains: For each model as many.
        colors: Of each model.
    """
    figure, panels = _panels(len(gains))
    everything = np.concatenate([gold_gain, *gains.values()])
    low, high = float(everything.min()), float(everything.max())
    margin = 0.05 * (high - low) + 0.05
    for panel, (name, gain) in zip(panels, gains.items(), strict=True):
        panel.axline((0, 0), slope=1, color=_INK, linewidth=0.8)
        panel.axhline(0, color="#bbbbbb", linewidth=0.6, zorder=0)
        panel.axvline(0, color="#bbbbbb", linewidth=0.6, zorder=0)
        panel.scatter(gain, gold_gain, s=9, color=colors[name], alpha=0.6, linewidths=0)
        panel.set(
            xlim=(low - margin, high + margin),
            ylim=(low - margin, high + margin),
            aspect="equal",
            xlabel="IG of the model, bits",
            title=name,
        )
    panels[0].set_ylabel("IG of the gold standard, bits")
    return figure


def draw_calibration(
    observed: Mapping[str, Sequence[tuple[float, tuple[float, float]]]],
    colors: Mapping[str, str],
) -> Figure:
    """Share of fixations in regions of equal predicted mass, which should all be alike.

    Args:
        observed: For each model the mean and 95% interval of every region's share, densest first.
        colors: Of each model.
    """
    figure, panels = _panels(len(observed))
    largest = max(high for regions in observed.values() for _, (_, high) in regions)
    for panel, (name, regions) in zip(panels, observed.items(), strict=True):
        place = np.arange(1, len(regions) + 1)
        means = np.array([mean for mean, _ in regions])
        ends = np.array([interval for _, interval in regions]).T  # (2, regions)
        panel.axhline(1 / len(regions), color=_INK, linewidth=0.8)
        panel.bar(place, means, color=colors[name], alpha=0.75, width=0.8)
        panel.errorbar(
            place, means, np.abs(ends - means), fmt="none", ecolor=_INK, elinewidth=0.9, capsize=1.5
        )
        panel.set(ylim=(0, max(0.2, 1.05 * largest)), xticks=place)
        panel.set(xlabel="tenth of the predicted mass, densest first", title=name)
    panels[0].set_ylabel("share of fixations")
    return figure


def draw_reliability(
    bins: Mapping[str, Sequence[tuple[float, float, int]]],
    colors: Mapping[str, str],
    columns: int = _PANELS_IN_A_ROW,
) -> Figure:
    """Shares that were observed against probabilities that were predicted, which should be alike.

    Args:
        bins: For each panel, by its title, the mean probability, the share and the trials of every
            bin; disks have areas in proportion to trials.
        colors: Of each panel.
        columns: Panels that stand side by side.
    """
    figure, panels = _panels(len(bins), columns)
    for number, (panel, (name, found)) in enumerate(zip(panels, bins.items(), strict=True)):
        predicted, observed, trials = np.array(found, dtype=np.float64).reshape(-1, 3).T
        panel.axline((0, 0), slope=1, color=_INK, linewidth=0.8)
        panel.plot(predicted, observed, color=colors[name], linewidth=1.0)
        sizes = _LARGEST_DISK_PT2 * trials / max(1.0, trials.max(initial=0.0))
        panel.scatter(predicted, observed, s=sizes, color=colors[name], alpha=0.75, linewidths=0)
        panel.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        panel.set_title(name, fontsize=9)
        if number % columns == 0:
            panel.set_ylabel("share of observers who saw it")
        if number + columns >= len(bins):
            panel.set_xlabel("predicted probability")
    return figure


def draw_metric(
    metric: str,
    values: Mapping[str, tuple[float, tuple[float, float]]],
    unit: str,
    colors: Mapping[str, str],
) -> Figure:
    """Means of several models and their 95% intervals, one below the other.

    Args:
        metric: Its name.
        values: Mean and interval of each model.
        unit: Of the axis.
        colors: Of each model.
    """
    figure = Figure(figsize=(6.4, 0.7 + 0.3 * len(values)), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for place, (name, (mean, (low, high))) in enumerate(values.items()):
        axes.plot((low, high), (place, place), color=colors[name], linewidth=2.5)
        axes.plot(mean, place, "o", color=colors[name], markersize=6)
    axes.set_yticks(range(len(values)), list(values))
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"{metric} ({unit})")
    _plain(axes)
    return figure


def draw_examples(examples: Sequence[Example]) -> Figure:
    """Images with the fixations that were measured above the map that was predicted.

    Args:
        examples: At least one; they stand side by side.
    """
    aspect = max(example.image.shape[0] / example.image.shape[1] for example in examples)
    height = 2 * _THUMBNAIL_INCHES * aspect + 0.4
    size = (len(examples) * _THUMBNAIL_INCHES, height)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, len(examples), squeeze=False)
    for column, example in enumerate(examples):
        above, below = panels[:, column]
        above.imshow(example.image)
        above.scatter(example.x, example.y, s=5, c="#e8175d", edgecolors="white", linewidths=0.3)
        above.set_title(example.title, fontsize=8)
        if example.log_density is None:
            below.imshow(example.saliency_map, cmap="inferno")
        else:
            gray = example.image @ np.array([0.299, 0.587, 0.114]) / 255
            below.imshow(np.stack([gray] * 3, axis=-1))
            below.imshow(heat(example.log_density))
        for panel in (above, below):
            panel.set_axis_off()
            panel.set(xlim=(0, example.image.shape[1]), ylim=(example.image.shape[0], 0))
    return figure


def _panels(count: int, most: int = _PANELS_IN_A_ROW) -> tuple[Figure, list[Axes]]:
    """Small axes in rows of so many at most, as many as are asked for."""
    columns = min(count, most)
    rows = -(-count // columns)
    size = (columns * _PANEL_INCHES, rows * _PANEL_INCHES)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in grid[count:]:
        unused.set_axis_off()
    for panel in grid[:count]:
        _plain(panel)
        panel.title.set_fontsize(9)
    return figure, list(grid[:count])


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)
    axes.xaxis.label.set_fontsize(8)
    axes.yaxis.label.set_fontsize(8)
