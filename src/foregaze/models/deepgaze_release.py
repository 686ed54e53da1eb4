"""Published DeepGaze checkpoints, loaded unchanged.

The files of https://github.com/matthias-k/DeepGaze/releases are state dicts of the head and, for
I, IIE and III, of the frozen networks too. They are checked whole against the model, key by key and
shape by shape, before any tensor is taken over.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from foregaze.backbones.tapped import TappedBackbone
from foregaze.backbones.weights import check_layout
from foregaze.errors import WeightsError
from foregaze.models.deepgaze import DeepGaze, Head
from foregaze.models.deepgaze_msdb import DeepGazeMSDB
from foregaze.models.deepgaze_networks import Views

_RELEASES = "https://github.com/matthias-k/DeepGaze/releases/download"


@dataclass(frozen=True)
class Release:
    """A published file."""

    source: str
    """Where it is (see `foregaze.backbones.weights`); no checksums are published."""
    licence: str = "not stated by its authors"


RELEASES = {
    "deepgaze1": Release(f"{_RELEASES}/v1.01/deepgaze1.pth#sha256=recorded"),
    "deepgaze2e": Release(f"{_RELEASES}/v1.0.0/deepgaze2e.pth#sha256=recorded"),
    "deepgaze3": Release(f"{_RELEASES}/v1.1.0/deepgaze3.pth#sha256=recorded"),
    "deepgaze-msdb": Release(f"{_RELEASES}/v1.2.0/deepgazemsdb.pth#sha256=recorded"),
}
CENTERBIAS = Release(f"{_RELEASES}/v1.0.0/centerbias_mit1003.npy#sha256=recorded")
"""Log density of fixations on MIT1003, (1024, 1024), that the models are used with."""


def published_views(model: DeepGaze | DeepGazeMSDB) -> Views:
    """The heads' parameters by their published names, in published shapes; writable.

    Raises:
        WeightsError: If nobody has published weights of this model.
    """
    if isinstance(model, DeepGazeMSDB):
        return model.published()
    if not model.published_as:
        raise WeightsError(f"no weights of {type(model).__name__} are published; train it instead")
    views: Views = {}
    for (prefix, _), head in zip(model.published_as, model.heads, strict=True):
        assert isinstance(head, Head)
        views |= {f"{prefix}{key}": view for key, view in head.published().items()}
    return views


def published_layout(model: DeepGaze | DeepGazeMSDB) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of a model's published file."""
    layout = {key: tuple(view.shape) for key, view in published_views(model).items()}
    for prefix, backbone in _published_backbones(model):
        layout |= {f"{prefix}{key}": shape for key, shape in backbone.published_shapes.items()}
    return layout


@torch.no_grad()
def load_published(
    model: DeepGaze | DeepGazeMSDB, tensors: Mapping[str, Tensor], source: str
) -> None:
    """Take over a published state dict, all of it or nothing.

    Args:
        model: With its parameters and networks as published.
        tensors: Content of the file.
        source: For messages.

    Raises:
        WeightsError: Names the first missing, unexpected or misshapen key, with both shapes.
    """
    views = published_views(model)
    layout = published_layout(model)
    check_layout(layout, tensors, source)
    for key, view in views.items():
        view.copy_(tensors[key])
    for prefix, backbone in _published_backbones(model):
        keys = [key for key in tensors if key.startswith(prefix)]
        backbone.load_published({key.removeprefix(prefix): tensors[key] for key in keys}, source)


def _published_backbones(model: DeepGaze | DeepGazeMSDB) -> list[tuple[str, TappedBackbone]]:
    """Networks that are part of the published file, and what precedes their names in it."""
    if isinstance(model, DeepGazeMSDB):
        return []
    found = []
    for number, (_, prefix) in enumerate(model.published_as):
        backbone = model.backbones[number]
        if isinstance(backbone, TappedBackbone) and model.config.backbones[number].source is None:
            found.append((prefix, backbone))
    return found
