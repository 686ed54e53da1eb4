"""Gaussian filters on the pixel grid, as matrix products: the numbers of SciPy's, sooner.

A separable filter is a matrix for the rows and one for the columns. Fixations are a sparse map, so
that blurring them takes only the columns of these matrices that belong to fixated pixels.
"""

from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter1d

from foregaze.types import Size

Edges = Literal["reflect", "constant"]
"""What lies beyond the edges: the mirrored map, or zeros."""

_CACHED_MATRICES = 16


def blur(
    values: Float[np.ndarray, "H W"], sigma_px: float, edges: Edges
) -> Float[np.ndarray, "H W"]:
    """The map after SciPy's `gaussian_filter` with kernels cut off at 4 standard deviations."""
    height, width = values.shape
    along_y, along_x = _filter(height, sigma_px, edges), _filter(width, sigma_px, edges)
    blurred: Float[np.ndarray, "H W"] = along_y @ values.astype(np.float64) @ along_x.T
    return blurred


def blurred_counts(
    x: Int[np.ndarray, " N"], y: Int[np.ndarray, " N"], size: Size, sigma_px: float
) -> Float[np.ndarray, "H W"]:
    """Numbers of fixations on each pixel, blurred with mirrored edges; it sums to N.

    Args:
        x: Columns of the fixations, inside the image.
        y: Rows of the fixations.
        size: (H, W) of the image.
        sigma_px: Standard deviation of the kernel.
    """
    along_y = _filter(size[0], sigma_px, "reflect")[:, y]  # (H, N)
    along_x = _filter(size[1], sigma_px, "reflect")[:, x]  # (W, N)
    blurred: Float[np.ndarray, "H W"] = along_y @ along_x.T
    return blurred


@lru_cache(_CACHED_MATRICES)
def _filter(length: int, sigma_px: float, edges: Edges) -> Float[np.ndarray, "n n"]:
    """Matrix of the one-dimensional filter: column i is the response to a one at i."""
    filtered: Float[np.ndarray, "n n"] = gaussian_filter1d(
        np.eye(length), sigma_px, axis=0, mode=edges
    )
    return filtered
