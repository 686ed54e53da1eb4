"""Deterministic folds by image, for cross-validation."""

import hashlib
from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Int

from foregaze.errors import DataError
from foregaze.types import EyeTrackingDataset


def assign_folds(dataset: EyeTrackingDataset, folds: int, seed: int = 0) -> Int[np.ndarray, " I"]:
    """Fold of each stimulus, from 0; copies of one picture share theirs.

    Pictures are put in the order of a hash of their name and the seed, and dealt out in turn: the
    folds depend on the names alone, not on the order of files or a generator's version. `I` is the
    number of stimuli.

    Raises:
        DataError: If there are fewer pictures than folds.
    """
    picture_of = picture_names(dataset)
    pictures = sorted(set(picture_of), key=lambda name: _digest(name, seed))
    if folds < 2 or len(pictures) < folds:
        raise DataError(f"{dataset.name}: {len(pictures)} pictures cannot make {folds} folds")
    fold_of = {name: position % folds for position, name in enumerate(pictures)}
    return np.array([fold_of[name] for name in picture_of])


PUBLISHED_SEED = 42
"""Of the folds of the published DeepGaze III and DinoGaze training."""


def published_folds(dataset: EyeTrackingDataset, folds: int) -> Int[np.ndarray, " I"]:
    """Fold of each stimulus as in published training on MIT1003.

    Indices are shuffled once by NumPy's legacy generator and cut into chunks of ceil(I / folds):
    with 1003 images and 10 folds, nine of 101 images and one of 94. Copies of a picture may fall
    into different folds.

    Raises:
        DataError: If a fold would have no image.
    """
    count = len(dataset)
    size = -(-count // folds)
    if folds < 2 or size * (folds - 1) >= count:
        raise DataError(f"{dataset.name}: {count} images cannot make {folds} folds")
    order = np.random.RandomState(PUBLISHED_SEED).permutation(count)
    fold = np.empty(count, dtype=np.int64)
    fold[order] = np.arange(count) // size
    return fold


def split_validation(
    dataset: EyeTrackingDataset, indices: Sequence[int], images: int, seed: int = 0
) -> tuple[list[int], list[int]]:
    """`indices` parted into fitting and validation: the `images` first in the order of a hash.

    Copies of one picture stay together, so the validation part may exceed `images` a little.

    Raises:
        DataError: If nothing would be left to fit.
    """
    picture_of = picture_names(dataset)
    in_order = sorted(indices, key=lambda i: _digest(f"validation {picture_of[i]}", seed))
    held = {picture_of[i] for i in in_order[:images]}
    if indices and held.issuperset(picture_of[i] for i in indices):
        raise DataError(
            f"{dataset.name}: {images} validation images leave none of {len(indices)} to fit"
        )
    return (
        [i for i in indices if picture_of[i] not in held],
        [i for i in indices if picture_of[i] in held],
    )


def without_pictures(dataset: EyeTrackingDataset, names: Collection[str]) -> list[int]:
    """Indices of the stimuli that show none of the pictures of those named, in their order."""
    picture_of = picture_names(dataset)
    left_out = {
        picture
        for name, picture in zip(dataset.stimuli.names, picture_of, strict=True)
        if name in names
    }
    return [i for i, picture in enumerate(picture_of) if picture not in left_out]


def picture_names(dataset: EyeTrackingDataset) -> list[str]:
    """Name of the picture that each stimulus shows: the first of its copies."""
    first_copy = {name: group[0] for group in dataset.same_picture for name in group}
    return [first_copy.get(name, name) for name in dataset.stimuli.names]


def _digest(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
