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


def cell_of_pixels(pixels: int, cells: int) -> Int[np.ndarray, " {pixels}"]:
    """Cell that holds the center of each pixel.

    A center on the border of two cells belongs to the one or the other by rounding in single
    precision; all who ask here agree. PyTorch's "nearest-exact" is the same but for such centers.
    """
    scale = np.float32(cells) / np.float32(pixels)
    place = (np.arange(pixels, dtype=np.float32) + np.float32(0.5)) * scale
    cell: Int[np.ndarray, " {pixels}"] = np.minimum(place.astype(np.int64), cells - 1)
    return cell
