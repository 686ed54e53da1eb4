"""Log densities over pixels: normalizing, mixing, resampling.

Natural logs; `exp` of a log density sums to one over its pixels. `K` mixture components.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from foregaze.types import Size


def normalize(scores: Float[Tensor, "*batch H W"]) -> Float[Tensor, "*batch H W"]:
    """Scores shifted so that their `exp` sums to one over the pixels."""
    return scores - scores.logsumexp((-2, -1), keepdim=True)


def mix(log_densities: Float[Tensor, "K *batch H W"]) -> Float[Tensor, "*batch H W"]:
    """Log of the mean of K densities."""
    return log_densities.logsumexp(0) - math.log(len(log_densities))


def resample(log_density: Float[Tensor, "B h w"], size: Size) -> Float[Tensor, "B H W"]:
    """A log density carried to another grid over the same image.

    Log density per unit area is interpolated bilinearly between cell centers, then normalized.
    It must be finite: interpolation makes NaN of minus infinity.
    """
    if log_density.shape[-2:] == size:
        return log_density
    return normalize(
        F.interpolate(log_density[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
    )


def pool(log_density: Float[Tensor, "B H W"], size: Size) -> Float[Tensor, "B h w"]:
    """A log density carried to a coarser grid: each cell holds the mean density of its pixels.

    Sizes need not divide. A cell without mass keeps the smallest positive number, not zero.
    """
    density = F.adaptive_avg_pool2d(log_density.exp()[:, None], size)[:, 0]
    return normalize(density.clamp_min(torch.finfo(density.dtype).tiny).log())


def sample_pixels(
    log_density: Float[np.ndarray, "H W"], n: int, generator: np.random.Generator
) -> Float[np.ndarray, "n 2"]:
    """Positions (x, y) drawn from a density, uniform within their pixel.

    Exact samples by inversion of the cumulative distribution, in float64; places within a pixel
    have single precision, so that none rounds up to the next one.
    """
    cumulative = np.cumsum(np.exp(log_density.astype(np.float64)))
    pixel = np.searchsorted(cumulative, generator.random(n) * cumulative[-1], side="right")
    row, column = np.unravel_index(np.minimum(pixel, log_density.size - 1), log_density.shape)
    return np.column_stack([column, row]) + generator.random((n, 2), dtype=np.float32)
