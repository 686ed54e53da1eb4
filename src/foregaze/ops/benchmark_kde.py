"""Kernel densities of fixations exactly as pysaliency computes them.

foregaze's own center bias and gold standard renormalize each kernel to the image (see `kde`) and
mix in a true share of the uniform density. These two are for reproducing published numbers:
`grid_density` is `BaselineModel` (with the fixations of other images `CrossvalidatedBaselineModel`)
and `point_density` is `KDEGoldModel`. Positions are relative: x / W and y / H of their image.
"""

import math

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter
from scipy.special import logsumexp

from foregaze.errors import ShapeError
from foregaze.types import Size


def grid_density(
    x: Float[np.ndarray, " N"],
    y: Float[np.ndarray, " N"],
    size: Size,
    bandwidth: float,
    uniform_term: float,
) -> Float[np.ndarray, "H W"]:
    """Log density in nats of fixation counts blurred on the grid, edges mirrored.

    The counts C sum to N when the uniform density is mixed in, C (1 - e) + e / (H W), so that its
    share becomes e / (N (1 - e) + e): a quirk that published numbers contain.

    Args:
        x: Relative positions from the left, in [0, 1).
        y: Relative positions from the top, in [0, 1).
        size: (H, W) of the density.
        bandwidth: Standard deviation as a share of the height in y and of the width in x.
        uniform_term: e.

    Raises:
        ShapeError: If a position lies outside.
    """
    height, width = size
    column, row = np.trunc(x * width).astype(np.int64), np.trunc(y * height).astype(np.int64)
    if ((column < 0) | (column >= width) | (row < 0) | (row >= height)).any():
        raise ShapeError("relative positions must lie in [0, 1)")
    counts = np.zeros(size)
    np.add.at(counts, (row, column), 1.0)
    blurred = gaussian_filter(counts, (bandwidth * height, bandwidth * width))
    scores = np.log(blurred * (1 - uniform_term) + uniform_term / counts.size)
    log_density: Float[np.ndarray, "H W"] = scores - logsumexp(scores)
    return log_density


def point_density(
    x: Float[np.ndarray, " N"],
    y: Float[np.ndarray, " N"],
    size: Size,
    bandwidth: float,
    uniform_weight: float = 0.0,
) -> Float[np.ndarray, "H W"]:
    """Log density in nats of isotropic Gaussian kernels, evaluated at the pixel centers.

    Uniform without fixations.

    Args:
        x: Relative positions from the left, in [0, 1).
        y: Relative positions from the top, in [0, 1).
        size: (H, W) of the density.
        bandwidth: Standard deviation as a share of the longer side.
        uniform_weight: Share of the uniform density in the mixture.
    """
    height, width = size
    longer = max(size)
    if not len(x):
        return np.full(size, -math.log(height * width))
    along = []
    for centers, length in ((y, height), (x, width)):
        at_pixel = (np.arange(length) + 0.5) / longer
        distance = (at_pixel[:, None] - centers * (length / longer)) / bandwidth
        along.append(np.exp(-0.5 * distance**2))
    with np.errstate(divide="ignore"):  # far from all kernels the density underflows to zero
        scores = np.log(along[0] @ along[1].T)
    log_density: Float[np.ndarray, "H W"] = scores - logsumexp(scores)
    if uniform_weight > 0:
        density = (1 - uniform_weight) * np.exp(log_density) + uniform_weight / log_density.size
        log_density = np.log(density)
        log_density -= logsumexp(log_density)
    return log_density
