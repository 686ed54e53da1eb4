"""What a phase of training takes over from the phase before: every tensor, by name.

Nothing is skipped silently. Two things may be different in the model that goes on: it may have a
scanpath network that the other had not, which then starts as drawn, and a fixation selection whose
first layer sees the features of that network besides the saliency map, whose weights start as drawn
next to those that are taken over.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from foregaze.errors import WeightsError
from foregaze.models import MODELS
from foregaze.models.checkpoint_file import read_header, read_tensors
from foregaze.models.deepgaze_networks import NARROW
from foregaze.models.guided import GuidedModel
from foregaze.training.guided_recipe import GuidedRecipe

_NEW = "heads.0.scanpath."
"""Tensors that only a model with past fixations has; all of them are taken over, or none."""
_WIDENED = tuple(
    f"heads.0.fixation_selection.layer0.{name}" for name in ("weight", "norm_weight", "norm_bias")
)
"""Tensors whose last dimension grows by the scanpath network's features."""
_FEATURES = ("backbones", "downsample", "semantic_tap")
"""Keys of a model's configuration that say what its weights are for."""
_OWN = "centerbias"
"""Comes from the images that are fitted, not from training."""


def started(recipe: GuidedRecipe, place: int, checkpoint: Path | None) -> GuidedModel:
    """A model with one component, from a checkpoint if one is given.

    Args:
        recipe: What is trained.
        place: Which of the checkpoint's components it goes on from, if that has several.
        checkpoint: Of the phase before.

    Raises:
        WeightsError: If the checkpoint is not there, is of another architecture, or a tensor is
            missing, unknown or misshapen, or was trained on other features.
    """
    model = MODELS[recipe.architecture](recipe.model_config_of(1))
    assert isinstance(model, GuidedModel)
    if checkpoint is not None:
        header = read_header(checkpoint)
        if header.architecture != recipe.architecture:
            raise WeightsError(
                f"{checkpoint}: is a checkpoint of {header.architecture!r}, expected one of "
                f"{recipe.architecture!r} to go on from"
            )
        check_features(recipe, header.config, str(checkpoint))
        take_over(model, read_tensors(checkpoint), place, str(checkpoint))
    return model


def check_features(recipe: GuidedRecipe, given: Mapping[str, Any], source: str) -> None:
    """Raise a `WeightsError` if a model stands on other features, whose shapes may be the same.

    Args:
        recipe: What is trained.
        given: The configuration of the model that it goes on from.
        source: Where that comes from, for the message.
    """
    own = recipe.model_config_of(1).model_dump(mode="json")
    taps = len(own["backbones"][0]["taps"])
    for key in _FEATURES:
        if key not in own or key not in given:
            continue
        same = given[key] == own[key]
        if key == "semantic_tap":  # counted from either end
            same = given[key] % taps == own[key] % taps
        if not same:
            raise WeightsError(
                f"{source}: was trained with {key} {given[key]}, and would go on with {own[key]}"
            )


def take_over(
    model: GuidedModel, tensors: Mapping[str, Tensor], place: int, source: str
) -> list[str]:
    """Load one component of a checkpoint; gives the names of tensors that start as drawn.

    Raises:
        WeightsError: Names the first missing, unknown or misshapen tensor; nothing is loaded.
    """
    own = {k: x for k, x in model.trained_tensors().items() if k.startswith("heads.")}
    given = {k: x for k, x in tensors.items() if k != _OWN}
    unknown = sorted(given.keys() - own.keys())
    if unknown:
        raise WeightsError(f"{source}: has a tensor {unknown[0]!r} that the model has not")
    has_scanpath = any(key.startswith(_NEW) for key in given)
    fresh, parts = [], {}
    for key, tensor in own.items():
        if key not in given:
            if has_scanpath or not key.startswith(_NEW):
                raise WeightsError(f"{source}: has no tensor {key!r}")
            fresh.append(key)
            continue
        found = given[key][place % len(given[key]), None]
        narrow = (*tensor.shape[:-1], tensor.shape[-1] - NARROW)
        if not has_scanpath and key in _WIDENED and found.shape == narrow:
            fresh.append(key)
        elif found.shape != tensor.shape:
            raise WeightsError(
                f"{source}: {key!r} has shape {tuple(found.shape)}, expected {tuple(tensor.shape)}"
            )
        parts[key] = found
    for key, part in parts.items():
        own[key].detach()[..., : part.shape[-1]].copy_(part)
    return fresh
