"""The shared words: stimuli, fixations, and the data set that joins them.

Positions are x to the right and y down, in stimulus pixels from the top-left corner; pixel i
covers [i, i+1). Sizes are `(H, W)`. Letters: `N` fixations, `T` fixation history.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from foregaze.errors import DataError

Array: TypeAlias = Any
"""A NumPy array or a PyTorch tensor; what comes back is of the kind that was given."""

Size = tuple[int, int]
"""Height and width in pixels."""

ImageArray = UInt8[np.ndarray, "H W 3"]
"""An sRGB image."""


@dataclass(frozen=True)
class Stimuli:
    """The images of a data set, read when asked for."""

    paths: tuple[Path, ...]
    sizes: tuple[Size, ...]
    """(H, W) of each image, from its header."""
    read: Callable[[Path], ImageArray]
    folder: Path | None = None
    """Folder that names are relative to, where stimuli lie in several folders."""

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> ImageArray:
        return self.read(self.paths[index])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images: file names, with their folders below `folder` if that is given."""
        if self.folder is None:
            return tuple(path.name for path in self.paths)
        return tuple(path.relative_to(self.folder).as_posix() for path in self.paths)

    def subset(self, indices: Sequence[int]) -> "Stimuli":
        """The stimuli at `indices`, in that order."""
        return Stimuli(
            tuple(self.paths[i] for i in indices),
            tuple(self.sizes[i] for i in indices),
            self.read,
            self.folder,
        )


@dataclass(frozen=True, eq=False)
class Fixations:
    """Fixations as columns of one table; a row is one fixation."""

    image: Int[np.ndarray, " N"]
    """Index of the stimulus."""
    observer: Int[np.ndarray, " N"]
    order: Int[np.ndarray, " N"]
    """Position in the scanpath; 0 is its first fixation."""
    x: Float[np.ndarray, " N"]
    y: Float[np.ndarray, " N"]
    duration_ms: Float[np.ndarray, " N"]
    """NaN where it is not known."""

    def __len__(self) -> int:
        return len(self.x)

    def where(self, rows: Bool[np.ndarray, " N"] | Int[np.ndarray, " M"]) -> "Fixations":
        """The rows that a boolean column keeps or an integer column names."""
        return Fixations(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def column(self) -> Int[np.ndarray, " N"]:
        """Pixel column under each fixation."""
        column: Int[np.ndarray, " N"] = np.floor(self.x).astype(np.int64)
        return column

    @property
    def row(self) -> Int[np.ndarray, " N"]:
        """Pixel row under each fixation."""
        row: Int[np.ndarray, " N"] = np.floor(self.y).astype(np.int64)
        return row


def drop_outside(fixations: Fixations, sizes: Sequence[Size]) -> tuple[Fixations, int]:
    """Fixations inside their stimulus, and how many were not (NaN counts as outside)."""
    height, width = np.array(sizes, dtype=np.float64).reshape(-1, 2)[fixations.image].T
    inside = (
        (fixations.x >= 0) & (fixations.x < width) & (fixations.y >= 0) & (fixations.y < height)
    )
    return fixations.where(inside), int((~inside).sum())


@dataclass(frozen=True, eq=False)
class EyeTrackingDataset:
    """Stimuli and the fixations that observers made on them."""

    name: str
    stimuli: Stimuli
    fixations: Fixations
    starts_at_center: bool
    """Viewers started at a forced center point: first fixations are history, not evidence."""
    px_per_dva: float | None
    """Stimulus pixels per degree of visual angle, where the authors give it."""
    dropped_fixations: int = 0
    """Fixations of the whole data set left out because they lay outside their image."""
    same_picture: tuple[tuple[str, ...], ...] = ()
    """Groups of names that show one picture, which folds keep together."""
    categories: tuple[str, ...] = ()
    """Category of each stimulus; empty where the data set has none."""
    blur_px: float | None = None
    """Kernel of empirical maps, where a benchmark fixes it; else it is a degree of visual angle."""

    def __post_init__(self) -> None:
        if len(self.categories) not in (0, len(self.stimuli)):
            raise DataError(
                f"{self.name}: {len(self.categories)} categories for {len(self.stimuli)} stimuli"
            )
        image = self.fixations.image
        wrong = image[(image < 0) | (image >= len(self.stimuli))]
        if len(wrong):
            raise DataError(
                f"{self.name}: fixations on image {wrong[0]}, "
                f"but there are {len(self.stimuli)} stimuli, numbered from 0"
            )

    def __len__(self) -> int:
        return len(self.stimuli)

    def on_image(self, index: int) -> Fixations:
        """All fixations on one stimulus."""
        return self.fixations.where(self.fixations.image == index)

    def by_observer(self, observer: int) -> Fixations:
        """All fixations of one observer."""
        return self.fixations.where(self.fixations.observer == observer)

    def evidence(self) -> Fixations:
        """Fixations that a model is trained and scored on (see `starts_at_center`)."""
        return self.fixations.where(self.fixations.order >= int(self.starts_at_center))

    def evidence_by_image(self) -> list[Fixations]:
        """`evidence()` cut into one table per stimulus."""
        evidence = self.evidence()
        by_image = np.argsort(evidence.image, kind="stable")
        cuts = np.searchsorted(evidence.image[by_image], np.arange(len(self) + 1))
        return [evidence.where(by_image[start:stop]) for start, stop in pairwise(cuts)]

    def history(
        self, length: int
    ) -> tuple[Float[np.ndarray, "N {length}"], Float[np.ndarray, "N {length}"]]:
        """`x_hist` and `y_hist`: for each fixation, the ones before it in its scanpath.

        Oldest first and most recent last, in pixels; NaN where the scanpath had not yet begun.
        Fixations dropped for lying outside leave a NaN in the history of those after them.
        """
        f = self.fixations
        x_hist = np.full((len(f), length), np.nan)
        y_hist = np.full((len(f), length), np.nan)
        if not len(f):
            return x_hist, y_hist
        image, observer, order = (c.astype(np.int64) for c in (f.image, f.observer, f.order))
        key = (image * (observer.max() + 1) + observer) * (order.max() + 1) + order
        by_key = np.argsort(key)
        for back in range(1, length + 1):
            position = np.searchsorted(key, key - back, sorter=by_key)  # found or not, below N
            earlier = by_key[position]
            found = (order >= back) & (key[earlier] == key - back)
            x_hist[found, length - back] = f.x[earlier[found]]
            y_hist[found, length - back] = f.y[earlier[found]]
        return x_hist, y_hist

    def subset(self, indices: Sequence[int]) -> "EyeTrackingDataset":
        """The data set of the stimuli at `indices`, in that order, renumbered from 0.

        Raises:
            DataError: If a stimulus is asked for twice.
        """
        if len(set(indices)) < len(indices):
            raise DataError(f"{self.name}: a subset cannot hold a stimulus twice")
        number = np.full(len(self), -1)
        number[np.asarray(indices, dtype=np.int64)] = np.arange(len(indices))
        kept = self.fixations.where(number[self.fixations.image] >= 0)
        return EyeTrackingDataset(
            name=self.name,
            stimuli=self.stimuli.subset(indices),
            fixations=Fixations(
                number[kept.image], kept.observer, kept.order, kept.x, kept.y, kept.duration_ms
            ),
            starts_at_center=self.starts_at_center,
            px_per_dva=self.px_per_dva,
            dropped_fixations=self.dropped_fixations,
            same_picture=self.same_picture,
            categories=tuple(self.categories[i] for i in indices) if self.categories else (),
            blur_px=self.blur_px,
        )
