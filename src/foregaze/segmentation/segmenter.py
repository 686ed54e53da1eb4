"""What every segmenter is: a function from an image to integer segments, and how it came about.

`H W` pixels of the image.
"""

import hashlib
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int32, Integer

from foregaze.config import Config
from foregaze.ops.cells import cell_of_pixels
from foregaze.types import ImageArray

Segments = Int32[np.ndarray, "H W"]
"""An id for each pixel, 0 or larger; which ids there are, the method says."""


class Segmenter(ABC):
    """Equal images and settings give equal segments.

    Ids are 0, 1, 2 and so on, in the order in which they appear in rows, unless a method says
    otherwise; `in_order` renumbers those of any.
    """

    name: ClassVar[str]
    config: Config

    def __init__(self, config: Config) -> None:
        self.config = config

    @abstractmethod
    def segments(self, image: ImageArray, name: str | None = None) -> Segments:
        """Segments of an sRGB image.

        Args:
            image: Its pixels.
            name: The image's name, as `Stimuli.names` has it, for methods that look segments up;
                others see only the pixels.
        """

    @property
    @abstractmethod
    def made_with(self) -> dict[str, str]:
        """Versions of software, and hashes of weights, that the segments depend on."""

    def provenance(self, image: ImageArray, name: str | None = None) -> dict[str, Any]:
        """How segments of an image came about: equal where they would be; plain JSON.

        Args:
            image: Its pixels.
            name: See `segments`.
        """
        pixels = hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes())
        return {
            "method": self.name,
            "settings": self.config.model_dump(mode="json"),
            "made_with": self.made_with,
            "image_sha256": pixels.hexdigest(),
        }


def enlarged(ids: Integer[np.ndarray, "h w"], image: ImageArray) -> Segments:
    """Segments found on a coarser grid at the image's size: those of the cells of its pixels."""
    rows, columns = (
        cell_of_pixels(pixels, cells)
        for pixels, cells in zip(image.shape[:2], ids.shape, strict=True)
    )
    return in_order(ids[np.ix_(rows, columns)])


def in_order(ids: Integer[np.ndarray, "H W"]) -> Segments:
    """The same segments, numbered in the order in which they appear, row after row."""
    found, first, where = np.unique(ids, return_index=True, return_inverse=True)
    rank = np.empty(len(found), dtype=np.int32)
    rank[np.argsort(first)] = np.arange(len(found))
    return rank[where.reshape(ids.shape)]
