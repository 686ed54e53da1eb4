"""Key lists and fixtures of shared/spec (deepgaze.md, section 13)."""

import json
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
