"""Figures; each function returns a matplotlib `Figure` that belongs to no window."""

from foregaze.viz.prediction import draw_prediction, save_figure

__all__ = ["draw_prediction", "save_figure"]
