"""Felzenszwalb's segments: neighbors are joined where a border is no stronger than what is within.

Felzenszwalb & Huttenlocher (2004), IJCV 59(2), in scikit-image. How many segments there are follows
from a scale; here the finest scale of a ladder is taken at which there are no more than asked for.
"""

import math
from importlib.metadata import version

import numpy as np
from pydantic import Field
from skimage.segmentation import felzenszwalb

from foregaze.config import Config
from foregaze.ops.preprocess import RESIZING, to_working_size
from foregaze.segmentation.segmenter import Segmenter, Segments, enlarged
from foregaze.types import ImageArray

LADDER = tuple(float(2 ** (step / 4)) for step in range(0, 81))
"""Scales from 1 to a million."""


class FelzenszwalbConfig(Config):
    """Settings."""

    segments: int = Field(16, ge=1)
    """At most."""
    sigma_px: float = Field(0.8, ge=0)
    """Of a Gaussian blur before."""
    smallest: float = Field(0.001, ge=0, lt=1)
    """Share of the image below which segments are joined to a neighbor."""
    longest_px: int = Field(400, ge=16)
    """The image is seen with at most this many pixels on its long side."""


class Felzenszwalb(Segmenter):
    """The segmenter."""

    name = "felzenszwalb"
    Config = FelzenszwalbConfig
    config: FelzenszwalbConfig

    def segments(self, image: ImageArray, name: str | None = None) -> Segments:
        """See `Segmenter`."""
        seen = self._seen(image)
        low, high = 0, len(LADDER) - 1  # the coarsest scale joins what is left below
        while low < high:
            middle = (low + high) // 2
            if self._at(seen, LADDER[middle]).max() < self.config.segments:
                high = middle
            else:
                low = middle + 1
        ids = self._at(seen, LADDER[low])
        if ids.max() >= self.config.segments:
            ids = np.zeros_like(ids)
        return enlarged(ids, image)

    def _seen(self, image: ImageArray) -> np.ndarray:
        height, width = image.shape[:2]
        factor = min(1.0, self.config.longest_px / max(height, width))
        size = max(1, round(height * factor)), max(1, round(width * factor))
        seen: np.ndarray = to_working_size(image, size).permute(1, 2, 0).numpy() / 255
        return seen

    def _at(self, seen: np.ndarray, scale: float) -> np.ndarray:
        smallest = math.ceil(self.config.smallest * seen.shape[0] * seen.shape[1])
        found: np.ndarray = felzenszwalb(
            seen, scale=scale, sigma=self.config.sigma_px, min_size=smallest, channel_axis=-1
        )
        return found

    @property
    def made_with(self) -> dict[str, str]:
        """See `Segmenter`."""
        return {"scikit-image": version("scikit-image"), "resizing": RESIZING}
