"""Center bias with a saccade-length prior: a scanpath model that does not look at the image.

The next fixation x after x' has the density

    p(x | x') = b(x) q(|x - x'|) / (2 pi |x - x'|) / Z(x'),

with b the center bias and q a kernel density of saccade lengths, all of training images; dividing
by the circumference makes a density over lengths one over the plane. First fixations follow a
kernel density of training viewers' first fixations. Normalized on a grid of cells.

`n` scanpaths, `h w` cells, `R` lengths.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from foregaze.data.centerbias import CenterBias
from foregaze.errors import DataError
from foregaze.evaluation.scanpaths import scanpaths_by_image
from foregaze.ops.kde import kernel_sum
from foregaze.ops.logdensity import normalize
from foregaze.ops.sampling import sample_resampled
from foregaze.types import EyeTrackingDataset, Size

CELL_PX = 5
"""Sides of a cell of the grid."""
LENGTH_SIGMA_PX = 8.0
"""Kernel of saccade lengths: a third of a degree on OSIE."""
FIRST_SIGMA_PX = 15.0
"""Kernel of first fixations, two thirds of a degree on OSIE."""
_UNIFORM = 0.001
"""Share of uniform density that keeps logarithms finite."""


@dataclass(frozen=True, eq=False)
class FirstFixations:
    """Where viewers of training images look first, whatever the image shows."""

    size: Size
    log_density: Float[Tensor, "h w"]
    """Of cells, in nats."""

    def sample(self, n: int, generator: np.random.Generator) -> Float[np.ndarray, "{n} 2"]:
        """Positions x, y in pixels, inside the image."""
        densities = self.log_density.expand(n, -1, -1)
        return sample_resampled(densities, self.size, generator).astype(np.float64)


@dataclass(frozen=True, eq=False)
class SaccadePrior:
    """The model; see `fit_saccade_prior`."""

    first: FirstFixations
    centerbias: Float[Tensor, "h w"]
    """Log density of cells in nats."""
    length_density: Float[np.ndarray, " R"]
    """Density per pixel of saccade lengths, at 0, 1, 2, ... pixels."""

    @property
    def size(self) -> Size:
        """(H, W) of the images."""
        return self.first.size

    @cached_property
    def _centers(self) -> tuple[Float[np.ndarray, " w"], Float[np.ndarray, " h"]]:
        """Columns and rows of the cells' centers, in pixels."""
        h, w = self.centerbias.shape
        return (np.arange(w) + 0.5) * self.size[1] / w, (np.arange(h) + 0.5) * self.size[0] / h

    @cached_property
    def _log_factor(self) -> Float[np.ndarray, " R"]:
        """Log of q(r) / (2 pi r) at every length r.

        The cell that holds the last fixation has the mean of 1 / r over a disk of its area,
        which is finite; so have shorter lengths.
        """
        h, w = self.centerbias.shape
        cell_px = self.size[0] * self.size[1] / (h * w)
        shortest = math.sqrt(cell_px / math.pi) / 2
        lengths = np.maximum(np.arange(len(self.length_density)), shortest)
        factor: Float[np.ndarray, " R"] = np.log(self.length_density / (2 * math.pi * lengths))
        return factor

    def log_density(
        self, x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]
    ) -> Float[Tensor, "n h w"]:
        """Log density of cells after fixations at x, y in pixels, in nats."""
        columns, rows = self._centers
        lengths = np.hypot(
            columns - np.asarray(x)[:, None, None], rows[:, None] - np.asarray(y)[:, None, None]
        )  # (n, h, w)
        factor = np.interp(lengths, np.arange(len(self._log_factor)), self._log_factor)
        return normalize(self.centerbias + torch.from_numpy(factor))

    def sample(
        self, n: int, length: int, generator: np.random.Generator
    ) -> Float[np.ndarray, "{n} {length} 2"]:
        """Scanpaths as x, y in pixels, all drawn at a time."""
        paths = np.empty((n, length, 2))
        paths[:, 0] = self.first.sample(n, generator)
        for step in range(1, length):
            x, y = paths[:, step - 1].T
            paths[:, step] = sample_resampled(self.log_density(x, y), self.size, generator)
        return paths


def fit_first_fixations(dataset: EyeTrackingDataset, cell_px: int = CELL_PX) -> FirstFixations:
    """Kernel density of the first fixations on all images of a data set.

    Raises:
        DataError: If the images differ in size, or there are no first fixations.
    """
    size = _common_size(dataset)
    grid = (max(1, round(size[0] / cell_px)), max(1, round(size[1] / cell_px)))
    first = dataset.fixations.where(dataset.fixations.order == 0)
    if not len(first):
        raise DataError(f"{dataset.name}: has no first fixations")
    scale = grid[1] / size[1]
    x, y = first.x * scale, first.y * (grid[0] / size[0])
    density = kernel_sum(x, y, grid, FIRST_SIGMA_PX * scale)
    return FirstFixations(size, torch.from_numpy(_with_uniform(density)))


def fit_saccade_prior(dataset: EyeTrackingDataset, cell_px: int = CELL_PX) -> SaccadePrior:
    """Center bias, saccade lengths and first fixations of all images of a data set.

    Args:
        dataset: Training images of one size, with scanpaths.
        cell_px: About the sides of a cell of the grid.

    Raises:
        DataError: If the images differ in size, or there are no saccades or first fixations.
    """
    first = fit_first_fixations(dataset, cell_px)
    grid = (first.log_density.shape[0], first.log_density.shape[1])
    groups = scanpaths_by_image(dataset.fixations).values()
    lengths = np.concatenate(
        [np.empty(0), *(np.hypot(np.diff(s.x), np.diff(s.y)) for group in groups for s in group)]
    )
    if not len(lengths):
        raise DataError(f"{dataset.name}: has no saccades")
    centerbias = CenterBias(dataset).log_density(grid)
    longest = math.ceil(math.hypot(*first.size))
    return SaccadePrior(first, torch.from_numpy(centerbias), length_density(lengths, longest))


def length_density(
    lengths_px: Float[np.ndarray, " N"], longest_px: int, sigma_px: float = LENGTH_SIGMA_PX
) -> Float[np.ndarray, " R"]:
    """Kernel density of saccade lengths at 0, 1, ..., `longest_px` pixels, per pixel.

    Gaussian kernels, reflected at 0 so that no mass is lost there, and a thousandth of uniform
    density.

    Args:
        lengths_px: Of saccades.
        longest_px: Length beyond which there is none.
        sigma_px: Width of the kernels.
    """
    at = np.arange(longest_px + 1)
    kernels = np.array(
        [
            np.exp(-0.5 * ((r - lengths_px) / sigma_px) ** 2).mean()
            + np.exp(-0.5 * ((r + lengths_px) / sigma_px) ** 2).mean()
            for r in at.tolist()
        ]
    )
    density: Float[np.ndarray, " R"] = (1 - _UNIFORM) * kernels / (
        sigma_px * math.sqrt(2 * math.pi)
    ) + _UNIFORM / longest_px
    return density


def _with_uniform(density: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Log of a density over cells, normalized, with a little uniform density."""
    mixed: Float[np.ndarray, "h w"] = np.log(
        (1 - _UNIFORM) * density / density.sum() + _UNIFORM / density.size
    )
    return mixed


def _common_size(dataset: EyeTrackingDataset) -> Size:
    sizes = sorted(set(dataset.stimuli.sizes))
    if len(sizes) != 1:
        raise DataError(
            f"{dataset.name}: images have {len(sizes)} sizes, and saccade lengths in pixels suit "
            "one"
        )
    return sizes[0]
