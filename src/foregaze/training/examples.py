"""Training examples: stored features of an image, its center bias, and where people looked."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from foregaze.backbones.staged import Features
from foregaze.data.centerbias import CenterBias
from foregaze.errors import DataError
from foregaze.models.scanpath_mixture import VIEWING_QUANTILES
from foregaze.models.trunk_mixture import grid_size
from foregaze.ops.painting import SegmentLayout, batched
from foregaze.training.frames import View
from foregaze.training.model_features import FrozenSaliency, Layouts
from foregaze.training.recipe import DataConfig
from foregaze.training.stored_features import ViewFeatures
from foregaze.types import EyeTrackingDataset


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
    layout: SegmentLayout | None = None
    """Of the image's segments, for models that see some."""
    weight: Float[Tensor, "*B"] | None = None
    """Of the loss; one where None."""


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


class Examples(Dataset[Example]):
    """Views of a data set as training examples.

    Args:
        dataset: Images and fixations.
        features: Features of views of the same images.
        fit_images: Images whose fixations make the center bias (each without its own).
        data: Target grid and center bias.
        histories: Fixations of an image that are predicted from those before them.
        history: Past fixations that are seen.
        starts: Predict first fixations too.
        validation_histories: As `histories`, at most, of views that are not drawn in an epoch.
        layouts: Segments of the images, for models that see some.
    """

    def __init__(
        self,
        dataset: EyeTrackingDataset,
        features: ViewFeatures,
        fit_images: Sequence[int],
        data: DataConfig,
        histories: int = 0,
        history: int = 0,
        *,
        starts: bool = False,
        validation_histories: int | None = None,
        layouts: Layouts | None = None,
    ) -> None:
        self.features = features
        self.layouts = layouts
        self.frozen: FrozenSaliency | None = None
        self.sizes = dataset.stimuli.sizes
        self.fixations = dataset.evidence_by_image()
        self.target_size = data.target_size
        self._position = {image: position for position, image in enumerate(fit_images)}
        self._prior = CenterBias(dataset.subset(fit_images), data.centerbias_sigma_px)
        self._priors: dict[View, Float[Tensor, "h w"]] = {}
        self.histories = histories
        self.validation_histories = validation_histories
        if histories:
            self._told = _with_history(dataset, history, starts=starts)

    def __getitem__(self, view: View) -> Example:
        features, layout = self._seen(view)
        history = self.drawn(view) if self.histories else None
        counts = self.counts(view)
        weight = torch.tensor(view.weight if counts.any() else 0.0)  # a crop may show no fixation
        return Example(features, self.prior(view), counts, history, layout, weight)

    def _seen(self, view: View) -> tuple[Features, SegmentLayout | None]:
        if self.frozen is not None and (kept := self.frozen.kept(view)) is not None:
            return kept, None
        features = self.features[view]
        layout = None
        if self.layouts is not None:
            layout = self.layouts.of(view, self.features, features)
        if self.frozen is None:
            return features, layout
        return self.frozen.reduced(view, features, layout, self.features.frame(view).size)

    def drawn(self, view: View) -> History:
        """Some fixations on an image and those before them, in pixels of the working size."""
        told = self._told[view.image]
        frame = self.features.frame(view)
        generator = np.random.default_rng((*view.draw, view.image))
        shown = np.flatnonzero(frame.shown(told.xy[:, 0]))
        if not len(shown):
            shown = np.arange(len(told.ended))  # to weigh nothing
        number = self.histories
        if not view.draw and self.validation_histories is not None:
            number = min(self.validation_histories, len(shown))
        rows = shown[generator.choice(len(shown), number, replace=len(shown) < number)]
        height, width = frame.size
        xy = frame.positions(told.xy[rows])  # (M, 1 + T, 2)
        h, w = grid_size(self.features.grid, (height, width))
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

    def prior(self, view: View) -> Float[Tensor, "h w"]:
        """Center bias of an image, from the other images that are fitted."""
        key = View(view.image, view.mirrored, (), view.variant)
        if key not in self._priors:
            frame = self.features.frame(view)
            grid, exclude = (
                grid_size(self.features.grid, frame.size),
                self._position.get(view.image),
            )
            if frame.is_whole:
                whole = self._prior.log_density(grid, exclude=exclude)
                found = torch.from_numpy(whole.astype(np.float32))
                self._priors[key] = found.flip(-1) if view.mirrored else found
            else:
                whole = self._prior.log_density(self.sizes[view.image], exclude=exclude)
                self._priors[key] = frame.prior(whole, grid)
        return self._priors[key]

    def counts(self, view: View) -> Float[Tensor, "H W"]:
        """Fixations that a view shows, counted on the target grid."""
        fixations, frame = self.fixations[view.image], self.features.frame(view)
        xy = np.column_stack([fixations.x, fixations.y])
        shown = xy[frame.shown(xy)] - np.array([frame.left, frame.top])
        target = self.target_size
        row = (shown[:, 1] * (target[0] / frame.height)).astype(np.int64)
        column = (shown[:, 0] * (target[1] / frame.width)).astype(np.int64)
        counts = np.zeros(target, dtype=np.float32)
        np.add.at(counts, (row, column), 1)
        found = torch.from_numpy(counts)
        return found.flip(-1) if view.mirrored else found

    def with_fixations(self, images: Sequence[int]) -> list[int]:
        """Those of `images` that anybody looked at."""
        return [image for image in images if len(self.fixations[image])]


def collate(examples: Sequence[Example]) -> Example:
    """Stack examples of images of one size."""
    stages = examples[0].features
    histories = [e.history for e in examples if e.history is not None]
    layouts = [e.layout for e in examples if e.layout is not None]
    weights = [e.weight for e in examples if e.weight is not None]
    return Example(
        {stage: torch.stack([e.features[stage] for e in examples]) for stage in stages},
        torch.stack([e.centerbias for e in examples]),
        torch.stack([e.counts for e in examples]),
        History(*map(torch.stack, zip(*histories, strict=True))) if histories else None,
        batched(layouts) if layouts else None,
        torch.stack(weights) if weights else None,
    )
