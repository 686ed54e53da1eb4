"""Training examples: stored features of an image, its center bias, and where people looked.

Batches hold images of one size, are drawn anew for each epoch from the seed and the epoch's number
alone (so that a resumed run sees what an uninterrupted one does), and mirror half of the images.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from foregaze.backbones.feature_store import FeatureStore, feature_key
from foregaze.backbones.staged import Features
from foregaze.data.centerbias import CenterBias
from foregaze.errors import DataError
from foregaze.inference.preprocess import RESIZING, to_working_size
from foregaze.models.checkpoint import frozen_sha256
from foregaze.models.trunk_mixture import Trunk, TrunkMixtureConfig, grid_size, working_size
from foregaze.training.recipe import DataConfig
from foregaze.types import EyeTrackingDataset, Size


class View(NamedTuple):
    """An image as it is shown in training."""

    image: int
    mirrored: bool
    draw: tuple[int, ...] = ()
    """Seed of the fixations that are predicted from those before them."""


class History(NamedTuple):
    """Fixations to predict, and those before them; `M` of each image, `T` before each."""

    x: Float[Tensor, "*B M T"]
    """Pixels of the working size, most recent first, NaN where there is none."""
    y: Float[Tensor, "*B M T"]
    cell: Int[Tensor, "*B M"]
    """Where on the density grid the fixations lie, row after row."""


class Example(NamedTuple):
    """What one view, or a batch of them, contributes to the loss."""

    features: Features
    centerbias: Float[Tensor, "*B h w"]
    """Log density on the model's density grid."""
    counts: Float[Tensor, "*B H W"]
    """Fixations per cell of the target grid."""
    history: History | None = None


class StoredFeatures:
    """Frozen features of a data set's stimuli, through the feature store.

    Args:
        config: Backbone and input size.
        stages: Frozen stages to read and fill.
        dataset: Stimuli.
        store: Folder of the store.
    """

    def __init__(
        self,
        config: TrunkMixtureConfig,
        stages: Sequence[int],
        dataset: EyeTrackingDataset,
        store: Path,
    ) -> None:
        self.config = config
        self.stages = tuple(stages)
        self.stimuli = dataset.stimuli
        self.store = FeatureStore(store)
        self._weights = frozen_sha256([config.resolved_weights]) or config.resolved_weights
        self._image_hashes: dict[int, str] = {}

    def keys(self, view: View) -> dict[int, bytes]:
        """Key of each stage's features of a view.

        Raises:
            DataError: If the image is no file of its own.
        """
        if view.image not in self._image_hashes:
            self._image_hashes[view.image] = _file_hash(self.stimuli.paths[view.image])
        size = working_size(self.config, self.stimuli.sizes[view.image])
        preprocessing = f"{RESIZING} {size} {'mirrored' if view.mirrored else 'plain'}"
        image = self._image_hashes[view.image]
        return {
            stage: feature_key(
                self.config.backbone, f"{stage}", self._weights, preprocessing, image
            )
            for stage in self.stages
        }

    def missing(self, views: Sequence[View]) -> list[View]:
        """Views of which some features are still to be computed."""
        return [v for v in views if not all(map(self.store.has, self.keys(v).values()))]

    @torch.inference_mode()
    def fill(self, view: View, trunk: Trunk) -> None:
        """Compute and store the features of one view."""
        size = working_size(self.config, self.stimuli.sizes[view.image])
        pixels = to_working_size(self.stimuli[view.image], size)
        if view.mirrored:
            pixels = pixels.flip(-1)
        features = trunk(pixels[None].contiguous(memory_format=torch.channels_last))
        self.store.put({key: features[stage][0] for stage, key in self.keys(view).items()})

    def __getitem__(self, view: View) -> Features:
        return {stage: self._stored(view, key) for stage, key in self.keys(view).items()}

    def _stored(self, view: View, key: bytes) -> Tensor:
        feature = self.store.get(key)
        assert feature is not None, f"no features of {view}: the store is filled before training"
        return feature.float()


def _with_history(
    dataset: EyeTrackingDataset, length: int
) -> list[Float[np.ndarray, "N {length}+1 2"]]:
    """For each image, its evidence fixations and the last known ones before, most recent first.

    Fixations that are missing between others are left out, not left open, as in evaluation.
    """
    f = dataset.fixations
    x, y = dataset.history(max(length, int(f.order.max(initial=0))))
    past = np.stack([x, y], -1)[:, ::-1]
    absent = np.isnan(past[..., 0])
    known_first = np.argsort(absent, axis=1, kind="stable")[:, :length, None]
    past = np.take_along_axis(past, known_first, axis=1)  # (N, T, 2)
    rows = np.concatenate([np.column_stack([f.x, f.y])[:, None], past], axis=1)
    evidence = f.order >= int(dataset.starts_at_center)
    return [rows[evidence & (f.image == image)] for image in range(len(dataset))]


def _file_hash(path: Path) -> str:
    if not path.is_file():
        raise DataError(
            f"{path}: is no image file, and training needs files; images inside an HDF5 file "
            "become files with foregaze.data.save_plain, whose folder is a data set to train on"
        )
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Examples(Dataset[Example]):
    """Views of a data set as training examples.

    Args:
        dataset: Images and fixations.
        features: Features of the same images.
        fit_images: Images whose fixations make the center bias (each without its own).
        data: Target grid and center bias.
        histories: Fixations of an image that are predicted from those before them.
        history: Past fixations that are seen.
    """

    def __init__(
        self,
        dataset: EyeTrackingDataset,
        features: StoredFeatures,
        fit_images: Sequence[int],
        data: DataConfig,
        histories: int = 0,
        history: int = 0,
    ) -> None:
        self.features = features
        self.sizes = dataset.stimuli.sizes
        self.fixations = dataset.evidence_by_image()
        self.target_size = data.target_size
        self._position = {image: position for position, image in enumerate(fit_images)}
        self._prior = CenterBias(dataset.subset(fit_images), data.centerbias_sigma_px)
        self._priors: dict[int, Float[Tensor, "h w"]] = {}
        self.histories = histories
        if histories:
            self._evidence = _with_history(dataset, history)

    def __getitem__(self, view: View) -> Example:
        prior, counts = self.prior(view.image), self.counts(view.image)
        history = self.drawn(view) if self.histories else None
        if view.mirrored:  # the features are those of the mirrored image already
            prior, counts = prior.flip(-1), counts.flip(-1)
        return Example(self.features[view], prior, counts, history)

    def drawn(self, view: View) -> History:
        """Some fixations on an image and those before them, in pixels of the working size."""
        rows = self._evidence[view.image]
        generator = np.random.default_rng((*view.draw, view.image))
        rows = rows[generator.choice(len(rows), self.histories, replace=len(rows) < self.histories)]
        size = self.sizes[view.image]
        height, width = working_size(self.features.config, size)
        xy = rows * np.array([width / size[1], height / size[0]])  # (M, 1 + T, 2)
        if view.mirrored:
            xy[..., 0] = width - xy[..., 0]
        h, w = grid_size(self.features.config, (height, width))
        column = np.clip((xy[:, 0, 0] * (w / width)).astype(np.int64), 0, w - 1)
        row = np.clip((xy[:, 0, 1] * (h / height)).astype(np.int64), 0, h - 1)
        x, y = torch.from_numpy(xy[:, 1:].astype(np.float32)).unbind(-1)
        return History(x, y, torch.from_numpy(row * w + column))

    def prior(self, image: int) -> Float[Tensor, "h w"]:
        """Center bias of an image, from the other images that are fitted."""
        if image not in self._priors:
            config = self.features.config
            size = grid_size(config, working_size(config, self.sizes[image]))
            log_density = self._prior.log_density(size, exclude=self._position.get(image))
            self._priors[image] = torch.from_numpy(log_density.astype(np.float32))
        return self._priors[image]

    def counts(self, image: int) -> Float[Tensor, "H W"]:
        """Fixations on an image, counted on the target grid."""
        (height, width), fixations = self.sizes[image], self.fixations[image]
        row = (fixations.y * (self.target_size[0] / height)).astype(np.int64)
        column = (fixations.x * (self.target_size[1] / width)).astype(np.int64)
        counts = np.zeros(self.target_size, dtype=np.float32)
        np.add.at(counts, (row, column), 1)
        return torch.from_numpy(counts)

    def with_fixations(self, images: Sequence[int]) -> list[int]:
        """Those of `images` that anybody looked at."""
        return [image for image in images if len(self.fixations[image])]


class EpochBatches(Sampler[list[View]]):
    """Batches of views for one epoch, each of images of one working size."""

    def __init__(
        self,
        images: Sequence[int],
        sizes: Sequence[Size],
        batch_size: int,
        *,
        mirror: bool,
        seed: tuple[int, ...],
    ) -> None:
        generator = np.random.default_rng(seed)
        by_size: dict[Size, list[View]] = defaultdict(list)
        for image in generator.permutation(np.asarray(images)):
            view = View(int(image), bool(mirror and generator.random() < 0.5), seed)
            by_size[sizes[view.image]].append(view)
        batches = [
            views[start : start + batch_size]
            for views in by_size.values()
            for start in range(0, len(views), batch_size)
        ]
        self.batches = [batches[i] for i in generator.permutation(len(batches))]

    def __iter__(self) -> Iterator[list[View]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def batches_per_epoch(images: Sequence[int], sizes: Sequence[Size], batch_size: int) -> int:
    """Number of batches that `EpochBatches` makes."""
    per_size: dict[Size, int] = defaultdict(int)
    for image in images:
        per_size[sizes[image]] += 1
    return sum(math.ceil(n / batch_size) for n in per_size.values())


def collate(examples: Sequence[Example]) -> Example:
    """Stack examples of images of one size."""
    stages = examples[0].features
    histories = [e.history for e in examples if e.history is not None]
    return Example(
        {stage: torch.stack([e.features[stage] for e in examples]) for stage in stages},
        torch.stack([e.centerbias for e in examples]),
        torch.stack([e.counts for e in examples]),
        History(*map(torch.stack, zip(*histories, strict=True))) if histories else None,
    )
