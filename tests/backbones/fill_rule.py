"""The parameters with which the fixtures of shared/spec were made (deepgaze.md, section 13)."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SPEC = Path(__file__).parents[3] / "shared" / "spec"


def published_lists(model: str) -> dict[str, tuple[int, ...]]:
    """Every key of a published model, head and backbones, with its shape."""
    return {
        entry["key"]: tuple(entry["shape"])
        for part in ("head", "backbone")
        for entry in json.loads((SPEC / "checkpoints" / f"{model}.{part}.json").read_text())
    }


def fixture(name: str) -> dict[str, np.ndarray]:
    with np.load(SPEC / "fixtures" / f"{name}.npz") as arrays:
        return dict(arrays)


def fixture_image() -> Tensor:
    return torch.from_numpy(fixture("inputs")["image"]).float()


def fill(shapes: Mapping[str, tuple[int, ...]], prefix: str = "") -> dict[str, Tensor]:
    """Tensors of the keys that begin with `prefix`, under the rest of their names.

    A tensor's numbers depend on its position among all the sorted keys.
    """
    return {
        key.removeprefix(prefix): _values(key, shapes[key], seed=1000 + position)
        for position, key in enumerate(sorted(shapes))
        if key.startswith(prefix)
    }


def _values(key: str, shape: tuple[int, ...], seed: int) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    size = int(np.prod(shape))
    u = np.random.RandomState(seed).uniform(-1, 1, size).reshape(shape)
    if key.endswith("running_var"):
        values = 1 + 0.25 * u
    elif key.endswith("running_mean"):
        values = 0.1 * u
    elif key.endswith("gauss.sigma"):
        values = 3 + 0.5 * u
    elif len(shape) >= 2:
        values = u * np.sqrt(6 * shape[0] / size)
    elif key.endswith("weight"):
        values = 1 + 0.1 * u
    else:
        values = 0.1 * u
    return torch.from_numpy(np.asarray(values)).float()
