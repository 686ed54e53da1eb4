"""DeepGaze's finalizer for K mixture components at once: blur, center bias, density.

The readout is repeated to a grid of one cell per m x m pixels, blurred there by component k's
Gaussian, and joined with the center bias c sampled on the same grid,

    z_k = G_k * up(r_k) + w_k c,    p(x) = 1/K sum_k exp(z_k(x)) / sum_x exp(z_k(x)),

and repeated to the image's pixels. Repeating and blurring are linear and separable, so both are one
small matrix for the rows and one for the columns: z_k = A_k r_k B_k^T + w_k c. Cells of the grid
cover different numbers of pixels where sizes do not divide, which the sums over x account for.

`B` batch, `K` components, `H W` pixels, `h w` cells of the readout, `u v` cells of the finer grid.
"""

import math
from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from foregaze.errors import ShapeError
from foregaze.ops.nearest import CompactGrid, downsampled_length, nearest_index, select
from foregaze.types import Size

TRUNCATE = 3
"""Standard deviations on each side that the blur covers."""
_LEAST_SIGMA = 0.1
"""In cells, where a blur leaves everything as it is; training may reach zero, or pass it."""
_CELLS_AT_ONCE = 1 << 21
"""Values of z that are held at a time."""


def blur_matrix(
    sigma: Float[Tensor, " K"], source: Int[Tensor, " u"], n_sources: int
) -> Float[Tensor, "K u {n_sources}"]:
    """One axis of "repeat the readout's cells, then blur" as a matrix; edges repeat.

    Taps at distance i <= ceil(3 sigma) weigh exp(-i^2 / (2 sigma^2)) and sum to one.

    Args:
        sigma: Standard deviations in cells of the finer grid; gradients flow to them.
        source: Readout cell under each cell of the finer grid.
        n_sources: Readout cells.
    """
    sigma = sigma.clamp(min=_LEAST_SIGMA)
    reach = torch.ceil(TRUNCATE * sigma.detach())
    radius = int(reach.max())
    offsets = torch.arange(-radius, radius + 1, device=sigma.device)
    taps = torch.exp(-0.5 * (offsets / sigma[:, None]) ** 2) * (offsets.abs() <= reach[:, None])
    taps = taps / taps.sum(1, keepdim=True)  # (K, 2 radius + 1)
    n = len(source)
    cells = (torch.arange(n, device=sigma.device)[:, None] + offsets).clamp(0, n - 1)
    under = source.to(sigma.device)[cells]  # (u, 2 radius + 1)
    shape = (len(sigma), *under.shape)
    matrix = taps.new_zeros(len(sigma), n, n_sources)
    return matrix.scatter_add(2, under.expand(shape), taps[:, None].expand(shape))


class FinerGrid:
    """The grid of cells on which an image's densities are made; each covers some pixels.

    Args:
        image_size: The image's (H, W).
        size: The grid's (u, v).
    """

    def __init__(self, image_size: Size, size: Size) -> None:
        if not all(size):
            raise ShapeError(
                f"image of {image_size[1]}x{image_size[0]} pixels is too small for this model"
            )
        self.image_size = image_size
        self.size = size
        self.pixel_rows = nearest_index(size[0], image_size[0])
        self.pixel_columns = nearest_index(size[1], image_size[1])

    @classmethod
    def of_blocks(cls, image_size: Size, factor: float) -> "FinerGrid":
        """One cell per m x m pixels."""
        height, width = (downsampled_length(side, factor) for side in image_size)
        return cls(image_size, (height, width))

    def log_pixels(self, like: Tensor) -> Float[Tensor, "u v"]:
        """Logarithm of the number of pixels in each cell."""
        rows = torch.bincount(self.pixel_rows, minlength=self.size[0])
        columns = torch.bincount(self.pixel_columns, minlength=self.size[1])
        return (rows[:, None] * columns).to(like).log()

    def repeated(self, x: Float[Tensor, "B u v"]) -> Float[Tensor, "B H W"]:
        """Values of the cells at the image's pixels."""
        return select(x, self.pixel_rows, self.pixel_columns)


def component_log_densities(
    readout: Float[Tensor, "B K h w"],
    readout_grid: CompactGrid,
    grid: FinerGrid,
    centerbias: Float[Tensor, "B u v"],
    sigma: Float[Tensor, " K"],
    weight: Float[Tensor, " K"],
) -> Iterator[Float[Tensor, "B k u v"]]:
    """Log density per pixel of every component on the finer grid, some components at a time.

    Args:
        readout: On the compact cells of `readout_grid`.
        readout_grid: How they are repeated to the readout grid.
        grid: Where densities are made.
        centerbias: Log density of the center bias on `grid`.
        sigma: Width of each component's blur, in cells of `grid`.
        weight: Of the center bias in each component.
    """
    log_pixels = grid.log_pixels(centerbias)
    rows, columns = (
        axis.place[nearest_index(len(axis.place), n)]
        for axis, n in zip((readout_grid.rows, readout_grid.columns), grid.size, strict=True)
    )
    together = max(1, _CELLS_AT_ONCE // centerbias.numel())
    for start in range(0, len(sigma), together):
        part = slice(start, start + together)
        vertical = blur_matrix(sigma[part], rows, readout.shape[-2])
        horizontal = blur_matrix(sigma[part], columns, readout.shape[-1])
        z = (vertical @ readout[:, part]) @ horizontal.mT
        z = z + weight[part, None, None] * centerbias[:, None]
        yield z - (z + log_pixels).logsumexp((-2, -1), keepdim=True)


def mean_density(log_densities: Iterable[Float[Tensor, "B _ u v"]]) -> Float[Tensor, "B u v"]:
    """Log of the mean over all components, which come some at a time."""
    total, count = None, 0
    for part in log_densities:
        summed = part.logsumexp(1)
        total = summed if total is None else torch.logaddexp(total, summed)
        count += part.shape[1]
    assert total is not None
    return total - math.log(count)
