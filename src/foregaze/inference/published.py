"""DeepGaze models from published files or ours, made ready to predict."""

from collections.abc import Mapping
from pathlib import Path

import torch

from foregaze.backbones.downloads import download
from foregaze.backbones.tapped import TappedBackbone
from foregaze.backbones.weights import read_state_dict, resolve_weights
from foregaze.errors import UnknownNameError, WeightsError
from foregaze.inference.deepgaze_predictor import DeepGazePredictor
from foregaze.models import MODELS, DeepGazeMSDB
from foregaze.models.checkpoint import load_checkpoint, read_header
from foregaze.models.deepgaze import DeepGaze
from foregaze.models.deepgaze_config import DeepGazeConfig
from foregaze.models.deepgaze_release import CENTERBIAS, RELEASES, load_published

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
            "own training (see configs/osie-deepgaze2.yaml)"
        )
    if checkpoint is not None and name not in MODELS:
        raise WeightsError(f"model {name!r} is a checkpoint itself; give one of the two")
    path = resolve_weights(checkpoint or str(weights))
    if checkpoint is None and name in RELEASES:
        download(CENTERBIAS.source)  # the model was asked for with all that belongs to it
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
        networks: Sources of the weights of networks that are not part of a published file, by the
            networks' names; where they were published where left out.

    Raises:
        WeightsError: If the file is none or belongs to another architecture.
    """
    if path.suffix == ".safetensors":
        if networks:
            raise WeightsError(f"{path}: names the sources of its networks itself")
        architecture = read_header(path).architecture
        if name in MODELS and architecture != name:
            raise WeightsError(f"{path}: is a checkpoint of {architecture!r}, not of {name!r}")
        loaded = load_checkpoint(path)
        assert isinstance(loaded.model, DeepGaze | DeepGazeMSDB)
        return loaded.model, loaded.card
    tensors = read_state_dict(path)
    kind = MODELS[name]
    model = kind(with_networks(kind.Config(), networks or {}))
    assert isinstance(model, DeepGaze | DeepGazeMSDB)
    load_published(model, tensors, str(path))
    return model.eval(), {"source": str(path)}


def with_networks(config: DeepGazeConfig, networks: Mapping[str, str]) -> DeepGazeConfig:
    """A published configuration with other sources of its networks' weights.

    Raises:
        UnknownNameError: If there is no such network, or its weights are in the checkpoint.
    """
    elsewhere = [backbone.name for backbone in config.backbones if backbone.source is not None]
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
