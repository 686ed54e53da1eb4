"""Center bias of a data set: where people look whatever the image shows.

A kernel density of the evidence fixations of the other images, mixed with a little uniform
density: (1 - w) KDE + w / (H W). Each fixation moves to the asked size by its relative position.
Reference on 600 images of OSIE: 0.494 to 0.496 bits per fixation.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from foregaze.errors import DataError
from foregaze.ops.kde import kernel_at, kernel_sum
from foregaze.types import EyeTrackingDataset, Fixations, Size

_CACHED_BYTES = 300_000_000
"""Of totals that are kept, one for each size; 4 MB at 600x800."""
_POSITIONS = 400
_STEPS_PER_PX = 4
"""A fixation that moves to an image of another size moves in quarters of a pixel, so that kernels
share their factors (see `foregaze.ops.kde`); their width of many pixels hides it."""


class CenterBias:
    """Center bias of one data set, with any one image left out.

    Args:
        dataset: Its evidence fixations make the density.
        sigma_px: Standard deviation of the kernels, in pixels of an image `reference_width`
            wide. It scales with the width that a density is asked for, and is the same number
            of pixels in x and y. 26 px suit OSIE.
        reference_width: Width in pixels that `sigma_px` refers to.
        uniform_weight: Share of the uniform density, between 0 and 1.
    """

    def __init__(
        self,
        dataset: EyeTrackingDataset,
        sigma_px: float = 26.0,
        reference_width: int = 800,
        uniform_weight: float = 0.001,
    ) -> None:
        self.name = dataset.name
        self.sigma_px = sigma_px
        self.reference_width = reference_width
        self.uniform_weight = uniform_weight
        self._sizes = dataset.stimuli.sizes
        self._on_image = dataset.evidence_by_image()
        self._fixations = sum(len(fixations) for fixations in self._on_image)
        self._same_picture = _same_picture(dataset)
        self._totals: dict[Size, Float[np.ndarray, "H W"]] = {}

    def log_density(self, size: Size, exclude: int | None = None) -> Float[np.ndarray, "H W"]:
        """Log density in nats, float64; `exp` sums to one.

        Args:
            size: (H, W) of the density.
            exclude: Index of the image that it will be used on. Its fixations stay out, and so
                do those on other copies of the same picture.

        Raises:
            DataError: If no fixation is left to estimate it from.
        """
        left_out = () if exclude is None else self._same_picture[exclude]
        self._kernel_count(left_out, exclude)
        density = self._total(size).copy()
        for image in left_out:
            density -= self.kernels([image], size)[0]
        np.maximum(density, 0.0, out=density)  # a difference of sums can round below zero
        density *= (1 - self.uniform_weight) / density.sum()
        density += self.uniform_weight / density.size
        np.log(density, out=density)
        return density

    def kernels(
        self, images: Sequence[int] | Int[np.ndarray, " I"], size: Size
    ) -> tuple[Float[np.ndarray, "H W"], int]:
        """Sum of the kernels of some images at a size, and how many they are."""
        count = sum(len(self._on_image[i]) for i in images)
        moved = [_resized(self._on_image[i], self._sizes[i], size) for i in images]
        if not count:
            return np.zeros(size), 0
        x, y = np.concatenate(moved, axis=1)
        return kernel_sum(x, y, size, self.sigma_px * size[1] / self.reference_width), count

    def at_own_fixations(
        self, image: int, size: Size
    ) -> tuple[tuple[Int[np.ndarray, " M"], Int[np.ndarray, " M"]], Float[np.ndarray, " M"], int]:
        """Rows and columns of an image's fixations, its own kernels there, and how many they are.

        The kernels include those on copies of the picture. Of more than `_POSITIONS` fixations so
        many are taken, evenly spread.
        """
        on_image = _resized(self._on_image[image], self._sizes[image], size)
        at = np.floor(on_image).astype(np.int64)
        at = at[:, np.linspace(0, at.shape[1] - 1, min(at.shape[1], _POSITIONS)).astype(np.int64)]
        column, row = np.minimum(at[0], size[1] - 1), np.minimum(at[1], size[0] - 1)
        own, count = np.zeros(len(row)), 0
        for copy in self._same_picture[image]:
            x, y = _resized(self._on_image[copy], self._sizes[copy], size)
            sigma_px = self.sigma_px * size[1] / self.reference_width
            own += kernel_at(column + 0.5, row + 0.5, x, y, size, sigma_px).sum(1)
            count += len(x)
        return (row, column), own, count

    def _kernel_count(self, left_out: tuple[int, ...], exclude: int | None) -> int:
        """Number of kernels that are left, of which there must be some."""
        kernels = self._fixations - sum(len(self._on_image[i]) for i in left_out)
        if not kernels:
            raise DataError(
                f"{self.name}: there is no center bias without evidence fixations "
                f"on {'any' if exclude is None else 'another'} image"
            )
        return kernels

    def _total(self, size: Size) -> Float[np.ndarray, "H W"]:
        """Kernels of all images; of the sizes asked for last, as many as fit are kept."""
        if size in self._totals:
            self._totals[size] = self._totals.pop(size)  # it is now the one used last
            return self._totals[size]
        held = sum(total.nbytes for total in self._totals.values())
        while self._totals and held + 8 * size[0] * size[1] > _CACHED_BYTES:
            held -= self._totals.pop(next(iter(self._totals))).nbytes
        self._totals[size] = self.kernels(range(len(self._on_image)), size)[0]
        return self._totals[size]


def _resized(fixations: Fixations, source: Size, target: Size) -> Float[np.ndarray, "2 N"]:
    """Fixations at the same relative position in an image of another size, as rows x and y."""
    if source == target:  # dividing and multiplying again would move some by a rounding error
        return np.stack([fixations.x, fixations.y])
    moved = [fixations.x * (target[1] / source[1]), fixations.y * (target[0] / source[0])]
    return (np.floor(np.stack(moved) * _STEPS_PER_PX) + 0.5) / _STEPS_PER_PX


def _same_picture(dataset: EyeTrackingDataset) -> list[tuple[int, ...]]:
    """For each image the indices of all that show its picture, itself included."""
    same = [{index} for index in range(len(dataset))]
    for group in dataset.same_picture:
        members = {i for i, name in enumerate(dataset.stimuli.names) if name in group}
        for index in members:
            same[index] |= members
    return [tuple(sorted(indices)) for indices in same]
