"""DeepGaze models small enough to predict in a moment, with random weights."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from foregaze.models import MODELS, AnyModel
from foregaze.models.checkpoint import save_checkpoint
from foregaze.models.deepgaze_config import BackboneConfig

BACKBONE = BackboneConfig(name="tf_efficientnet_lite0", taps=("2", "4"), weights="random:0")
COMPONENTS = 3


def toy_model(name: str, seed: int = 0, **changes) -> AnyModel:
    """A model of an architecture; its head's parameters are drawn, so that nothing is neutral."""
    if name == "deepgaze-msdb":
        changes = {"scales_px": (64, 128), "scales_px_per_dva": (17.5, 24.0)} | changes
    else:
        changes = {"components": COMPONENTS} | changes
    kind = MODELS[name]
    model = kind(kind.Config(**({"backbones": (BACKBONE,)} | changes))).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in model.named_parameters():
            if key.startswith("backbones.") or "sigma" in key:
                continue
            noise = torch.empty_like(tensor).normal_(generator=generator)
            if tensor.ndim >= 3:
                tensor.copy_(noise / tensor.shape[1] ** 0.5 * 2)
            else:
                tensor.add_(noise * 0.3)
    if model.centerbias is not None:
        rows = torch.linspace(-2, 1, model.centerbias.shape[0])[:, None]
        columns = torch.linspace(-1, 2, model.centerbias.shape[1])
        model.centerbias.copy_(
            (-(rows**2) - columns**2).flatten().log_softmax(0).view_as(model.centerbias)
        )
    return model


def save_toy(path: Path, name: str, seed: int = 0, card: dict | None = None, **changes) -> Path:
    """A checkpoint of ours with such a model; it holds a center bias unless told otherwise."""
    changes = {"centerbias_size": (24, 32)} | changes
    save_checkpoint(toy_model(name, seed, **changes), path, card or {})
    return path


def picture(height: int = 120, width: int = 160, seed: int = 0) -> np.ndarray:
    """Smooth noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def density_of(height: int, width: int, seed: int = 1) -> np.ndarray:
    """A log density that is nowhere flat."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (5, 6)).astype(np.float32)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    log_density = np.asarray(smooth, dtype=np.float64) / 64
    return log_density - np.log(np.exp(log_density).sum())
