"""Our checkpoints: one safetensors file with the trained tensors and what they belong to.

Weights of the frozen trunk are not in it; the file names their source and SHA-256 instead, and
loading checks that they are still the ones that it was trained on.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from foregaze.backbones.weights import file_sha256, resolve_weights
from foregaze.config import Config, make_config
from foregaze.errors import UnknownNameError, WeightsError
from foregaze.files import whole_file
from foregaze.models import MODELS, TrunkMixture

FORMAT = "foregaze-1"
GRAPH_KEY = "onnx_graph"
"""Tensor of bytes that is no weight."""


class Header(Config):
    """What a checkpoint says of itself."""

    format: str
    architecture: str
    config: dict[str, Any]
    trunk_sha256: str | None
    """SHA-256 of the file that the frozen weights come from; None for random ones."""
    card: dict[str, Any]
    """How the tensors came to be: recipe, data, numbers."""


def save_checkpoint(
    model: TrunkMixture,
    path: Path,
    card: Mapping[str, Any],
    *,
    half: bool = False,
    graph: bytes | None = None,
) -> None:
    """Write a model's trained tensors, whole or not at all.

    Args:
        model: The model.
        path: A `.safetensors` file; its folder exists.
        card: What to say of the weights; JSON.
        half: Store tensors of two and more dimensions in half precision.
        graph: The model's ONNX graph (see `foregaze.models.onnx_graph`).

    Raises:
        OutputError: If the file cannot be written.
    """
    header = Header(
        format=FORMAT,
        architecture=_name_of(model),
        config=model.config.model_dump(mode="json"),
        trunk_sha256=trunk_sha256(model.config.resolved_weights),
        card=dict(card),
    )
    tensors = {key: _stored(tensor, half=half) for key, tensor in model.trained_tensors().items()}
    if graph is not None:
        tensors[GRAPH_KEY] = torch.frombuffer(bytearray(graph), dtype=torch.uint8)
    with whole_file(path, overwrite=True) as unfinished:
        unfinished.write_bytes(save(tensors, metadata={"foregaze": header.model_dump_json()}))


def read_header(path: Path) -> Header:
    """What a checkpoint says of itself, without reading its tensors.

    Raises:
        WeightsError: If the file is no checkpoint of ours.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: is no foregaze checkpoint ({error})") from error
    if "foregaze" not in metadata:
        raise WeightsError(f"{path}: is a safetensors file, but no foregaze checkpoint")
    header = make_config(Header, json.loads(metadata["foregaze"]), str(path))
    if header.format != FORMAT:
        raise WeightsError(f"{path}: has format {header.format!r}, this version reads {FORMAT!r}")
    return header


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds, ready to use."""

    model: TrunkMixture
    """In evaluation mode and single precision, on the CPU."""
    graph: bytes | None
    """ONNX graph of the model, where the checkpoint has one."""
    card: dict[str, Any]


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        WeightsError: If the file is no checkpoint, does not fit its architecture, or the trunk's
            weights are missing or are not those that it was trained on.
    """
    header = read_header(path)
    if header.architecture not in MODELS:
        raise UnknownNameError("architecture", header.architecture, MODELS)
    kind = MODELS[header.architecture]
    config = make_config(kind.Config, header.config, str(path))
    found = trunk_sha256(config.resolved_weights)
    if found != header.trunk_sha256:
        raise WeightsError(
            f"{path}: was trained on backbone weights with SHA-256 {header.trunk_sha256}, "
            f"but {config.resolved_weights} has {found}"
        )
    model = kind(config)
    tensors = read_tensors(path)
    graph = tensors.pop(GRAPH_KEY, None)
    load_trained(model, tensors, str(path))
    return Checkpoint(model.eval(), None if graph is None else graph.numpy().tobytes(), header.card)


def load_trained(model: TrunkMixture, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load all tensors that training makes, strictly."""
    expected = model.trained_tensors()
    for key in sorted(expected.keys() | tensors.keys()):
        if key not in tensors or key not in expected:
            problem = "has no" if key not in tensors else "has an unexpected"
            raise WeightsError(f"{source}: {problem} tensor {key!r}; it does not fit its model")
        if tensors[key].shape != expected[key].shape:
            raise WeightsError(
                f"{source}: {key} has shape {tuple(tensors[key].shape)}, "
                f"expected {tuple(expected[key].shape)}"
            )
    model.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint.

    Raises:
        WeightsError: If the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, no dict
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: cannot be read as a checkpoint ({error})") from error


def trunk_sha256(source: str) -> str | None:
    """Hash of the file behind a source of frozen weights; None for random ones."""
    return None if source.startswith("random:") else file_sha256(resolve_weights(source))


def _stored(tensor: Tensor, *, half: bool) -> Tensor:
    """Contiguous copy; norms and biases keep single precision, which costs next to nothing."""
    tensor = tensor.detach().cpu()
    if half and tensor.ndim >= 2 and tensor.is_floating_point():
        tensor = tensor.to(torch.float16)
    return tensor.clone(memory_format=torch.contiguous_format)


def _name_of(model: TrunkMixture) -> str:
    return next(name for name, kind in MODELS.items() if isinstance(model, kind))
