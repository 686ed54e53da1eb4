"""A scanpath mixture small enough to predict in a moment."""

from pathlib import Path

import torch
from torch import nn

from foregaze.models import ScanpathMixture
from foregaze.models.checkpoint import save_checkpoint
from foregaze.models.onnx_graph import export_graph
from foregaze.models.scanpath_mixture import VIEWING_QUANTILES, ScanpathMixtureConfig

COMPONENTS = 2
LONGEST_MS = 3000.0
"""Of the viewings that the toy was not trained on."""


def toy_scanpath(spatial: Path, seed: int = 0, **changes) -> ScanpathMixture:
    """A model on a spatial one's checkpoint; its parameters are drawn, so that none is neutral."""
    config = ScanpathMixtureConfig.model_validate(
        {"spatial": str(spatial), "components": COMPONENTS} | changes
    )
    model = ScanpathMixture(config).eval()
    draw_parameters(model.viewers, seed)
    model.viewing_ms.copy_(torch.linspace(600, LONGEST_MS, VIEWING_QUANTILES))
    return model


def save_toy_scanpath(path: Path, spatial: Path, *, with_graph: bool = False, **changes) -> Path:
    """A checkpoint of such a model."""
    model = toy_scanpath(spatial, **changes)
    graph = export_graph(model) if with_graph else None
    save_checkpoint(model, path, {"dataset": "osie", "images": ["1001.jpg"]}, graph=graph)
    return path


def draw_parameters(module: nn.Module, seed: int) -> None:
    """Random values in place, large enough for a history to matter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in sorted(module.named_parameters()):
            noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            if tensor.ndim >= 2:
                tensor.copy_(1.5 * noise / tensor[0].numel() ** 0.5)
            else:
                tensor.copy_((0.2 if name.endswith("bias") else 1.0) + 0.3 * noise)
