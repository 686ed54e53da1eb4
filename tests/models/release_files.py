"""State dicts laid out as the official DeepGaze files, and what the reference made of such.

Keys and shapes: shared/spec/checkpoints/*.json. The rule that fills them with numbers, and whole
models under it: shared/spec/deepgaze.md, section 13. Single heads and modules: shared/golden.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SHARED = Path(__file__).parents[3] / "shared"
CHECKPOINTS = SHARED / "spec" / "checkpoints"
IN_RELEASE_FILE = {
    "deepgaze1": ("head", "backbone"),
    "deepgaze2e": ("head", "backbone"),
    "deepgaze3": ("head", "backbone"),
    "deepgazemsdb": ("head",),
}


def layout(model: str) -> dict[str, tuple[int, ...]]:
    """The keys of the model's release file, head first, and their shapes."""
    return {
        entry["key"]: tuple(entry["shape"])
        for part in IN_RELEASE_FILE[model]
        for entry in json.loads((CHECKPOINTS / f"{model}.{part}.json").read_text())
    }


def fill(shapes: Mapping[str, tuple[int, ...]], prefix: str = "") -> dict[str, Tensor]:
    """A tensor for each key that begins with `prefix`, in the given order, under the rest of it.

    Seeds count all the sorted keys.
    """
    position = {key: i for i, key in enumerate(sorted(shapes))}
    return {
        key.removeprefix(prefix): _fill_one(key, shape, 1000 + position[key])
        for key, shape in shapes.items()
        if key.startswith(prefix)
    }


def _fill_one(key: str, shape: tuple[int, ...], seed: int) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    center, scale = _center_and_scale(key, shape)
    values = np.random.RandomState(seed).uniform(-1, 1, math.prod(shape))
    values *= scale
    values += center
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def _center_and_scale(key: str, shape: tuple[int, ...]) -> tuple[float, float]:
    by_ending = {
        "running_var": (1.0, 0.25),
        "running_mean": (0.0, 0.1),
        "gauss.sigma": (3.0, 0.5),
        "dataset_sigmas": (1.0, 0.3),
        "dataset_center_bias_weights": (1.0, 0.2),
        "dataset_priority_scalings": (0.0, 0.3),
        "pixel_per_dva_weights": (0.0, 0.3),
        "size_weights": (0.0, 0.3),
    }
    for ending, center_and_scale in by_ending.items():
        if key.endswith(ending):
            return center_and_scale
    if len(shape) >= 2:
        return 0.0, math.sqrt(6 * shape[0] / math.prod(shape))
    return (1.0, 0.1) if key.endswith("weight") else (0.0, 0.1)


def write_release(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Save as the official files are: a plain mapping of key to tensor."""
    torch.save(dict(tensors), path)


def load_golden(name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The state dict of one head or module; its inputs and what the reference returned, `out`."""
    tensors = _load_arrays(SHARED / "golden" / f"{name}.npz")
    parameters = {
        key.removeprefix("param/"): x for key, x in tensors.items() if key.startswith("param/")
    }
    return parameters, {key: x for key, x in tensors.items() if not key.startswith("param/")}


def load_fixture(name: str) -> dict[str, Tensor]:
    """What the reference returned for a whole model filled by the rule; or `inputs`."""
    return _load_arrays(SHARED / "spec" / "fixtures" / f"{name}.npz")


def _load_arrays(path: Path) -> dict[str, Tensor]:
    with np.load(path) as file:
        return {key: torch.from_numpy(file[key]) for key in file}
