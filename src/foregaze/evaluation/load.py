"""Models to score, by what a user calls them."""

from collections.abc import Callable
from pathlib import Path

from foregaze.errors import ConfigError, UnknownNameError
from foregaze.evaluation.baselines import BASELINES
from foregaze.evaluation.conversion import with_densities
from foregaze.evaluation.model import predicting
from foregaze.evaluation.models import ScoredModel, SpatialModel
from foregaze.evaluation.prediction_files import read_predictions
from foregaze.evaluation.references import References
from foregaze.evaluation.saliency_baselines import SALIENCY_BASELINES
from foregaze.inference.zoo import CHECKPOINT_SUFFIX, ZOO, load_model

Progress = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many steps are."""


def load_scored(
    spec: str,
    references: References,
    *,
    checkpoint: Path | None = None,
    device: str = "auto",
    convert: bool = True,
    progress: Progress | None = None,
) -> ScoredModel:
    """A model as an evaluation sees it.

    Args:
        spec: A name of `foregaze.list_models()`, a checkpoint's path, a baseline's name, or
            `NAME=PATH` for predictions in files (see `prediction_files`).
        references: Of the data set that it will be scored on.
        checkpoint: Weights in place of those that the named model comes with.
        device: For models that run here.
        convert: Fit the conversion that gives a model of saliency maps its densities.
        progress: Told about the fitting.

    Raises:
        UnknownNameError: If there is no such model.
        ConfigError: If a checkpoint is given for what takes none.
        DataError: If files are missing or do not fit, or a baseline cannot be had on this data.
        WeightsError: If weights are missing or do not fit.
    """
    dataset = references.dataset
    if spec in ZOO or spec.endswith(CHECKPOINT_SUFFIX):
        return predicting(load_model(spec, checkpoint=checkpoint, device=device), dataset)
    if checkpoint is not None:
        raise ConfigError(f"model {spec!r} takes no checkpoint; those that do: {', '.join(ZOO)}")
    if spec in BASELINES:
        return BASELINES[spec](references)
    if spec in SALIENCY_BASELINES:
        maps = SALIENCY_BASELINES[spec]
        model = SpatialModel(spec, lambda image: maps(dataset.stimuli[image]))
        return with_densities(model, references, progress=progress, best_maps=True)
    name, equals, path = spec.partition("=")
    if not equals or not name or not path:
        known = [*ZOO, *BASELINES, *SALIENCY_BASELINES]
        raise UnknownNameError("model", spec, [*known, "(path of a checkpoint)", "(NAME=PATH)"])
    files = read_predictions(Path(path), dataset)
    if files.are_densities:
        return SpatialModel(name, files.maps, notes=(f"log densities from {path}",))
    model = SpatialModel(name, files.maps, notes=(f"saliency maps from {path}, as they are",))
    return with_densities(model, references, progress=progress) if convert else model
