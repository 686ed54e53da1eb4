"""What a checkpoint file of ours holds, whatever the model: a header and tensors.

Weights of frozen networks are not in it; the file names their source and SHA-256 instead.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from safetensors import SafetensorError, safe_open
from torch import Tensor

from foregaze.backbones.downloads import file_sha256
from foregaze.backbones.weights import check_layout, resolve_weights
from foregaze.config import Config, make_config
from foregaze.errors import WeightsError

CHECKPOINT_SUFFIX = ".safetensors"
FORMAT = "foregaze-1"
GRAPH_KEY = "onnx_graph"
"""Tensor of bytes that is no weight."""


class Header(Config):
    """What a checkpoint says of itself."""

    format: str
    architecture: str
    config: dict[str, Any]
    trunk_sha256: str | None
    """SHA-256 of the file that the frozen weights come from, of several files separated by commas;
    None for random ones and where the checkpoint holds all weights itself."""
    card: dict[str, Any]
    """How the tensors came to be: recipe, data, numbers."""


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


@runtime_checkable
class Trained(Protocol):
    """A model part of whose tensors training makes."""

    def trained_tensors(self) -> dict[str, Tensor]:
        """Those tensors, by their names in the state dict."""

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = ...) -> Any:
        """See `torch.nn.Module`."""


def load_trained(model: Trained, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load all tensors that training makes, strictly."""
    expected = {key: tuple(tensor.shape) for key, tensor in model.trained_tensors().items()}
    check_layout(expected, tensors, source)
    model.load_state_dict(
        {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}, strict=False
    )


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


def frozen_sha256(sources: Sequence[str]) -> str | None:
    """Hashes of the files behind sources of frozen weights; None where none is a file."""
    hashes = [
        file_sha256(resolve_weights(source))
        for source in sources
        if not source.startswith("random:")
    ]
    return ",".join(hashes) or None
