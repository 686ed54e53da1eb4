"""Scanpaths drawn from DeepGaze III.

The density of the next fixation is the mean of its components' densities, so drawing a component
at random and then a fixation from it is an exact draw from the mean, at a fraction of the cost.
Scanpaths whose draw fell on the same component take the step together.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from foregaze.inference.history import slots
from foregaze.models import DeepGaze3
from foregaze.models.deepgaze3 import DeepGaze3Head
from foregaze.ops.finalizer import FinerGrid
from foregaze.ops.logdensity import sample_pixels


def sample_scanpaths(
    model: DeepGaze3,
    saliency: Float[Tensor, "1 K h w"],
    grid: FinerGrid,
    centerbias: Float[Tensor, "1 u v"],
    history: Float[np.ndarray, "T 2"],
    n: int,
    length: int,
    seed: int | None,
) -> Float[np.ndarray, "{n} {length} 2"]:
    """Scanpaths as x, y in pixels of the image as the model sees it.

    Args:
        model: The model.
        saliency: Its `saliency_maps` for the image.
        grid: Where its densities are made.
        centerbias: The center bias there.
        history: Past fixations that all scanpaths start from, oldest first.
        n: Number of scanpaths.
        length: Fixations of each, without the history.
        seed: The same one gives the same scanpaths; None draws anew.
    """
    generator = np.random.default_rng(seed)
    members: dict[int, DeepGaze3Head] = {}
    paths = np.repeat(history[None], n, axis=0)  # (n, T, 2)
    for _ in range(length):
        chosen = generator.integers(model.head.components, size=n)
        following = np.empty((n, 1, 2))
        for component in np.unique(chosen):
            if component not in members:
                member = model.head.member(int(component))
                assert isinstance(member, DeepGaze3Head)
                members[component] = member
            here = np.flatnonzero(chosen == component)
            columns = [slots(paths[i], model.config.history) for i in here]
            x_hist, y_hist = (
                torch.cat(column).to(saliency.device) for column in zip(*columns, strict=True)
            )
            parts = members[component].after(
                saliency[:, component, None].expand(len(here), -1, -1, -1),
                grid,
                centerbias.expand(len(here), -1, -1),
                x_hist,
                y_hist,
            )
            for i, log_density in zip(here, torch.cat(list(parts), 1)[:, 0], strict=True):
                following[i] = _sample(log_density, grid, generator)
        paths = np.concatenate([paths, following], axis=1)
    return paths[:, len(history) :]


def _sample(
    log_density: Float[Tensor, "u v"], grid: FinerGrid, generator: np.random.Generator
) -> Float[np.ndarray, "1 2"]:
    """One position: a cell by its mass, then anywhere among its pixels."""
    mass = (log_density + grid.log_pixels(log_density)).cpu().numpy()
    column, row = sample_pixels(mass, 1, generator)[0]
    position = [
        _in_pixels(column, grid.pixel_columns.numpy()),
        _in_pixels(row, grid.pixel_rows.numpy()),
    ]
    return np.array([position])


def _in_pixels(cell: float, cell_of_pixel: np.ndarray) -> float:
    """A position on one axis of the grid, carried to the pixels of its cell."""
    first, last = np.searchsorted(cell_of_pixel, [int(cell), int(cell) + 1])
    return float(first + (cell - int(cell)) * (last - first))
