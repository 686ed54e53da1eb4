"""A model that looks around at random, a quarter of a second each time."""

import numpy as np

from foregaze.inference.conditional import Conditional
from foregaze.inference.predictor import Predictor
from foregaze.scanpath_metrics import Scanpath
from tests.viz.viewing import Following


class Viewer(Following, Conditional):
    """Keeps what it was asked for."""

    def sample(self, history, n, length, seed, temperature=1.0):
        raise NotImplementedError

    def viewings(self, history, n, extent, seed, temperature=1.0):
        self.asked = history, n, extent, seed
        generator = np.random.default_rng(seed)
        length = extent.length or int(4 * (extent.seconds or 2))
        height, width = self.size
        at = generator.uniform(0, 1, (n, length, 2)) * [width, height]
        return [Scanpath(*path.T, np.full(length, 250.0)) for path in at]


class ViewerModel(Predictor):
    """Predicts first fixations unless told otherwise."""

    sees_history = True
    starts = True

    def __init__(self, sees_history=True, starts=True):
        self.name = "viewer"
        self.sees_history, self.starts = sees_history, starts

    def _on(self, image, centerbias, pixels_per_degree, dataset, segments):
        return Viewer(image.shape[:2])
