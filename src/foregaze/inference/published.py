"""DeepGaze models from published files or ours, made ready to predict."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch

from foregaze.backbones.downloads import download, forget_record
from foregaze.backbones.tapped import TappedBackbone
from foregaze.backbones.weights import is_ready_offline, read_state_dict, resolve_weights
from foregaze.config import make_config
from foregaze.errors import UnknownNameError, WeightsError
from foregaze.inference.deepgaze_predictor import DeepGazePredictor
from foregaze.models import MODELS, DeepGazeMSDB
from foregaze.models.checkpoint import load_checkpoint
from foregaze.models.checkpoint_file import (
    CHECKPOINT_SUFFIX,
    Header,
    frozen_sha256,
    load_trained,
    read_header,
    read_tensors,
)
from foregaze.models.deepgaze import DeepGaze
from foregaze.models.deepgaze_config import DeepGazeConfig
from foregaze.models.deepgaze_release import (
    CENTERBIAS,
    RELEASES,
    check_published,
    head_layout,
    holds_networks,
    load_published,
)

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""What the backbone computes in; None for the weights' own precision."""


def load_deepgaze(
    name: str,
    checkpoint: str | None,
    weights: str | None,
    device: torch.device,
    *,
    precision: str = "float32",
    compiled: bool = False,
    networks: Mapping[str, str] | None = None,
) -> DeepGazePredictor:
    """A DeepGaze model ready to predict.

    Args:
        name: Of the model, or the path of a checkpoint of ours.
        checkpoint: Source of a published file or of one of ours; None for `weights`.
        weights: Source of the model's own checkpoint.
        device: Where it shall run.
        precision: See `PRECISIONS`.
        compiled: Compile the backbone.
        networks: See `read_deepgaze`.

    Raises:
        WeightsError: If weights are missing or do not fit.
    """
    if checkpoint is None and weights is None:
        raise WeightsError(
            f"no weights of {name!r} are published for PyTorch: give checkpoint, a file of your "
            "own training (see docs/training.md)"
        )
    if checkpoint is not None and name not in MODELS:
        raise WeightsError(f"model {name!r} is a checkpoint itself; give one of the two")
    path = resolve_weights(checkpoint or str(weights))
    if checkpoint is None and name in RELEASES:
        with suppress(WeightsError):  # which a prediction that needs it will raise
            download(CENTERBIAS.source)
    model, card = read_deepgaze(name, path, networks)
    model.precision = PRECISIONS[precision]
    model = _ready(model, device, compiled=compiled)
    return DeepGazePredictor(name, model, device, card, path)


def read_deepgaze(
    name: str, path: Path, networks: Mapping[str, str] | None = None
) -> tuple[DeepGaze | DeepGazeMSDB, dict[str, object]]:
    """A model with its weights, and its card, from a published file or one of ours.

    Args:
        name: Of the architecture, or `path` itself for a file of ours.
        path: The file.
        networks: Sources of the weights of networks that are not part of the file, by the
            networks' names; where left out, where they were published or the file says. Those of
            a file of ours must have the SHA-256 that it holds.

    Raises:
        WeightsError: If the file is none or belongs to another architecture.
    """
    if path.suffix == CHECKPOINT_SUFFIX:
        header = read_header(path)
        if name in MODELS and header.architecture != name:
            raise WeightsError(
                f"{path}: is a checkpoint of {header.architecture!r}, not of {name!r}"
            )
        if networks:
            return _read_relocated(path, header, networks), header.card
        loaded = load_checkpoint(path)
        assert isinstance(loaded.model, DeepGaze | DeepGazeMSDB)
        return loaded.model, loaded.card
    if not MODELS[name].published_as:
        raise WeightsError(
            f"{path}: no weights of {name!r} are published for PyTorch; expected a .safetensors "
            "file of your own training"
        )
    return _read_published(name, path, networks or {}).eval(), {"source": str(path)}


def _read_published(name: str, path: Path, networks: Mapping[str, str]) -> DeepGaze | DeepGazeMSDB:
    """A model from a published file, which is checked before any network is fetched."""
    kind = MODELS[name]
    config = with_networks(kind.Config(), networks)
    model = kind(_self_contained(config))
    assert isinstance(model, DeepGaze | DeepGazeMSDB)
    try:
        tensors = read_state_dict(path)
        if not config.frozen_weights or holds_networks(model, tensors):
            if networks:
                raise WeightsError(f"{path}: holds its networks itself")
            load_published(model, tensors, str(path))
            return model
        check_published(head_layout(model), tensors, str(path))
    except WeightsError:
        forget_record(path)  # of a file of no use, whose place another may take
        raise
    _fetch_networks(config)
    whole = kind(config)
    assert isinstance(whole, DeepGaze | DeepGazeMSDB)
    load_published(whole, tensors, str(path))
    return whole


def _read_relocated(
    path: Path, header: Header, networks: Mapping[str, str]
) -> DeepGaze | DeepGazeMSDB:
    """A model from a checkpoint of ours, whose networks are elsewhere now."""
    kind = MODELS[header.architecture]
    config = with_networks(make_config(kind.Config, header.config, str(path)), networks)
    found = frozen_sha256(config.frozen_weights)
    if found != header.trunk_sha256:
        raise WeightsError(
            f"{path}: was made with networks of SHA-256 {header.trunk_sha256}, but "
            f"{', '.join(config.frozen_weights)} has {found}"
        )
    model = kind(config)
    assert isinstance(model, DeepGaze | DeepGazeMSDB)
    load_trained(model, read_tensors(path), str(path))
    return model.eval()


def _self_contained(config: DeepGazeConfig) -> DeepGazeConfig:
    """A configuration whose networks' weights are part of the checkpoint."""
    own = tuple(backbone.model_copy(update={"weights": None}) for backbone in config.backbones)
    return config.model_copy(update={"backbones": own})


def _fetch_networks(config: DeepGazeConfig) -> None:
    """Download what is not here, or say how it can be given."""
    for backbone in config.backbones:
        if backbone.source is None or is_ready_offline(backbone.source):
            continue
        try:
            resolve_weights(backbone.source)
        except WeightsError as error:
            raise WeightsError(f'{error} (networks={{"{backbone.name}": PATH}})') from error


def with_networks(config: DeepGazeConfig, networks: Mapping[str, str]) -> DeepGazeConfig:
    """A published configuration with other sources of its networks' weights.

    Raises:
        UnknownNameError: If there is no such network.
        WeightsError: If the weights of all networks are part of the checkpoint.
    """
    elsewhere = [backbone.name for backbone in config.backbones if backbone.source is not None]
    if networks and not elsewhere:
        raise WeightsError(
            f"sources are given for {', '.join(networks)}, but the networks of this model are part "
            "of its checkpoint: leave out networks"
        )
    for name in networks:
        if name not in elsewhere:
            raise UnknownNameError("network with weights of its own", name, elsewhere)
    backbones = tuple(
        backbone.model_copy(update={"weights": networks.get(backbone.name, backbone.weights)})
        for backbone in config.backbones
    )
    return config.model_copy(update={"backbones": backbones})


def _ready(
    model: DeepGaze | DeepGazeMSDB, device: torch.device, *, compiled: bool
) -> DeepGaze | DeepGazeMSDB:
    """The model for inference on its device."""
    for number, backbone in enumerate(model.backbones):
        if isinstance(backbone, TappedBackbone):
            model.backbones[number] = backbone.optimized()
        if compiled:
            model.backbones[number].compile()
    return model.to(device).requires_grad_(False).eval()
