"""Our checkpoints: one safetensors file with the trained tensors and what they belong to.

Weights of the frozen trunk are not in it; the file names their source and SHA-256 instead, and
loading checks that they are still the ones that it was trained on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from foregaze.config import make_config
from foregaze.errors import UnknownNameError, WeightsError
from foregaze.files import whole_file
from foregaze.models import MODELS, AnyModel
from foregaze.models.checkpoint_file import (
    FORMAT,
    GRAPH_KEY,
    Header,
    frozen_sha256,
    load_trained,
    read_header,
    read_tensors,
)


def save_checkpoint(
    model: AnyModel,
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
        trunk_sha256=frozen_sha256(model.config.frozen_weights),
        card=dict(card),
    )
    tensors = {key: _stored(tensor, half=half) for key, tensor in model.trained_tensors().items()}
    if graph is not None:
        tensors[GRAPH_KEY] = torch.frombuffer(bytearray(graph), dtype=torch.uint8)
    with whole_file(path, overwrite=True) as unfinished:
        unfinished.write_bytes(save(tensors, metadata={"foregaze": header.model_dump_json()}))


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds, ready to use."""

    model: AnyModel
    """In evaluation mode and single precision, on the CPU."""
    graph: bytes | None
    """ONNX graph of the model, where the checkpoint has one."""
    card: dict[str, Any]


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        WeightsError: If the file is no checkpoint, does not fit its architecture, or the frozen
            weights are missing or are not those that it was trained on.
    """
    header = read_header(path)
    if header.architecture not in MODELS:
        raise UnknownNameError("architecture", header.architecture, MODELS)
    kind = MODELS[header.architecture]
    config = make_config(kind.Config, header.config, str(path))
    try:
        found = frozen_sha256(config.frozen_weights)
    except WeightsError as error:
        raise WeightsError(
            f"{path}: wants the frozen weights that it was trained on ({error}; a path there "
            f"counts from the current folder, {Path.cwd()})"
        ) from error
    if found != header.trunk_sha256:
        raise WeightsError(
            f"{path}: was trained on frozen weights with SHA-256 {header.trunk_sha256}, "
            f"but {', '.join(config.frozen_weights)} has {found}"
        )
    model = kind(config)
    tensors = read_tensors(path)
    graph = tensors.pop(GRAPH_KEY, None)
    load_trained(model, tensors, str(path))
    return Checkpoint(model.eval(), None if graph is None else graph.numpy().tobytes(), header.card)


def _stored(tensor: Tensor, *, half: bool) -> Tensor:
    """Contiguous copy; norms and biases keep single precision, which costs next to nothing."""
    tensor = tensor.detach().cpu()
    if half and tensor.ndim >= 2 and tensor.is_floating_point():
        tensor = tensor.to(torch.float16)
    return tensor.clone(memory_format=torch.contiguous_format)


def _name_of(model: AnyModel) -> str:
    return next(name for name, kind in MODELS.items() if isinstance(model, kind))
