"""Scanpaths and predictions to draw."""

import numpy as np

from foregaze.inference.prediction import Prediction
from foregaze.scanpath_metrics import Scanpath

SIZE = (60, 80)


def photograph(height=SIZE[0], width=SIZE[1]):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def scanpath(count, seed=0, size=SIZE, durations=True):
    generator = np.random.default_rng(seed)
    x, y = generator.uniform(0, size[1], count), generator.uniform(0, size[0], count)
    if not durations:
        return Scanpath.without_durations(x, y)
    return Scanpath(x, y, generator.uniform(80, 500, count))


class Following:
    """Expects the next fixation around the last one; keeps the histories that it was given."""

    def __init__(self, size=SIZE):
        self.size = size
        self.histories = []

    def __call__(self, history):
        self.histories.append(history)
        height, width = self.size
        x, y = history[-1] if len(history) else (width / 2, height / 2)
        rows, columns = np.mgrid[:height, :width] + 0.5
        log_density = -((columns - x) ** 2 + (rows - y) ** 2) / (2 * (width / 6) ** 2)
        log_density -= np.log(np.exp(log_density).sum())
        return Prediction(log_density.astype(np.float32))


def texts(figure):
    """All that is written on a figure outside axis labels."""
    found = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    found += [text for legend in figure.legends for text in legend.get_texts()]
    return [text.get_text() for text in found]
