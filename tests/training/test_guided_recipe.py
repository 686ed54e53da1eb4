from pathlib import Path

import pytest

from foregaze.errors import ConfigError
from foregaze.training.guided_recipe import GUIDED
from foregaze.training.recipes import RECIPES
from tests.training.toy_guided import MODEL, guided

ROOT = Path("osie")
OTHER = {"name": "tf_efficientnet_lite0", "taps": ["3"], "weights": "random:1"}
HYBRID = {"backbones": [*MODEL["backbones"], OTHER]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"components": 3}}, "model.components follows from grid and seeds: leave it"),
        ({"model": {"working_size": [3, 4]}}, "model.working_size follows from grid and seeds"),
        ({"model": {"px_per_dva": 35}}, "model.px_per_dva follows from grid and seeds"),
        ({"model": {"histroy": 0}}, "histroy"),
        ({"frozen": ["saliency"]}, "frozen networks come from a checkpoint: give start"),
        (
            {"frozen": ["scanpath"], "start": {"": "model.safetensors"}},
            "frozen: a model with history 0 has no scanpath network",
        ),
        ({"frozen": ["finalizers"]}, "frozen"),
        ({"architecture": "dinogaze-spode"}, "architecture"),
        ({"grid": {"density_stride": 12}}, "grid.density_stride: must divide 32"),
        ({"grid": {"inputsize": [3, 4]}}, "unknown key 'grid.inputsize'"),
        ({"stage": {"histories_per_image": 2}}, "dinogaze does not see past fixations"),
        ({"stage": {"patience": 2}}, "patience needs validation images: give data.validation"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        guided(ROOT, ROOT, **changes)
    assert "\n" not in str(error.value)


def test_patience_may_use_the_validation_images_of_published_folds():
    recipe = guided(ROOT, ROOT, stage={"patience": 2}, data={"fold_scheme": "published"})
    assert recipe.branches[0].stages[0].patience == 2
    changes = {"stage": {"patience": 2}, "parts": ["fold-0", "all"]}
    with pytest.raises(ConfigError, match="patience needs validation images"):  # "all" has none
        guided(ROOT, ROOT, data={"fold_scheme": "published"}, **changes)
    published = {"fold_scheme": "published", "validation_images": 2}
    assert guided(ROOT, ROOT, data=published, **changes).parts == ("fold-0", "all")


def test_a_model_that_sees_segments_says_how_they_are_made():
    recipe = guided(ROOT, ROOT, "dinogaze-spade")
    assert recipe.segments is not None
    assert recipe.segments.segmenter == "grid"
    assert recipe.segments.most_segments == 6
    assert guided(ROOT, ROOT).segments is None


def test_sizes_of_the_model_follow_from_the_grid():
    recipe = guided(ROOT, ROOT, grid={"input_size": [320, 416], "density_stride": 8})
    config = recipe.model_config_of(3)
    assert config.working_size == (320, 416)
    assert config.centerbias_size == (40, 52)
    assert config.saliency_map_factor == 8
    assert config.components == 3
    assert config.px_per_dva is None
    assert recipe.grid_of(0) == recipe.grid


def test_a_model_with_past_fixations_is_trained_on_them():
    assert not guided(ROOT, ROOT).sees_history
    assert guided(ROOT, ROOT, model={"history": 4}).sees_history


def test_a_part_goes_on_from_its_own_checkpoint_or_from_that_of_all():
    paths = {"": "all.safetensors", "fold-1": "one.safetensors"}
    recipe = guided(ROOT, ROOT, start=paths)
    assert recipe.start_of("fold-1") == Path("one.safetensors")
    assert recipe.start_of("fold-0") == Path("all.safetensors")
    assert guided(ROOT, ROOT, start={"fold-1": "one.safetensors"}).start_of("fold-0") is None


@pytest.mark.parametrize("architecture", GUIDED)
def test_every_model_of_the_family_has_a_recipe(architecture):
    model = HYBRID if architecture == "deepgaze-spade-hybrid" else {}
    recipe = guided(ROOT, ROOT, architecture, model=model)
    assert RECIPES[architecture] is type(recipe)
    assert recipe.model_config_of(1).components == 1
