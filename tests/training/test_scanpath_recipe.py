"""A toy run that trains viewers on a toy spatial model, with densities out of sample."""

import shutil

import numpy as np
import pytest
import torch

from foregaze.data import load_dataset
from foregaze.errors import ConfigError, UnknownNameError
from foregaze.inference.zoo import load_model
from foregaze.models.checkpoint_file import read_header
from foregaze.models.scanpath_mixture import read_trunk_mixture
from foregaze.ops.preprocess import to_working_size
from foregaze.training.branch import make_part, stored_features
from foregaze.training.frames import View
from foregaze.training.recipe import Recipe, part_without
from foregaze.training.run import train
from foregaze.training.scanpath_recipe import ScanpathRecipe
from foregaze.training.spatial_maps import SPATIAL_DENSITY


def quiet(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total, what


@pytest.fixture(scope="module")
def spatial_run(small_osie, tmp_path_factory):
    folder = tmp_path_factory.mktemp("spatial")
    recipe = Recipe.model_validate(
        {
            "name": "toy",
            "backbone": "tf_efficientnet_lite0",
            "backbone_weights": "random:0",
            "input_size": [96, 128],
            "branches": [
                {
                    "name": "tuned",
                    "config": {"tuned_from": 5, "taps": [2, 4, 5], "readout": [8, 4]},
                    "stages": [{"name": "eye", "epochs": 1, "warmup_steps": 0}],
                }
            ],
            "data": {"root": str(small_osie), "folds": 3},
            "parts": ["folds", "pairs"],
            "metrics": ["LL"],
            "store": str(folder / "store"),
        }
    )
    train(recipe, folder / "run", resume=False, on_progress=quiet)
    return folder


def recipe_on(spatial_run, small_osie, **changes):
    stage = {"name": "scanpath", "epochs": 1, "batch_size": 2, "histories_per_image": 6}
    branch = {"name": "viewer", "seeds": [0, 1], "stages": [stage]}
    return ScanpathRecipe.model_validate(
        {
            "name": "toy scanpaths",
            "architecture": "scanpath-mixture",
            "spatial_run": str(spatial_run / "run"),
            "branches": [branch | changes],
            "data": {"root": str(small_osie), "folds": 3},
            "parts": ["fold-0", "fold-1"],
            "metrics": ["LL"],
            "store": str(spatial_run / "store"),
        }
    )


@pytest.fixture(scope="module")
def trained(spatial_run, small_osie, tmp_path_factory):
    output = tmp_path_factory.mktemp("viewers") / "run"
    recipe = recipe_on(spatial_run, small_osie)
    report = train(recipe, output, resume=False, on_progress=quiet)
    return output, report


def test_a_run_makes_a_model_that_predicts_samples_and_is_scored(trained, small_osie):
    output, report = trained
    assert report.images == 8
    assert np.isfinite(report.metrics["LL"].mean)
    model = load_model(str(output / "fold-0" / "model.safetensors"), device="cpu")
    image = load_dataset("osie", small_osie).stimuli[0]
    density = model.predict(image, x_hist=[400.0, 120.0], y_hist=[300.0, 80.0]).log_density
    assert density.shape == image.shape[:2]
    assert np.exp(density.astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)
    viewings = model.sample_viewings(image, 3, seconds=1.5, seed=0)
    assert all(one.duration_ms.sum() >= 1500 > one.duration_ms[:-1].sum() for one in viewings)


def test_the_model_kept_names_the_spatial_model_that_it_stands_on(trained, spatial_run):
    header = read_header(trained[0] / "fold-0" / "model.safetensors")
    path = spatial_run / "run" / "fold-0" / "model.safetensors"
    assert header.config["spatial"] == str(path)
    assert header.trunk_sha256 is not None


def test_no_image_is_shown_with_the_density_of_a_model_that_saw_it(spatial_run, small_osie):
    recipe = recipe_on(spatial_run, small_osie)
    dataset = load_dataset("osie", small_osie)
    part = make_part(recipe, dataset, "fold-0")
    features = stored_features(recipe, part, 0, dataset)
    for image in part.fit:
        seen = read_header(features.model_of(image)).card["images"]
        assert dataset.stimuli.names[image] not in seen
        assert not {dataset.stimuli.names[i] for i in part.test} & set(seen)
    everything = make_part(recipe, dataset, "all")
    names = {stored_features(recipe, everything, 0, dataset).model_of(i) for i in everything.fit}
    assert names == {spatial_run / "run" / f"fold-{k}" / "model.safetensors" for k in range(3)}
    features.store.close()


def test_the_density_of_a_mirrored_view_is_made_from_the_mirrored_image(
    trained, spatial_run, small_osie
):
    recipe = recipe_on(spatial_run, small_osie)
    dataset = load_dataset("osie", small_osie)
    part = make_part(recipe, dataset, "fold-0")
    features = stored_features(recipe, part, 0, dataset)
    image = part.fit[0]
    model = read_trunk_mixture(features.model_of(image))
    pixels = to_working_size(dataset.stimuli[image], (96, 128))[None]
    prior = model.centerbias[None]
    with torch.no_grad():
        plain, mirrored = model(pixels, prior), model(pixels.flip(-1), prior.flip(-1))
    for view, expected in ((View(image, False), plain), (View(image, True), mirrored)):
        found = features[view][SPATIAL_DENSITY]
        torch.testing.assert_close(found, expected, rtol=0, atol=0.02)  # kept in half precision
    assert (plain - mirrored).abs().max() > 0.1
    features.store.close()


def test_parts_are_named_after_the_folds_that_they_do_not_see():
    assert [part_without(k) for k in ((), (3,), (4, 1))] == ["all", "fold-3", "folds-1-4"]


def test_an_unknown_input_is_an_error_that_names_the_known_ones(spatial_run, small_osie):
    with pytest.raises((UnknownNameError, ConfigError, ValueError), match="distance"):
        recipe_on(spatial_run, small_osie, fixation={"inputs": ["mood"]})


def test_a_missing_spatial_model_is_an_error_before_any_training(spatial_run, small_osie, tmp_path):
    recipe = recipe_on(spatial_run, small_osie).model_copy(update={"parts": ("fold-0",)})
    shutil.copytree(spatial_run / "run", tmp_path / "spatial")
    shutil.rmtree(tmp_path / "spatial" / "folds-0-1")
    recipe = recipe.model_copy(update={"spatial_run": tmp_path / "spatial"})
    with pytest.raises(ConfigError, match=r"folds-0-1.*no such .*'pairs'"):
        train(recipe, tmp_path / "run", resume=False, on_progress=quiet)
    assert not (tmp_path / "run").exists()
