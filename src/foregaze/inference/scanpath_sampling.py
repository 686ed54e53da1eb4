"""Scanpaths drawn from DeepGaze III and its kin.

The density of the next fixation is the mean of its components' densities, so drawing a component
at random and then a fixation from it is an exact draw from the mean, at a fraction of the cost.
Scanpaths whose draw fell on the same component take the step together.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from foregaze.inference.history import slots
from foregaze.models.scene import Scene, SceneHead
from foregaze.ops.finalizer import FinerGrid, mean_density
from foregaze.ops.logdensity import sample_pixels


def sample_scanpaths(
    head: SceneHead,
    scene: Scene,
    grid: FinerGrid,
    centerbias: Float[Tensor, "1 u v"],
    history: Float[np.ndarray, "T 2"],
    n: int,
    length: int,
    seed: int | None,
    temperature: float,
) -> Float[np.ndarray, "{n} {length} 2"]:
    """Scanpaths as x, y in pixels of the image as the model sees it.

    Args:
        head: The model's.
        scene: The image, as the head sees it.
        grid: Where its densities are made.
        centerbias: The center bias there.
        history: Past fixations that all scanpaths start from, oldest first.
        n: Number of scanpaths.
        length: Fixations of each, without the history.
        seed: The same one gives the same scanpaths; None draws anew.
        temperature: Log densities are divided by it. Then every step takes all components: the
            tempered mean is not the mean of tempered densities.
    """
    generator = np.random.default_rng(seed)
    steps = _Steps(head, scene, grid, centerbias, temperature)
    paths = np.repeat(history[None], n, axis=0)  # (n, T, 2)
    for _ in range(length):
        following = np.empty((n, 1, 2))
        chosen = np.full(n, _ALL)
        if temperature == 1:
            chosen = generator.integers(head.components, size=n)
        for component in np.unique(chosen):
            here = np.flatnonzero(chosen == component)
            log_masses = steps.log_masses(paths[here], int(component))
            for i, log_mass in zip(here, log_masses, strict=True):
                following[i] = _sample(log_mass, grid, generator)
        paths = np.concatenate([paths, following], axis=1)
    return paths[:, len(history) :]


_ALL = -1
"""In place of a component: the mean of all."""


class _Steps:
    """Densities of the next fixation on one image."""

    def __init__(
        self,
        head: SceneHead,
        scene: Scene,
        grid: FinerGrid,
        centerbias: Float[Tensor, "1 u v"],
        temperature: float,
    ) -> None:
        self.head, self.scene, self.grid = head, scene, grid
        self.centerbias, self.temperature = centerbias, temperature
        self.log_pixels = grid.log_pixels(centerbias)
        self._members: dict[int, SceneHead] = {}

    def log_masses(
        self, paths: Float[np.ndarray, "n T 2"], component: int
    ) -> Float[np.ndarray, "n u v"]:
        """Log masses of the grid's cells after some paths, up to a constant for each."""
        columns = [slots(path, self.head.history) for path in paths]
        x_hist, y_hist = (
            torch.cat(column).to(self.centerbias.device) for column in zip(*columns, strict=True)
        )
        scene = self.scene if component == _ALL else self.scene.component(component)
        parts = self._member(component).after(
            scene.map(lambda x: x.expand(len(paths), *x.shape[1:])),
            self.grid,
            self.centerbias.expand(len(paths), -1, -1),
            x_hist,
            y_hist,
        )
        log_densities = mean_density(parts) / self.temperature
        masses: Float[np.ndarray, "n u v"] = (log_densities + self.log_pixels).cpu().numpy()
        return masses

    def _member(self, component: int) -> SceneHead:
        if component == _ALL:
            return self.head
        if component not in self._members:
            member = self.head.member(component)
            assert isinstance(member, SceneHead)
            self._members[component] = member
        return self._members[component]


def _sample(
    log_mass: Float[np.ndarray, "u v"], grid: FinerGrid, generator: np.random.Generator
) -> Float[np.ndarray, "1 2"]:
    """One position: a cell by its mass, then anywhere among its pixels."""
    column, row = sample_pixels(log_mass - log_mass.max(), 1, generator)[0]
    position = [
        _in_pixels(column, grid.pixel_columns.numpy()),
        _in_pixels(row, grid.pixel_rows.numpy()),
    ]
    return np.array([position])


def _in_pixels(cell: float, cell_of_pixel: np.ndarray) -> float:
    """A position on one axis of the grid, carried to the pixels of its cell."""
    first, last = np.searchsorted(cell_of_pixel, [int(cell), int(cell) + 1])
    return float(first + (cell - int(cell)) * (last - first))
