"""Models to score, by what a user calls them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from foregaze.errors import ConfigError, DataError, UnknownNameError
from foregaze.evaluation.baselines import BASELINES
from foregaze.evaluation.conversion import with_densities
from foregaze.evaluation.models import ScoredModel, SpatialModel
from foregaze.evaluation.predicting import predicting
from foregaze.evaluation.prediction_files import read_predictions
from foregaze.evaluation.references import References
from foregaze.evaluation.saliency_baselines import SALIENCY_BASELINES
from foregaze.inference.centerbias import CenterBiasLike
from foregaze.inference.zoo import ZOO, deepgaze_config, load_model
from foregaze.models.checkpoint_file import CHECKPOINT_SUFFIX
from foregaze.models.deepgaze_config import DeepGazeConfig
from foregaze.models.deepgaze_msdb import DeepGazeMSDBConfig

DATASET = "dataset"
"""As a center bias: that of the data set which is scored."""
_DIGEST_SIZE = (48, 64)
"""Size at which a center bias of another data set is told from others."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many steps are."""


@dataclass(frozen=True)
class Running:
    """How models that run here are loaded and asked (see `load_model`, `Predictor.predict`)."""

    checkpoint: str | None = None
    """Weights in place of those that the only one of them comes with."""
    device: str = "auto"
    centerbias: CenterBiasLike = None
    """What they take in place of their own; "dataset" for that of the data set, from other images
    than the one it is used on."""
    precision: str = "float32"
    """Of DeepGaze models; likewise the following."""
    compiled: bool = False
    networks: Mapping[str, str] = field(default_factory=dict)
    """Of those that have such networks."""
    viewers: str | None = None
    """Of those that have parameters for data sets."""


def check_specs(specs: Sequence[str], running: Running | None = None) -> None:
    """Refuse what cannot be loaded, before anything takes long.

    Args:
        specs: As in `load_scored`.
        running: Options for those that run here.

    Raises:
        UnknownNameError: If there is no such model, or no such network.
        ConfigError: If two would have one name, or an option is given and none of them has a use
            for it.
        DataError: If a checkpoint or a place of predictions does not exist.
    """
    running = running or Running()
    checkpoint, centerbias = running.checkpoint, running.centerbias
    names = [spec.partition("=")[0] for spec in specs]
    for spec, name in zip(specs, names, strict=True):
        if names.count(name) > 1:
            raise ConfigError(f"two models are called {name!r}: give each another name")
        kind = _kind(spec)
        path = spec.partition("=")[2] if kind == "files" else spec
        if kind in ("files", "checkpoint") and not Path(path).exists():
            raise DataError(f"{path}: no such file or folder, for model {name!r}")
        if checkpoint is not None and not _runs_here(spec):
            raise ConfigError(
                f"model {spec!r} takes no checkpoint; those that do: {', '.join(ZOO)}"
            )
    if checkpoint is not None and len(specs) > 1:
        raise ConfigError("a checkpoint belongs to one model: give its path as another --model")
    if centerbias is not None and not any(_runs_here(spec) for spec in specs):
        raise ConfigError(
            f"center bias {centerbias!r}: none of the models takes one ({', '.join(specs)}); those "
            f"that do: {', '.join(ZOO)}, and checkpoints"
        )
    _check_deepgaze_options(specs, running)


def _check_deepgaze_options(specs: Sequence[str], running: Running) -> None:
    configs = [c for c in map(deepgaze_config, filter(_runs_here, specs)) if c is not None]
    if not configs and (running.precision != "float32" or running.compiled):
        raise ConfigError(
            f"precision and compilation are for DeepGaze models, not for {', '.join(specs)}"
        )
    known = {name for config in configs for name in _networks_elsewhere(config)}
    for name in running.networks:
        if name not in known:
            raise UnknownNameError("network with weights of its own", name, known or ["none"])
    if running.viewers is not None and not any(
        isinstance(config, DeepGazeMSDBConfig) for config in configs
    ):
        raise ConfigError(
            f"viewers of {running.viewers!r}: none of the models has parameters for data sets "
            f"({', '.join(specs)}); deepgaze-msdb does"
        )


def _networks_elsewhere(config: DeepGazeConfig) -> list[str]:
    """Names of a model's networks that are not part of its checkpoint."""
    return [backbone.name for backbone in config.backbones if backbone.source is not None]


def needs_gold_standard(specs: Sequence[str], metrics: Sequence[str] | None) -> bool:
    """Whether a gold standard is part of what is asked for; None for the usual metrics."""
    return (
        metrics is None or "IGE" in metrics or bool({"gold-standard", "joint-bound"} & set(specs))
    )


def needs_densities(metrics: Sequence[str]) -> bool:
    """Whether saliency maps have to be converted for these metrics."""
    return bool({"LL", "IG", "IGE"} & set(metrics))


def load_scored(
    spec: str,
    references: References,
    running: Running | None = None,
    *,
    convert: bool = True,
    progress: Progress | None = None,
) -> ScoredModel:
    """A model as an evaluation sees it.

    Args:
        spec: A name of `foregaze.list_models()`, a checkpoint's path, a baseline's name, or
            `NAME=PATH` for predictions in files (see `prediction_files`).
        references: Of the data set that it will be scored on.
        running: Options for models that run here.
        convert: Fit the conversion that gives a model of saliency maps its densities.
        progress: Told about the fitting.

    Raises:
        UnknownNameError: If there is no such model.
        DataError: If files are missing or do not fit, or a baseline cannot be had on this data.
        WeightsError: If weights are missing or do not fit.
    """
    dataset = references.dataset
    kind = _kind(spec)
    if _runs_here(spec):
        return _load_running(spec, references, running or Running())
    if kind == "baseline":
        return BASELINES[spec](references)
    if kind == "saliency baseline":
        maps = SALIENCY_BASELINES[spec]
        saliency = SpatialModel(
            spec, lambda image: maps(dataset.stimuli[image]), identity="baseline"
        )
        return with_densities(saliency, references, progress=progress, best_maps=True)
    name, _, path = spec.partition("=")
    files = read_predictions(Path(path), dataset)
    digest = _files_digest(Path(path))
    if files.are_densities:
        return SpatialModel(
            name, files.maps, notes=(f"log densities from {path}",), identity=digest
        )
    notes = [f"saliency maps from {path}, as they are", *([files.hint] if files.hint else [])]
    of_maps = SpatialModel(name, files.maps, notes=tuple(notes), identity=digest)
    return with_densities(of_maps, references, progress=progress) if convert else of_maps


def _load_running(spec: str, references: References, running: Running) -> ScoredModel:
    """A model that runs here, with those of the options that it has a use for."""
    config = deepgaze_config(spec)
    options: dict[str, Any] = {}
    if config is not None:
        elsewhere = _networks_elsewhere(config)
        networks = {name: s for name, s in running.networks.items() if name in elsewhere}
        options = {"precision": running.precision, "compiled": running.compiled}
        options["networks"] = networks
    model = load_model(spec, checkpoint=running.checkpoint, device=running.device, **options)
    given = running.centerbias
    return predicting(
        model,
        references.dataset,
        centerbias=None if given is None else _centerbias_of(references, given),
        centerbias_name="" if given is None else _centerbias_name(given),
        viewers=running.viewers if model.viewers else None,
    )


def _centerbias_of(
    references: References, centerbias: CenterBiasLike
) -> Callable[[int], CenterBiasLike]:
    if not isinstance(centerbias, str) or centerbias != DATASET:
        return lambda _: centerbias
    if references.centerbias is None:
        raise DataError(
            f"the center bias of the data set cannot be had: {references.absent['centerbias']}"
        )
    return references.centerbias_on


def _centerbias_name(centerbias: CenterBiasLike) -> str:
    """Tells it from others, since kept scores are used again under the same name."""
    if isinstance(centerbias, str):
        return "of the data set, from other images" if centerbias == DATASET else centerbias
    if isinstance(centerbias, np.ndarray | Tensor):
        what, density = "given as an array", np.asarray(centerbias)
    else:
        assert centerbias is not None
        what, density = "of other data", centerbias.log_density(_DIGEST_SIZE)
    digest = hashlib.sha256(np.ascontiguousarray(density).tobytes()).hexdigest()
    return f"{what} (SHA-256 {digest[:16]})"


def _files_digest(path: Path) -> str:
    """SHA-256 of the names, sizes and times of a folder's files, or of a file."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        digest.update(f"{file} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _runs_here(spec: str) -> bool:
    return _kind(spec) in ("network", "checkpoint")


def _kind(spec: str) -> str:
    if spec in ZOO:
        return "network"
    if "=" not in spec and spec.endswith(CHECKPOINT_SUFFIX):
        return "checkpoint"
    if spec in BASELINES:
        return "baseline"
    if spec in SALIENCY_BASELINES:
        return "saliency baseline"
    name, _, path = spec.partition("=")
    if name and path:
        return "files"
    known = [*ZOO, *BASELINES, *SALIENCY_BASELINES]
    raise UnknownNameError("model", spec, [*known, "(path of a checkpoint)", "(NAME=PATH)"])
