"""Figures; `draw_...` returns a matplotlib `Figure` that belongs to no window."""

from foregaze.viz.prediction import draw_prediction, save_figure
from foregaze.viz.scanpaths import draw_scanpaths
from foregaze.viz.scanpaths_animation import animate_scanpath
from foregaze.viz.scanpaths_comparison import draw_samples_and_observers
from foregaze.viz.scanpaths_steps import draw_steps

__all__ = [
    "animate_scanpath",
    "draw_prediction",
    "draw_samples_and_observers",
    "draw_scanpaths",
    "draw_steps",
    "save_figure",
]
