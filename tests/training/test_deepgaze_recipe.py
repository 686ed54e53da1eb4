import pytest

from foregaze.backbones.efficientnet_lite import PACKAGES
from foregaze.config import make_config
from foregaze.data import load_dataset
from foregaze.errors import ConfigError
from foregaze.evaluation.model import evaluate_model
from foregaze.inference.zoo import load_model
from foregaze.training.deepgaze_recipe import DeepGazeRecipe
from foregaze.training.recipes import read_recipe
from foregaze.training.run import train

BRANCH = {"name": "b", "taps": [4, 6], "stages": [{"name": "eye", "epochs": 1}]}
OTHER = BRANCH | {"name": "c"}
SCANPATHS = BRANCH | {"stages": [{"name": "eye", "epochs": 1, "histories_per_image": 2}]}
MINIMAL = {"name": "t", "architecture": "deepgaze1", "branches": [BRANCH], "data": {"root": "x"}}


def made(**changes) -> DeepGazeRecipe:
    return make_config(DeepGazeRecipe, MINIMAL | changes, "recipe.yaml")


def test_features_are_those_of_the_frozen_taps():
    config = made().features_of(0)
    assert config.trunk_outputs == (4, 6)
    assert config.frozen_weights == (PACKAGES["tf_efficientnet_lite2"],)


def test_the_center_bias_has_the_size_of_the_density_grid():
    config = made(input_size=[320, 416], density_stride=8).model_config_of([0], 2)
    assert config.centerbias_size == (40, 52)
    assert config.working_size == (320, 416)
    assert config.components == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "deepgaze4"}, "architecture: Input should be 'deepgaze1'"),
        ({"branches": [BRANCH | {"taps": []}]}, "branches.0.taps: Tuple should have at least 1"),
        ({"branches": [BRANCH | {"config": {}}]}, "unknown key 'branches.0.config'; known here"),
        ({"branches": [BRANCH | {"taps": [4, 2]}]}, r"branches.0.taps: must be different stages"),
        ({"branches": [BRANCH | {"taps": [4, 4]}]}, r"ascending order \(given: \[4, 4\]\)"),
        ({"branches": [BRANCH | {"taps": [-1, 4]}]}, "branches.0.taps: must be .* from 0 on"),
        (
            {"branches": [BRANCH, OTHER | {"seeds": [0, 1]}]},
            "branches need equally many seeds, not {'b': 1, 'c': 2}",
        ),
        (
            {"architecture": "deepgaze3", "branches": [BRANCH, OTHER]},
            "deepgaze3 stands on one network: one branch, not 2",
        ),
        ({"branches": [SCANPATHS]}, "deepgaze1 does not see past fixations"),
        ({"density_stride": 5}, "density_stride: must divide 32"),
        ({"density_stride": 0}, "density_stride: Input should be greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_named(changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        made(**changes)
    assert "\n" not in str(error.value)


def test_only_deepgaze3_is_trained_on_histories():
    recipe = made(architecture="deepgaze3", branches=[SCANPATHS])
    assert recipe.sees_history
    assert not made().sees_history


def quiet(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total, what


@pytest.fixture
def recipe_file(small_osie, tmp_path):
    """A toy recipe of DeepGaze III, first where people look, then where they look next."""
    path = tmp_path / "recipe.yaml"
    path.write_text(f"""
name: toy
architecture: deepgaze3
input_size: [64, 96]
readout_factor: 16
branches:
  - name: lite0
    backbone: tf_efficientnet_lite0
    backbone_weights: random:0
    taps: [2, 4]
    stages:
      - {{name: spatial, epochs: 1, warmup_steps: 0}}
      - {{name: scanpath, epochs: 1, warmup_steps: 0, batch_size: 2, histories_per_image: 3}}
data: {{root: {small_osie}, folds: 3, validation_images: 2}}
parts: [fold-0]
workers: 1
store: {tmp_path / "store"}
""")
    return path


def test_a_recipe_makes_a_model_that_predicts_and_is_scored_after_histories(
    recipe_file, tmp_path, small_osie
):
    recipe = read_recipe(recipe_file)
    report = train(recipe, tmp_path / "run", resume=False, on_progress=quiet)
    assert report is not None
    assert report.images == 4
    assert report.metrics["CC"].mean is None  # maps belong to fixations, not to the image
    model = load_model(str(tmp_path / "run" / "fold-0" / "model.safetensors"), device="cpu")
    assert model.sees_history
    dataset = load_dataset("osie", small_osie).subset([0, 1])
    left = model.predict(dataset.stimuli[0], x_hist=[100.0], y_hist=[300.0]).log_density
    right = model.predict(dataset.stimuli[0], x_hist=[700.0], y_hist=[300.0]).log_density
    assert abs(left - right).max() > 1e-3
    again = evaluate_model(model, dataset, metrics=["LL"])
    assert again.images == 2


def test_a_tap_that_the_network_does_not_have_shows_before_any_work_is_done(recipe_file, tmp_path):
    recipe = read_recipe(recipe_file, ["branches.0.taps=[2, 9]"])
    with pytest.raises(ConfigError, match="stage 9 asked for; known: 0 to 6"):
        train(recipe, tmp_path / "run", resume=False, on_progress=quiet)
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "store").exists()
