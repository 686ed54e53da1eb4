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
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from foregaze.backbones.feature_store import FeatureStore, feature_key
from foregaze.backbones.staged import Features
from foregaze.data.centerbias import CenterBias
from foregaze.errors import DataError
from foregaze.models.checkpoint_file import frozen_sha256
from foregaze.models.scanpath_mixture import VIEWING_QUANTILES
from foregaze.models.trunk_mixture import Trunk, TrunkMixtureConfig, grid_size, working_size
from foregaze.ops.preprocess import RESIZING, to_working_size
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
    at: Float[Tensor, "*B M 2"]
    """The same in x, y, pixels of the working size."""
    duration_ms: Float[Tensor, "*B M 1+T"]
    """Of the fixations, and of those before them; NaN where it is not known."""
    ended: Bool[Tensor, "*B M"]
    """Whether a fixation is its scanpath's last, which the end of recording may have cut."""


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
        """Key of each feature of a view, by its stage.

        Raises:
            DataError: If the image is no file of its own.
        """
        return self.keys_of(view, self.stages)

    def keys_of(self, view: View, stages: Sequence[int]) -> dict[int, bytes]:
        """Keys of the features of some stages."""
        shown = self.shown(view)
        return {
            stage: feature_key(self.config.backbone, f"{stage}", self._weights, *shown)
            for stage in stages
        }

    def shown(self, view: View) -> tuple[str, str]:
        """What keys say of how a view is made, and of the image."""
        if view.image not in self._image_hashes:
            self._image_hashes[view.image] = _file_hash(self.stimuli.paths[view.image])
        made = f"{RESIZING} {self.working_size(view)} {'mirrored' if view.mirrored else 'plain'}"
        return made, self._image_hashes[view.image]

    def working_size(self, view: View) -> Size:
        """Size at which the view is seen."""
        return working_size(self.config, self.stimuli.sizes[view.image])

    def missing(self, views: Sequence[View]) -> list[View]:
        """Views of which some features are still to be computed."""
        return [v for v in views if not all(map(self.store.has, self.keys(v).values()))]

    def fill(self, view: View, trunk: Trunk) -> None:
        """Compute and store the features of one view."""
        self.fill_stages(view, trunk, self.stages)

    @torch.inference_mode()
    def fill_stages(self, view: View, trunk: Trunk, stages: Sequence[int]) -> None:
        """Compute and store the features of some stages."""
        pixels = to_working_size(self.stimuli[view.image], self.working_size(view))
        if view.mirrored:
            pixels = pixels.flip(-1)
        features = trunk(pixels[None].contiguous(memory_format=torch.channels_last))
        self.store.put({key: features[n][0] for n, key in self.keys_of(view, stages).items()})

    def __getitem__(self, view: View) -> Features:
        return {stage: self.stored(view, key) for stage, key in self.keys(view).items()}

    def stored(self, view: View, key: bytes) -> Tensor:
        """What the store holds for a key of a view."""
        feature = self.store.get(key)
        assert feature is not None, f"no features of {view}: the store is filled before training"
        return feature.float()


class _Told(NamedTuple):
    """Fixations to predict on one image, and those before them, latest first."""

    xy: Float[np.ndarray, "N 1+T 2"]
    duration_ms: Float[np.ndarray, "N 1+T"]
    ended: Bool[np.ndarray, " N"]


def _with_history(dataset: EyeTrackingDataset, length: int, *, starts: bool) -> list[_Told]:
    """For each image, its fixations and the last known ones before.

    Fixations that are missing between others are left out, not left open, as in evaluation.

    Args:
        dataset: Whose fixations.
        length: How many before each.
        starts: Take first fixations too, even where they are no evidence.
    """
    f = dataset.fixations
    observers, orders = (int(column.max(initial=0)) + 1 for column in (f.observer, f.order))
    table = np.full((len(dataset), observers, orders), -1)  # rows of the table of fixations
    table[f.image, f.observer, f.order] = np.arange(len(f))
    latest_first = table[..., ::-1][f.image, f.observer]  # (N, orders)
    ended = (latest_first >= 0).argmax(1) == orders - 1 - f.order
    before = np.arange(orders)[None] > (orders - 1 - f.order)[:, None]
    latest_first = np.where(before, latest_first, -1)
    known_first = np.argsort(latest_first < 0, axis=1, kind="stable")[:, :length]
    past = np.take_along_axis(latest_first, known_first, axis=1)
    past = np.pad(past, ((0, 0), (0, length - past.shape[1])), constant_values=-1)
    rows = np.column_stack([np.arange(len(f)), past])  # (N, 1 + T)
    known = rows >= 0
    xy = np.where(known[..., None], np.column_stack([f.x, f.y])[rows], np.nan)
    durations = np.where(known, f.duration_ms[rows], np.nan)
    wanted = f.order >= (0 if starts else int(dataset.starts_at_center))
    chosen = [wanted & (f.image == image) for image in range(len(dataset))]
    return [_Told(xy[here], durations[here], ended[here]) for here in chosen]


def viewing_quantiles_ms(dataset: EyeTrackingDataset) -> Float[Tensor, " Q"]:
    """Quantiles of the fixation time of a viewer on an image, where all durations are known."""
    f = dataset.fixations
    _, viewing = np.unique(np.column_stack([f.image, f.observer]), axis=0, return_inverse=True)
    totals = np.bincount(viewing.ravel(), f.duration_ms)
    known = totals[~np.isnan(totals)]
    if not len(known):
        raise DataError(f"{dataset.name}: says nothing of how long fixations last")
    quantiles = np.quantile(known, np.linspace(0, 1, VIEWING_QUANTILES))
    return torch.from_numpy(quantiles.astype(np.float32))


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
        starts: Predict first fixations too.
    """

    def __init__(
        self,
        dataset: EyeTrackingDataset,
        features: StoredFeatures,
        fit_images: Sequence[int],
        data: DataConfig,
        histories: int = 0,
        history: int = 0,
        *,
        starts: bool = False,
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
            self._told = _with_history(dataset, history, starts=starts)

    def __getitem__(self, view: View) -> Example:
        prior, counts = self.prior(view.image), self.counts(view.image)
        history = self.drawn(view) if self.histories else None
        if view.mirrored:  # the features are those of the mirrored image already
            prior, counts = prior.flip(-1), counts.flip(-1)
        return Example(self.features[view], prior, counts, history)

    def drawn(self, view: View) -> History:
        """Some fixations on an image and those before them, in pixels of the working size."""
        told = self._told[view.image]
        generator = np.random.default_rng((*view.draw, view.image))
        count = len(told.ended)
        rows = generator.choice(count, self.histories, replace=count < self.histories)
        size = self.sizes[view.image]
        height, width = working_size(self.features.config, size)
        xy = told.xy[rows] * np.array([width / size[1], height / size[0]])  # (M, 1 + T, 2)
        if view.mirrored:
            xy[..., 0] = width - xy[..., 0]
        h, w = grid_size(self.features.config, (height, width))
        column = np.clip((xy[:, 0, 0] * (w / width)).astype(np.int64), 0, w - 1)
        row = np.clip((xy[:, 0, 1] * (h / height)).astype(np.int64), 0, h - 1)
        positions = torch.from_numpy(xy.astype(np.float32))
        return History(
            x=positions[:, 1:, 0],
            y=positions[:, 1:, 1],
            cell=torch.from_numpy(row * w + column),
            at=positions[:, 0],
            duration_ms=torch.from_numpy(told.duration_ms[rows].astype(np.float32)),
            ended=torch.from_numpy(told.ended[rows]),
        )

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
