"""Published DeepGaze checkpoints, loaded unchanged.

The files of https://github.com/matthias-k/DeepGaze/releases are state dicts of the head and, for
I, IIE and III, of the frozen networks too. They are checked whole against the model, key by key,
shape by shape and value by value, before any tensor is taken over.
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

Layout = dict[str, tuple[int, ...]]
"""Keys of a state dict, and shapes of its tensors."""
_WIDTHS = (".sigma", "dataset_sigmas")
"""Ends of the names of blur widths."""
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


def published_layout(model: DeepGaze | DeepGazeMSDB) -> Layout:
    """Keys and shapes of a model's published file, with its networks that have no other source."""
    layout = head_layout(model)
    for prefix, backbone in _published_backbones(model):
        layout |= {f"{prefix}{key}": shape for key, shape in backbone.published_shapes.items()}
    for key, own_key in _published_twice(model).items():
        if own_key in layout:
            layout[key] = layout[own_key]
    return layout


def head_layout(model: DeepGaze | DeepGazeMSDB) -> Layout:
    """Keys and shapes of the part of a model's published file that is not its networks'."""
    return {key: tuple(view.shape) for key, view in published_views(model).items()}


def check_published(layout: Layout, tensors: Mapping[str, Tensor], source: str) -> None:
    """Make sure that a published state dict has a layout, and values that a model can have.

    Raises:
        WeightsError: Names the first key that is missing, unexpected or misshapen, that holds
            something else than finite floating point numbers (counters: whole numbers), or a blur's
            width that is not positive.
    """
    check_layout(layout, tensors, source)
    for key, tensor in tensors.items():
        counts = key.endswith("num_batches_tracked")
        if tensor.is_complex() or tensor.is_floating_point() == counts:
            wanted = "whole numbers" if counts else "floating point numbers"
            raise WeightsError(f"{source}: {key} holds {tensor.dtype}, expected {wanted}")
        if not tensor.isfinite().all():
            raise WeightsError(f"{source}: {key} holds NaN or infinity")
        if key.endswith(_WIDTHS) and not (tensor > 0).all():
            raise WeightsError(f"{source}: {key} is {tensor.tolist()}, expected widths above 0")


def holds_networks(model: DeepGaze | DeepGazeMSDB, tensors: Mapping[str, Tensor]) -> bool:
    """Whether any tensor belongs to a network of a published model."""
    own = tuple(prefix for _, prefix in model.published_as)
    return any(key.startswith(own) or key in _published_twice(model) for key in tensors)


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
        WeightsError: See `check_published`.
    """
    views = published_views(model)
    check_published(published_layout(model), tensors, source)
    for key, view in views.items():
        view.copy_(tensors[key])
    for prefix, backbone in _published_backbones(model):
        keys = [key for key in tensors if key.startswith(prefix)]
        backbone.load_published({key.removeprefix(prefix): tensors[key] for key in keys}, source)


def _published_backbones(model: DeepGaze | DeepGazeMSDB) -> list[tuple[str, TappedBackbone]]:
    """Networks that are part of the published file, and what precedes their names in it."""
    entries = zip(model.published_as, model.backbones, model.config.backbones, strict=False)
    return [
        (prefix, backbone)
        for (_, prefix), backbone, config in entries
        if isinstance(backbone, TappedBackbone) and config.source is None
    ]


def _published_twice(model: DeepGaze | DeepGazeMSDB) -> Mapping[str, str]:
    return model.published_twice if isinstance(model, DeepGazeMSDB) else {}
