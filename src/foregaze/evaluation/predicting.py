"""Loaded models as an evaluation sees them, and where they have seen its data set before."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from foregaze.evaluation.models import ScanpathModel, ScoredModel, SpatialModel
from foregaze.inference.centerbias import CenterBiasLike
from foregaze.inference.conditional import Conditional
from foregaze.inference.predictor import Predictor
from foregaze.inference.segments import SegmentsLike
from foregaze.types import EyeTrackingDataset

_KEPT_BYTES = 400_000_000
"""Of densities of one image: about 200 at 800x600."""


def predicting(
    model: Predictor,
    dataset: EyeTrackingDataset,
    name: str | None = None,
    *,
    centerbias: Callable[[int], CenterBiasLike] | None = None,
    centerbias_name: str = "",
    viewers: str | None = None,
    segments: Callable[[int], SegmentsLike] | None = None,
    segments_name: str = "",
    images: Sequence[int] | None = None,
) -> ScoredModel:
    """A loaded model as an evaluation sees it.

    Models that see past fixations are asked for every fixation after those before it. Images have
    the data set's pixels per degree.

    Args:
        model: From `foregaze.load_model`.
        dataset: Whose stimuli it will predict.
        name: What the report calls it; the model's own name where left out.
        centerbias: Gives what `model.predict` is to take for the image with an index; the model's
            own where left out.
        centerbias_name: Tells that from others, for the report and for scores that are kept.
        viewers: Of models that have parameters for data sets, the one whose are taken; left out,
            their means.
        segments: Gives those of the image with an index, for models that see some; by the model's
            own segmenter where left out.
        segments_name: Tells them from others, for the report and for scores that are kept.
        images: Those that will be scored; all where left out.
    """
    notes = []
    if centerbias_name:
        notes.append(f"center bias: {centerbias_name}")
    if segments_name:
        notes.append(f"segments: {segments_name}")
    if viewers is not None:
        notes.append(f"parameters for the viewers of {viewers}")
    elif model.viewers:
        notes.append(f"parameters are means over its data sets ({', '.join(model.viewers)})")

    def on(image: int) -> Conditional:
        return model.on(
            dataset.stimuli[image],
            centerbias=None if centerbias is None else centerbias(image),
            pixels_per_degree=dataset.px_per_dva,
            dataset=viewers,
            segments=None if segments is None else segments(image),
        )

    viewers_name = "" if viewers is None else f"viewers: {viewers}"
    choices = [centerbias_name, viewers_name, segments_name]
    return scored_model(model, dataset, name or model.name, on, notes, choices, images)


def scored_model(
    model: Predictor,
    dataset: EyeTrackingDataset,
    name: str,
    on: Callable[[int], Conditional],
    notes: Sequence[str],
    choices: Sequence[str],
    images: Sequence[int] | None = None,
) -> ScoredModel:
    """A model that is asked image by image, as an evaluation sees it.

    Args:
        model: The model.
        dataset: Whose stimuli it predicts.
        name: What the report calls it.
        on: All that the image with an index decides.
        notes: What the report says besides where the model has seen images before.
        choices: What tells its scores from others of the same weights.
        images: Those that will be scored; all where left out.
    """
    notes = [*_seen_before(model.card, dataset, images), *notes]
    identity = " ".join(filter(None, (model.digest(), *choices)))
    if model.sees_history:
        notes.append("each fixation is predicted from those before it")
        return ScanpathModel(name, dataset, _AfterHistory(on), tuple(notes), identity)
    return SpatialModel(
        name,
        lambda image: on(image)(np.empty((0, 2))).log_density,
        notes=tuple(notes),
        identity=identity,
    )


def _seen_before(
    card: Mapping[str, Any], dataset: EyeTrackingDataset, images: Sequence[int] | None
) -> list[str]:
    """What there is to say of those of the scored images that a model was trained on."""
    names = dataset.stimuli.names
    scored = set(names if images is None else (names[image] for image in images))
    seen = scored.intersection(training_images(card, dataset))
    same_names = scored.intersection(card.get("images", ()))
    if seen:
        return [
            f"trained on {len(seen)} of these {len(scored)} images, so its numbers are not out of "
            "sample; out-of-fold numbers of the shipped models are in the model card"
        ]
    if len(same_names) > len(scored) / 2:
        return [
            f"{len(same_names)} of these {len(scored)} images have the names of images that it "
            f"was trained on ({card['dataset']}): its numbers may not be out of sample"
        ]
    return []


class _AfterHistory:
    """Predictions after any history.

    What an image decides is kept until the next image, and so are its densities, as far as they
    fit: a report asks for most of them twice, for the evidence and for all fixations.
    """

    def __init__(self, on: Callable[[int], Conditional]) -> None:
        self._on = on
        self._last: tuple[int, Conditional] | None = None
        self._kept: dict[bytes, Float[np.ndarray, "H W"]] = {}

    def __call__(
        self, image: int, x_hist: Float[np.ndarray, " T"], y_hist: Float[np.ndarray, " T"]
    ) -> Float[np.ndarray, "H W"]:
        if self._last is None or self._last[0] != image:
            self._last = (image, self._on(image))
            self._kept.clear()
        history = np.column_stack([x_hist, y_hist])
        key = history.tobytes()
        if key in self._kept:
            return self._kept[key]
        log_density = self._last[1](history).log_density
        if (len(self._kept) + 1) * log_density.nbytes <= _KEPT_BYTES:
            self._kept[key] = log_density
        return log_density


def training_images(card: Mapping[str, Any], dataset: EyeTrackingDataset) -> list[str]:
    """Images of a data set that a model was trained on, according to its card.

    Data sets whose names differ only after the first hyphen (`osie`, `osie-mouse_amt`) show the
    same images. A card that names no data set or no images gives an empty list.
    """
    if _base_name(card.get("dataset", "")) != _base_name(dataset.name):
        return []
    seen = set(card.get("images", ()))
    return [name for name in dataset.stimuli.names if name in seen]


def _base_name(dataset_name: str) -> str:
    return dataset_name.partition("-")[0]
