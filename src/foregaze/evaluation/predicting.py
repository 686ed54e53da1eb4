"""Loaded models as an evaluation sees them, and where they have seen its data set before."""

import hashlib
from collections.abc import Mapping
from typing import Any

from foregaze.evaluation.models import SpatialModel
from foregaze.inference.predictor import Predictor
from foregaze.types import EyeTrackingDataset


def predicting(
    model: Predictor, dataset: EyeTrackingDataset, name: str | None = None
) -> SpatialModel:
    """A loaded model as an evaluation sees it.

    Args:
        model: From `foregaze.load_model`.
        dataset: Whose stimuli it will predict.
        name: What the report calls it; the model's own name where left out.
    """
    seen = training_images(model.card, dataset)
    same_names = set(dataset.stimuli.names) & set(model.card.get("images", ()))
    note = ""
    if seen:
        note = (
            f"trained on {len(seen)} of these {len(dataset)} images, so its numbers are not out of "
            "sample; out-of-fold numbers of the shipped models are in the model card"
        )
    elif len(same_names) > len(dataset) / 2:
        note = (
            f"{len(same_names)} of these {len(dataset)} images have the names of images that it "
            f"was trained on ({model.card['dataset']}): its numbers may not be out of sample"
        )
    return SpatialModel(
        name or model.name,
        lambda image: model.predict(dataset.stimuli[image]).log_density,
        notes=(note,) if note else (),
        identity=_weights_digest(model),
    )


def _weights_digest(model: Predictor) -> str:
    """SHA-256 of all weights, and whether mirror images are averaged."""
    digest = hashlib.sha256(f"mirrored: {model.mirrored}".encode())
    for key, tensor in sorted(model.model.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


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
