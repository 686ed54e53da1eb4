"""The size at which a model sees an image."""

import math
from typing import Protocol, runtime_checkable

from foregaze.types import Size

SIZE_MULTIPLE_PX = 32
"""Sides are multiples of the coarsest stride, so that all grids nest without offset."""
LONGEST_SIDES = 4.0
"""A side is at most this many times the side of the square of the same area."""


@runtime_checkable
class WorkingGrid(Protocol):
    """Sizes that a model works at."""

    @property
    def input_size(self) -> Size:
        """(H, W) to whose area images are brought."""

    @property
    def density_stride(self) -> int:
        """Pixels of the working size per cell of the density grid."""


def size_of_area(input_size: Size, size: Size) -> Size:
    """Size of an image brought to a model's area.

    The image keeps its aspect ratio and is scaled to the area of `input_size`; each side is then
    rounded to a multiple of 32 pixels. Beyond an aspect ratio of 16 the longer side stays at four
    times the square root of that area, and the image is squeezed.
    """
    area = math.prod(input_size)
    height, width = (
        min(side * math.sqrt(area / math.prod(size)), LONGEST_SIDES * math.sqrt(area))
        for side in size
    )
    return tuple(  # type: ignore[return-value]
        SIZE_MULTIPLE_PX * max(1, round(side / SIZE_MULTIPLE_PX)) for side in (height, width)
    )
