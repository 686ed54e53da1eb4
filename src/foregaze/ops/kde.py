"""Kernel densities of fixations: Gaussian kernels in closed form, nothing blurred on a grid.

An isotropic Gaussian is a product of one factor in x and one in y, so the sum of all kernels over
an image is a matrix product (H, N) (N, W), exact at every pixel center. Fixations that share a
coordinate share its factor, which is why a whole data set (positions with one decimal) costs
a fraction of the full product and still loses nothing.

Letters: `N` kernels, `M` positions where they are evaluated.
"""

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_matrix
from scipy.special import ndtr

from foregaze.types import Size

_CHUNK = 8192
"""Kernels per matrix product: bounds the memory at about 100 MB for a 600x800 image."""


def kernel_sum(
    x: Float[np.ndarray, " N"],
    y: Float[np.ndarray, " N"],
    size: Size,
    sigma_px: float,
    weights: Float[np.ndarray, " N"] | None = None,
    *,
    renormalize: bool = True,
) -> Float[np.ndarray, "H W"]:
    """Sum of Gaussian kernels at the pixel centers (i + 0.5) of an image, in float64.

    Args:
        x: Kernel centers in pixels from the left edge, inside [0, W).
        y: Kernel centers in pixels from the top edge, inside [0, H).
        size: (H, W) of the image.
        sigma_px: Standard deviation of the kernels.
        weights: One factor per kernel; 1 where left out.
        renormalize: Divide each kernel by its mass inside the image, so that none leaks out.

    Returns:
        Density per square pixel. With `renormalize` and `sigma_px` of a pixel or more it sums to
        the sum of the weights (N without weights), up to the midpoint rule's error.
    """
    height, width = size
    total = np.zeros((height, width))
    weights = np.ones(len(x)) if weights is None else weights.astype(np.float64)
    for chunk in _chunks(y):
        x_values, x_at = np.unique(x[chunk], return_inverse=True)
        y_values, y_at = np.unique(y[chunk], return_inverse=True)
        counts = csr_matrix(
            (weights[chunk], (y_at, x_at)), shape=(len(y_values), len(x_values))
        )  # (y values, x values)
        along_x = _factors(np.arange(width) + 0.5, x_values, sigma_px)  # (W, x values)
        along_y = _factors(np.arange(height) + 0.5, y_values, sigma_px)  # (H, y values)
        if renormalize:
            along_x /= _mass_inside(x_values, width, sigma_px)
            along_y /= _mass_inside(y_values, height, sigma_px)
        total += along_y @ (counts @ along_x.T)  # (H, W)
    return total


def kernel_factors(
    x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"], size: Size, sigma_px: float
) -> tuple[Float[np.ndarray, "H N"], Float[np.ndarray, "W N"]]:
    """Factors in y and in x whose products are the kernels, renormalized to the image.

    `along_y[:, i] @ along_x[:, i].T` is kernel i at all pixel centers: with the columns of some
    kernels a matrix product gives their sum. Arguments are those of `kernel_sum`.
    """
    along = []
    for centers, length in ((y, size[0]), (x, size[1])):
        centers = centers.astype(np.float64)
        factors = _factors(np.arange(length) + 0.5, centers, sigma_px)
        along.append(factors / _mass_inside(centers, length, sigma_px))
    return along[0], along[1]


def kernel_at(
    x_at: Float[np.ndarray, " M"],
    y_at: Float[np.ndarray, " M"],
    x: Float[np.ndarray, " N"],
    y: Float[np.ndarray, " N"],
    size: Size,
    sigma_px: float,
    *,
    renormalize: bool = True,
) -> Float[np.ndarray, "M N"]:
    """Density per square pixel of each of N Gaussian kernels at each of M positions.

    Arguments are those of `kernel_sum`; `x_at`, `y_at` are positions in pixels. For the value of
    a pixel pass its center (column + 0.5, row + 0.5).
    """
    height, width = size
    x, y = x.astype(np.float64), y.astype(np.float64)
    along_x, along_y = _factors(x_at, x, sigma_px), _factors(y_at, y, sigma_px)
    values: Float[np.ndarray, "M N"] = along_x * along_y
    if renormalize:
        values /= _mass_inside(x, width, sigma_px) * _mass_inside(y, height, sigma_px)
    return values


def _chunks(y: Float[np.ndarray, " N"]) -> Iterator[np.ndarray]:
    """Row numbers in runs of similar y, so that a run holds few distinct y."""
    by_y = np.argsort(y, kind="stable")
    for start in range(0, len(y), _CHUNK):
        yield by_y[start : start + _CHUNK]


def _factors(
    at: Float[np.ndarray, " M"], centers: Float[np.ndarray, " N"], sigma_px: float
) -> Float[np.ndarray, "M N"]:
    """One-dimensional Gaussian densities per pixel."""
    z: Float[np.ndarray, "M N"] = (at[:, None] - centers.astype(np.float64)) / sigma_px
    z *= z  # in place: this array is what a large sum spends its time and memory on
    z *= -0.5
    np.exp(z, out=z)
    z *= 1 / (sigma_px * math.sqrt(2 * math.pi))
    return z


def _mass_inside(
    centers: Float[np.ndarray, " N"], length: int, sigma_px: float
) -> Float[np.ndarray, " N"]:
    """Share of each one-dimensional Gaussian that lies within [0, length]."""
    mass: Float[np.ndarray, " N"] = ndtr((length - centers) / sigma_px) - ndtr(-centers / sigma_px)
    return mass
