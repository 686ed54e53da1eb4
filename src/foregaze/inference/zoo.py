"""Models by name: what there is, where its weights come from, and how it is loaded."""

from dataclasses import dataclass
from pathlib import Path

import torch

from foregaze.backbones.weights import resolve_weights
from foregaze.errors import ConfigError, UnknownNameError, WeightsError
from foregaze.inference.onnx_engine import OnnxEngine
from foregaze.inference.predictor import Engine, Predictor
from foregaze.models.checkpoint import load_checkpoint

CHECKPOINT_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be loaded by name."""

    weights: str
    """Source of its checkpoint (see `foregaze.backbones.weights`)."""
    description: str
    licence: str
    mirrored: bool = False
    """Whether it averages the densities of an image and of its mirror image."""


ZOO: dict[str, ModelEntry] = {
    "default": ModelEntry(
        "shipped:default.safetensors",
        "where people look; one pass of EfficientNet-Lite2 at 768x576",
        "MIT",
    ),
    "default-best": ModelEntry(
        "shipped:default-best.safetensors",
        "two branches, averaged over the image and its mirror image; 2.5 times the time",
        "MIT",
        mirrored=True,
    ),
    "default-fast": ModelEntry(
        "shipped:default-fast.safetensors",
        "one pass of EfficientNet-Lite0 at 416x320; a fifth of the time",
        "MIT",
    ),
}


def list_models() -> list[str]:
    """Names that `load_model` knows."""
    return sorted(ZOO)


def load_model(
    name: str = "default",
    *,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    mirrored: bool | None = None,
) -> Predictor:
    """A model ready to predict.

    On the CPU a checkpoint that holds an ONNX graph runs in ONNX Runtime, elsewhere in PyTorch;
    log densities agree within 1e-4.

    Args:
        name: A name from `list_models`, or the path of one of our checkpoints.
        checkpoint: Weights to use in place of those that the named model comes with.
        mirrored: Average the density with that of the mirror image, at twice the time; None for
            what the named model does.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for a GPU where there is one.

    Raises:
        UnknownNameError: If there is neither such a name nor such a file.
        WeightsError: If weights are missing or do not fit.
        ConfigError: If the device is not there.
    """
    target = _device(device)
    loaded = load_checkpoint(_checkpoint_path(name, checkpoint))
    if target.type == "cpu" and loaded.graph is not None:
        engine: Engine = OnnxEngine(loaded.graph, loaded.model.state_dict())
    else:
        engine = loaded.model.to(target)
    if mirrored is None:
        mirrored = name in ZOO and ZOO[name].mirrored
    return Predictor(name, loaded.model, engine, target, loaded.card, mirrored=mirrored)


def _checkpoint_path(name: str, checkpoint: str | Path | None) -> Path:
    if name in ZOO:
        return resolve_weights(ZOO[name].weights if checkpoint is None else str(checkpoint))
    if checkpoint is None and name.endswith(CHECKPOINT_SUFFIX):
        return resolve_weights(name)
    if checkpoint is not None and name.endswith(CHECKPOINT_SUFFIX):
        raise WeightsError(f"model {name!r} is a checkpoint itself; give one of the two")
    raise UnknownNameError("model", name, [*ZOO, f"(path of a {CHECKPOINT_SUFFIX} file)"])


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first_line = str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} is not available here ({first_line})") from error
    return device
