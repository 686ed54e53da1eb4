"""Exact draws from densities that are kept on a coarser grid than the image's.

`n` densities, `h w` their grid, `H W` pixels of the image.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from foregaze.ops.cells import neighbors_of_pixels
from foregaze.ops.logdensity import resample, sample_pixels
from foregaze.types import Size

TRIES = 200
"""Draws that are rejected so often come from the whole map: the density is one steep peak."""


def sample_resampled(
    log_density: Float[Tensor, "n h w"], size: Size, generator: np.random.Generator
) -> Float[np.ndarray, "n 2"]:
    """One position (x, y) from each of `resample(log_density, size)`, which is hardly ever built.

    Rejection sampling: a cell of the grid is drawn with the mass that its pixels would have if
    each had the highest density around; one of them, drawn evenly, is kept with the probability
    that its own density asks for. A pixel's bilinear interpolation never leaves the range of the
    cells around its own, so the draws are exact.

    Args:
        log_density: In nats up to a constant; finite.
        size: Height and width of the image.
        generator: Source of all randomness.

    Returns:
        Positions in pixels of the image, uniform within their pixel.
    """
    log_density = log_density.detach().cpu()
    n, h, w = log_density.shape
    rows, columns = _pixels_of_cells(h, size[0]), _pixels_of_cells(w, size[1])
    highest = _highest_around(log_density)
    counts = np.outer(np.diff(rows), np.diff(columns))
    bound = (highest - highest.amax((-2, -1), keepdim=True)).exp().numpy() * counts
    cumulative = np.cumsum(bound.reshape(n, -1), axis=1, dtype=np.float64)
    values, ceiling = log_density.numpy(), highest.numpy()
    pixels = np.empty((n, 2), dtype=np.int64)
    pending = np.arange(n)
    for _ in range(TRIES):
        if not len(pending):
            break
        targets = generator.random(len(pending)) * cumulative[pending, -1]
        cells = np.array(
            [
                np.searchsorted(cumulative[i], target, side="right")
                for i, target in zip(pending, targets, strict=True)
            ]
        )
        row, column = np.unravel_index(np.minimum(cells, h * w - 1), (h, w))
        y = generator.integers(rows[row], rows[row + 1])
        x = generator.integers(columns[column], columns[column + 1])
        own = _interpolated(values, pending, y, x, size)
        kept = np.log(generator.random(len(pending))) < own - ceiling[pending, row, column]
        pixels[pending[kept]] = np.column_stack([x, y])[kept]
        pending = pending[~kept]
    for i in pending:
        whole = resample(log_density[i, None].double(), size)[0].numpy()
        pixels[i] = sample_pixels(whole, 1, generator)[0].astype(np.int64)
    return pixels + generator.random((n, 2), dtype=np.float32)


def _highest_around(x: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Largest value among each cell and its neighbors; many times as fast as a pooling layer."""
    x = F.pad(x, (1, 1, 1, 1), value=-torch.inf)
    x = torch.maximum(torch.maximum(x[:, :-2], x[:, 1:-1]), x[:, 2:])
    return torch.maximum(torch.maximum(x[:, :, :-2], x[:, :, 1:-1]), x[:, :, 2:])


def _pixels_of_cells(cells: int, pixels: int) -> Int[np.ndarray, " M"]:
    """First pixel of each cell on one axis, and the end; a pixel is its center's cell's."""
    cell = ((np.arange(pixels) + 0.5) * (cells / pixels)).astype(np.int64)
    first: Int[np.ndarray, " M"] = np.searchsorted(cell, np.arange(cells + 1))
    return first


def _interpolated(
    values: Float[np.ndarray, "n h w"],
    which: Int[np.ndarray, " m"],
    y: Int[np.ndarray, " m"],
    x: Int[np.ndarray, " m"],
    size: Size,
) -> Float[np.ndarray, " m"]:
    """Bilinear interpolation between cell centers at pixels' centers, as `resample` does it."""
    (top, bottom, down), (left, right, across) = (
        neighbors_of_pixels(at, cells, pixels)
        for at, cells, pixels in zip((y, x), values.shape[-2:], size, strict=True)
    )
    upper = values[which, top, left] * (1 - across) + values[which, top, right] * across
    lower = values[which, bottom, left] * (1 - across) + values[which, bottom, right] * across
    between: Float[np.ndarray, " m"] = upper * (1 - down) + lower * down
    return between
