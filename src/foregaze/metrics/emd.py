"""Earth mover's distance between a saliency map and an empirical one.

`n` cells of a side, `m` cells of the reduced side.
"""

import math

import numpy as np
from array_api_compat import array_namespace, device
from jaxtyping import Float, Real

from foregaze.metrics.checks import as_distribution, same_shape, to_numpy
from foregaze.types import Array

REDUCTION = 32
"""Pixels of a side that become one cell, as in the original."""


def emd(
    saliency_map: Real[Array, "*batch H W"], empirical_map: Real[Array, "*batch H W"]
) -> Float[Array, "*batch"]:
    """Mass times distance between the maps of each image, in cells of 32 pixels; best is 0.

    Pele & Werman (2009), as the MIT benchmark's MATLAB code uses it: both maps reduced 32 times
    by bicubic interpolation with antialiasing, divided by their sums, Euclidean ground distance.
    Of equal masses this is the first Wasserstein distance. Negative lobes of the interpolation are
    cut off at 0. Solved exactly by POT's network simplex, on the CPU.

    Args:
        saliency_map: Any scale.
        empirical_map: Blurred fixations (see `foregaze.ops.empirical`).

    Raises:
        ShapeError: If shapes differ, or a map has NaN or infinities.
    """
    import ot  # slow to import

    same_shape(saliency_map, empirical_map, "EMD")
    xp = array_namespace(saliency_map)
    reduced = [_reduced(as_distribution(values, "EMD")) for values in (saliency_map, empirical_map)]
    *batch, height, width = reduced[0].shape
    places = np.indices((height, width)).reshape(2, -1).T.astype(np.float64)
    distance = np.sqrt(((places[:, None] - places) ** 2).sum(-1))
    pairs = zip(*(values.reshape(-1, height * width) for values in reduced), strict=True)
    costs = [float(ot.emd2(*pair, distance, numItermax=10_000_000)) for pair in pairs]
    values = np.array(costs, dtype=np.float64).reshape(batch)
    return xp.asarray(values, dtype=xp.float64, device=device(saliency_map))


def _reduced(distribution: Float[Array, "*batch H W"]) -> Float[np.ndarray, "*batch h w"]:
    height, width = distribution.shape[-2:]
    values = to_numpy(distribution)
    small = np.maximum(_bicubic(height) @ values @ _bicubic(width).T, 0.0)
    distributed: Float[np.ndarray, "*batch h w"] = small / small.sum((-2, -1), keepdims=True)
    return distributed


def _bicubic(length: int) -> Float[np.ndarray, "m n"]:
    """Weights of antialiased bicubic reduction (Keys 1981, a = -0.5), as MATLAB's imresize."""
    cells = math.ceil(length / REDUCTION)
    centers = (np.arange(cells) + 0.5) * REDUCTION - 0.5
    first = np.floor(centers - 2 * REDUCTION).astype(int)
    weights = np.zeros((cells, length))
    for cell, center in enumerate(centers):
        position = first[cell] + np.arange(4 * REDUCTION + 2)
        distance = np.abs(position - center) / REDUCTION
        near = 1.5 * distance**3 - 2.5 * distance**2 + 1
        far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        kernel = np.where(distance <= 1, near, np.where(distance <= 2, far, 0.0))
        period = position % (2 * length)  # the image repeats in a mirror at its edges
        np.add.at(weights[cell], np.minimum(period, 2 * length - 1 - period), kernel)
    weights /= weights.sum(1, keepdims=True)
    return weights
