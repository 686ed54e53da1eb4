"""Score a loaded model on a data set, and say where it has seen that data set before."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from foregaze.evaluation.evaluate import evaluate
from foregaze.evaluation.report import Report
from foregaze.inference.predictor import Predictor
from foregaze.types import EyeTrackingDataset


def evaluate_model(
    model: Predictor,
    dataset: EyeTrackingDataset,
    *,
    metrics: Sequence[str] | None = None,
    on_image: Callable[[], None] | None = None,
) -> Report:
    """Score a model's predictions against the fixations of a data set.

    Nothing is left out: see `training_images` for whether the numbers are out of sample.

    Args:
        model: From `foregaze.load_model`.
        dataset: From `foregaze.load_dataset`.
        metrics: Names from `foregaze.evaluation.REPORTED`; all where left out.
        on_image: Called after each image, for a progress bar.

    Returns:
        LL and IG in bits per fixation, IGE as a fraction, NSS in standard deviations, and AUC,
        each with a 95% bootstrap interval over images.

    Raises:
        DataError: If no image has evidence fixations.
        ImageError: If an image of the data set cannot be read.
        UnknownNameError: If a metric has no such name.
    """
    return evaluate(
        lambda image: model.predict(dataset.stimuli[image]).log_density,
        dataset,
        model_name=model.name,
        metrics=metrics,
        on_image=on_image,
    )


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
