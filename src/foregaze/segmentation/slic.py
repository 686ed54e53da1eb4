"""SLIC superpixels: k-means on color and position, each cluster near its place on a grid.

Achanta et al. (2012), IEEE TPAMI 34(11), in scikit-image. Its connected form has fewer segments
than are asked of it, or more; here up to twice as many are asked of it until there are no more
than wanted.
"""

import math
from importlib.metadata import version

from pydantic import Field
from skimage.segmentation import slic

from foregaze.config import Config
from foregaze.segmentation.segmenter import Segmenter, Segments, in_order
from foregaze.types import ImageArray


class SlicConfig(Config):
    """Settings."""

    segments: int = Field(16, ge=1)
    """At most."""
    compactness: float = Field(10.0, gt=0)
    """Of position against color: the larger, the squarer."""
    sigma_px: float = Field(1.0, ge=0)
    """Of a Gaussian blur before."""


class Slic(Segmenter):
    """The segmenter."""

    name = "slic"
    Config = SlicConfig
    config: SlicConfig

    def segments(self, image: ImageArray, name: str | None = None) -> Segments:
        """See `Segmenter`."""
        wanted = self.config.segments
        more = (math.ceil(wanted * factor) for factor in (2, 1.75, 1.5, 1.25))
        for asked in (*more, *range(wanted, 0, -1)):
            found = in_order(
                slic(
                    image,
                    n_segments=asked,
                    compactness=self.config.compactness,
                    sigma=self.config.sigma_px,
                    start_label=0,
                    channel_axis=-1,
                )
            )
            if found.max() < wanted:
                break
        return found

    @property
    def made_with(self) -> dict[str, str]:
        """See `Segmenter`."""
        return {"scikit-image": version("scikit-image")}
