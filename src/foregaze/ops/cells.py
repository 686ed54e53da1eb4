"""How the cells of two grids over the same image lie to each other, on one axis."""

import numpy as np
from jaxtyping import Int

Neighbors = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Cells before and after a place, and how far it lies between their centers, from 0 to 1."""


def neighbors_of_pixels(pixel: Int[np.ndarray, " m"], cells: int, pixels: int) -> Neighbors:
    """Cells whose centers lie around those of some pixels, as bilinear interpolation takes them."""
    place = np.maximum((pixel + 0.5) * (cells / pixels) - 0.5, 0)
    before = np.minimum(place.astype(np.int64), cells - 1)
    return before, np.minimum(before + 1, cells - 1), place - before
