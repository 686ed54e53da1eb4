"""What a phase takes from the phase before, and what it refuses."""

import numpy as np
import pytest
import torch

from foregaze.errors import WeightsError
from foregaze.models import MODELS
from foregaze.models.checkpoint import save_checkpoint
from foregaze.training.components import component_of, initial_model
from foregaze.training.handing_on import started, take_over
from tests.training.toy_guided import SIZE, SPADE, guided

LAYER = "heads.0.fixation_selection.layer0.weight"
ARCHITECTURES = ["dinogaze", "dinogaze-spade"]


@pytest.fixture
def recipe_of(tmp_path):
    return lambda architecture="dinogaze", **changes: guided(
        tmp_path, tmp_path, architecture, **changes
    )


def trained(recipe, components=1, seed=1):
    """A model of a recipe with drawn parameters."""
    model = MODELS[recipe.architecture](recipe.model_config_of(components))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in model.trained_tensors().items():
            if key.startswith("heads."):
                tensor += 0.1 * torch.randn(tensor.shape, generator=generator)
    return model


def kept(model, path):
    save_checkpoint(model, path, {}, half=False)
    return path


def heads(model):
    return {k: x.clone() for k, x in model.trained_tensors().items() if k.startswith("heads.")}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_tensor_is_taken_over_bit_for_bit(recipe_of, architecture, tmp_path):
    recipe = recipe_of(architecture)
    before = trained(recipe)
    after = started(recipe, 0, kept(before, tmp_path / "before.safetensors"))
    expected = heads(before)
    assert expected.keys() == heads(after).keys()
    for key, tensor in heads(after).items():
        assert torch.equal(tensor, expected[key]), key


def test_a_component_goes_on_from_the_one_at_its_place(recipe_of, tmp_path):
    recipe = recipe_of(seeds=[5, 7])
    before = trained(recipe, components=2)
    path = kept(before, tmp_path / "two.safetensors")
    for place in (0, 1, 2):
        after = heads(started(recipe, place, path))
        for key, tensor in heads(before).items():
            assert torch.equal(after[key][0], tensor[place % 2]), key
    second = recipe.model_copy(update={"start": {"": path}})
    assert torch.equal(heads(initial_model(second, 0, 7))[LAYER][0], heads(before)[LAYER][1])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_next_phase_starts_with_the_density_of_the_one_before(
    recipe_of, architecture, tmp_path
):
    recipe = recipe_of(architecture)
    before = trained(recipe).eval()
    path = kept(before, tmp_path / "before.safetensors")
    after = initial_model(recipe.model_copy(update={"start": {"": path}}), 0, 0).eval()
    pixels = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (1, 3, *SIZE))).float()
    flat = torch.zeros(1, *SIZE).log_softmax(-1) - np.log(SIZE[0])
    ids = {
        "segments": [
            torch.arange(6).reshape(2, 3).repeat_interleave(32, 0).repeat_interleave(32, 1)
        ]
    }
    options = ids if architecture == "dinogaze-spade" else {}
    with torch.no_grad():
        first, second = (model(pixels, flat, **options) for model in (before, after))
    assert torch.equal(first, second)
    assert first.std() > 1e-3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_scanpath_network_is_new_and_all_else_is_kept(recipe_of, architecture):
    before = trained(recipe_of(architecture))
    after = trained(recipe_of(architecture, model={"history": 4}), seed=2)
    drawn = heads(after)
    fresh = take_over(after, before.trained_tensors(), 0, "before")
    given, found = heads(before), heads(after)
    new = {key for key in found if ".scanpath." in key}
    assert new
    assert set(fresh) - new == {key for key in fresh if "layer0" in key}
    assert LAYER in fresh
    for key, tensor in found.items():
        if key in new:
            assert torch.equal(tensor, drawn[key]), key
        elif key in fresh:
            width = given[key].shape[-1]
            assert torch.equal(tensor[..., :width], given[key]), key
            assert torch.equal(tensor[..., width:], drawn[key][..., width:]), key
        else:
            assert torch.equal(tensor, given[key]), key


def test_the_widened_layer_sees_the_saliency_map_as_before(recipe_of):
    """The map comes first among its inputs, in both phases."""
    before = trained(recipe_of())
    after = trained(recipe_of(model={"history": 4}), seed=2)
    take_over(after, before.trained_tensors(), 0, "before")
    narrow, wide = (m.head.fixation_selection.layer0.layer for m in (before, after))
    assert narrow.weight.shape[-1] == 1
    assert torch.equal(wide.weight[..., :1], narrow.weight)


def refused(model, tensors, message):
    untouched = heads(model)
    with pytest.raises(WeightsError, match=message):
        take_over(model, tensors, 0, "before.safetensors")
    assert all(torch.equal(x, untouched[k]) for k, x in heads(model).items())


def test_missing_unknown_and_misshapen_tensors_are_named(recipe_of):
    model, given = trained(recipe_of()), trained(recipe_of(), seed=3).trained_tensors()
    missing = {k: x for k, x in given.items() if k != LAYER}
    refused(model, missing, f"before.safetensors: has no tensor '{LAYER}'")
    unknown = given | {"heads.0.saliency.layer9.weight": torch.zeros(1)}
    refused(model, unknown, "has a tensor 'heads.0.saliency.layer9.weight' that the model has not")
    key = next(k for k in sorted(given) if k.startswith("heads.0.saliency."))
    misshapen = given | {key: given[key][..., :-1]}
    refused(model, misshapen, f"'{key}' has shape .*, expected ")


def test_a_layer_that_is_widened_must_fit_otherwise(recipe_of):
    model = trained(recipe_of(model={"history": 4}))
    given = trained(recipe_of()).trained_tensors()
    for wrong in (given[LAYER][:, :-1], given[LAYER].repeat(1, 1, 3), given[LAYER][..., 0]):
        refused(model, given | {LAYER: wrong}, f"'{LAYER}' has shape")


def test_a_part_of_a_scanpath_network_is_not_enough(recipe_of):
    recipe = recipe_of(model={"history": 4})
    model, given = trained(recipe), trained(recipe, seed=3).trained_tensors()
    key = next(k for k in sorted(given) if k.startswith("heads.0.scanpath."))
    refused(model, {k: x for k, x in given.items() if k != key}, f"has no tensor '{key}'")
    narrow = given | {LAYER: given[LAYER][..., :1]}
    refused(model, narrow, f"'{LAYER}' has shape")


def test_a_scanpath_network_cannot_be_left_behind(recipe_of):
    model = trained(recipe_of())
    given = trained(recipe_of(model={"history": 4})).trained_tensors()
    refused(model, given, "has a tensor 'heads.0.scanpath.* that the model has not")


def test_another_architecture_and_a_missing_file_are_refused(recipe_of, tmp_path):
    path = kept(trained(recipe_of("dinogaze-spade")), tmp_path / "spade.safetensors")
    with pytest.raises(WeightsError, match="is a checkpoint of 'dinogaze-spade', expected one of"):
        started(recipe_of(), 0, path)
    with pytest.raises(WeightsError, match=r"none\.safetensors: no such checkpoint"):
        started(recipe_of(), 0, tmp_path / "none.safetensors")
    wider = recipe_of("dinogaze-spade", model=SPADE | {"spade_hidden": 5})
    with pytest.raises(WeightsError, match=r"has shape .*, expected"):
        started(wider, 0, path)


def test_models_on_other_features_are_refused(recipe_of, tmp_path):
    path = kept(trained(recipe_of("dinogaze-spade")), tmp_path / "spade.safetensors")
    same = recipe_of("dinogaze-spade", model={"semantic_tap": 1})  # the last, as before
    assert heads(started(same, 0, path)).keys() == heads(trained(same)).keys()
    with pytest.raises(WeightsError, match="was trained with semantic_tap -1, and would go on wi"):
        started(recipe_of("dinogaze-spade", model={"semantic_tap": 0}), 0, path)
    with pytest.raises(WeightsError, match=r"was trained with downsample 1\.0, and would go on"):
        started(recipe_of("dinogaze-spade", model={"downsample": 2.0}), 0, path)


def test_a_seed_decides_what_starts_as_drawn(recipe_of, tmp_path):
    path = kept(trained(recipe_of()), tmp_path / "before.safetensors")
    recipe = recipe_of(model={"history": 4}, start={"": str(path)}, seeds=[0, 1])
    first, same, other = (heads(initial_model(recipe, 0, seed)) for seed in (0, 0, 1))
    for key, tensor in first.items():
        assert torch.equal(tensor, same[key]), key
    drawn = {key for key, tensor in first.items() if not torch.equal(tensor, other[key])}
    assert drawn == {"heads.0.scanpath.encoding", LAYER} | {
        key for key in drawn if key.startswith("heads.0.scanpath.") and key.endswith("weight")
    }
    assert component_of(recipe, 0, initial_model(recipe, 0, 0)).history == 4
