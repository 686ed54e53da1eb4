"""Heads in training against the models that they become part of."""

import numpy as np
import pytest
import torch

from foregaze.config import make_config
from foregaze.models.checkpoint_file import load_trained
from foregaze.training.components import component_of, graph_of, initial_model, joined
from foregaze.training.deepgaze_recipe import DeepGazeRecipe
from foregaze.training.examples import History

STAGES = [{"name": "eye", "epochs": 1}]
SIZE = (64, 96)
STRIDE = 4
GRID = (16, 24)
ARCHITECTURES = ["deepgaze1", "deepgaze2", "deepgaze2e", "deepgaze3"]


def recipe_of(architecture: str, **changes: object) -> DeepGazeRecipe:
    branch = {
        "name": "b",
        "backbone": "tf_efficientnet_lite0",
        "backbone_weights": "random:0",
        "taps": [2, 4],
        "stages": STAGES,
    }
    content = {
        "name": "toy",
        "architecture": architecture,
        "branches": [branch],
        "input_size": SIZE,
        "data": {"root": "osie"},
    }
    return make_config(DeepGazeRecipe, content | changes, "recipe.yaml")


@pytest.fixture
def pixels() -> torch.Tensor:
    values = np.random.default_rng(0).integers(0, 256, (2, 3, *SIZE))
    return torch.from_numpy(values.astype(np.float32))


@pytest.fixture
def centerbias() -> torch.Tensor:
    """A log density on the density grid."""
    scores = torch.from_numpy(np.random.default_rng(1).normal(size=(2, *GRID)).astype(np.float32))
    return scores - scores.logsumexp((-2, -1), keepdim=True)


def at_pixels(on_grid: torch.Tensor) -> torch.Tensor:
    """A log density per cell as one per pixel."""
    per_pixel = on_grid - 2 * np.log(STRIDE)
    return per_pixel.repeat_interleave(STRIDE, -2).repeat_interleave(STRIDE, -1)


def features_of(model, pixels):
    taps = model.features(pixels, 0)
    return dict(zip((2, 4), taps, strict=True))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_component_in_training_is_the_model_that_it_belongs_to(architecture, pixels, centerbias):
    recipe = recipe_of(architecture)
    model = initial_model(recipe, 0, seed=3)
    component = component_of(recipe, 0, model)
    history = ()
    if architecture == "deepgaze3":
        history = (torch.full((2, 4), torch.nan),) * 2
    with torch.no_grad():
        on_grid = component(features_of(model, pixels), centerbias)
        whole = model(pixels, at_pixels(centerbias), *history)
    torch.testing.assert_close(at_pixels(on_grid), whole, rtol=0, atol=2e-5)
    torch.testing.assert_close(on_grid.exp().sum((-2, -1)), torch.ones(2))


def test_each_drawn_fixation_of_an_image_has_its_own_history(pixels, centerbias):
    recipe = recipe_of("deepgaze3")
    model = initial_model(recipe, 0, seed=3)
    component = component_of(recipe, 0, model)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 3, 4, generator=generator) * SIZE[1]
    y = torch.rand(2, 3, 4, generator=generator) * SIZE[0]
    x[0, 1, 2:] = y[0, 1, 2:] = torch.nan
    history = History(
        x,
        y,
        cell=torch.zeros(2, 3, dtype=torch.long),
        at=torch.zeros(2, 3, 2),
        duration_ms=torch.full((2, 3, 5), torch.nan),
        ended=torch.zeros(2, 3, dtype=torch.bool),
    )
    with torch.no_grad():
        on_grid = component(features_of(model, pixels), centerbias, history)
        for image in range(2):
            for number in range(3):
                one = slice(image, image + 1)
                past = (x[one, number], y[one, number])
                whole = model(pixels[one], at_pixels(centerbias)[one], *past)
                torch.testing.assert_close(
                    at_pixels(on_grid)[3 * image + number], whole[0], rtol=0, atol=2e-5
                )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_joined_components_are_a_mixture_with_equal_shares(architecture, pixels, centerbias):
    branches = [
        {
            "name": name,
            "backbone": "tf_efficientnet_lite0",
            "backbone_weights": "random:0",
            "taps": taps,
            "seeds": [0, 1],
            "stages": STAGES,
        }
        for name, taps in (("a", [2, 4]), ("b", [3]))
    ]
    if architecture == "deepgaze3":  # it has one network
        branches = branches[:1]
    recipe = recipe_of(architecture, branches=branches)
    history = (torch.full((2, 4), torch.nan),) * 2 if architecture == "deepgaze3" else ()
    trained, densities = {}, []
    for number in range(len(branches)):
        for seed in (0, 1):
            member = initial_model(recipe, number, seed)
            trained[number, seed] = member.trained_tensors()
            with torch.no_grad():
                densities.append(member(pixels, at_pixels(centerbias), *history).exp())
    model, tensors = joined(recipe, trained, (), {"centerbias": centerbias[0]})
    load_trained(model, tensors, "toy")
    with torch.no_grad():
        mixture = model(pixels, at_pixels(centerbias), *history)
    torch.testing.assert_close(mixture, torch.stack(densities).mean(0).log(), rtol=0, atol=2e-5)
    torch.testing.assert_close(model.centerbias, centerbias[0])
    assert graph_of(model) is None
