"""Spatial densities in the feature store, each from the model that is asked for."""

import numpy as np
import pytest
import torch
from PIL import Image

from foregaze.models.checkpoint import save_checkpoint
from foregaze.models.scanpath_mixture import read_trunk_mixture
from foregaze.ops.preprocess import to_working_size
from foregaze.training.frames import View
from foregaze.training.recipe import DataConfig
from foregaze.training.spatial_maps import SPATIAL_DENSITY, FeaturesWithDensity
from foregaze.types import EyeTrackingDataset, Fixations, Stimuli
from tests.inference.toy_deepgaze import picture

SIZE = (96, 128)
STAGE = 4


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two images, and nobody looking."""
    folder = tmp_path_factory.mktemp("images")
    paths = []
    for seed in range(2):
        paths.append(folder / f"{seed}.png")
        Image.fromarray(picture(*SIZE, seed=seed)).save(paths[-1])
    nothing, nowhere = np.zeros(0, dtype=np.int64), np.zeros(0)
    return EyeTrackingDataset(
        name="toy",
        stimuli=Stimuli(tuple(paths), (SIZE, SIZE), lambda path: np.array(Image.open(path))),
        fixations=Fixations(nothing, nothing, nothing, nowhere, nowhere, nowhere),
        px_per_dva=None,
        starts_at_center=False,
    )


@pytest.fixture(scope="module")
def checkpoints(tiny_checkpoint, tmp_path_factory):
    """Two spatial models on one trunk."""
    other = read_trunk_mixture(tiny_checkpoint)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        weight = other.branches[0].conv2.weight
        weight.copy_(3 * torch.randn(weight.shape, generator=generator))
    path = tmp_path_factory.mktemp("spatial") / "other.safetensors"
    save_checkpoint(other, path, {})
    return [tiny_checkpoint, path]


@pytest.fixture
def features(dataset, checkpoints, tmp_path):
    config = read_trunk_mixture(checkpoints[0]).config
    made = FeaturesWithDensity(
        config,
        STAGE,
        dataset,
        DataConfig(root=tmp_path),
        tmp_path / "store",
        lambda image: checkpoints[image],
    )
    yield made
    made.store.close()


def filled(features, checkpoints, views):
    trunk = read_trunk_mixture(checkpoints[0]).trunk
    for view in features.missing(views):
        features.fill(view, trunk)


@torch.no_grad()
def expected_density(path, dataset, view):
    model = read_trunk_mixture(path)
    pixels = to_working_size(dataset.stimuli[view.image], SIZE)[None]
    prior = model.centerbias[None]
    if view.mirrored:
        pixels, prior = pixels.flip(-1), prior.flip(-1)
    return model(pixels, prior)


@pytest.mark.parametrize("mirrored", [False, True])
def test_each_image_has_the_density_of_its_own_model(features, checkpoints, dataset, mirrored):
    views = [View(image, mirrored) for image in range(2)]
    filled(features, checkpoints, views)
    for view in views:
        found = features[view][SPATIAL_DENSITY]
        own, other = (
            expected_density(checkpoints[image], dataset, view)
            for image in (view.image, 1 - view.image)
        )
        torch.testing.assert_close(found, own, rtol=0, atol=0.02)  # kept in half precision
        assert (found - other).abs().max() > 0.1


def test_features_are_those_of_one_stage_of_the_trunk(features, checkpoints, dataset):
    view = View(0, False)
    filled(features, checkpoints, [view])
    found = features[view]
    assert set(found) == {STAGE, SPATIAL_DENSITY}
    trunk = read_trunk_mixture(checkpoints[0]).trunk
    with torch.no_grad():
        expected = trunk(to_working_size(dataset.stimuli[0], SIZE)[None])[STAGE][0]
    torch.testing.assert_close(found[STAGE], expected, rtol=2e-3, atol=2e-3)


def test_another_spatial_model_has_another_density_and_the_same_features(
    features, checkpoints, dataset
):
    view = View(0, False)
    before = features.keys(view)
    other = FeaturesWithDensity(
        features.config,
        STAGE,
        dataset,
        features.data,
        features.store.folder,
        lambda image: checkpoints[1],
    )
    after = other.keys(view)
    assert before[STAGE] == after[STAGE]
    assert before[SPATIAL_DENSITY] != after[SPATIAL_DENSITY]
    other.store.close()


def test_mirrored_views_and_images_have_keys_of_their_own(features):
    keys = [
        key
        for view in (View(0, False), View(0, True), View(1, False))
        for key in features.keys(view).values()
    ]
    assert len(set(keys)) == 6


def test_what_is_stored_is_not_made_again(features, checkpoints):
    views = [View(0, False), View(1, True)]
    assert features.missing(views) == views
    filled(features, checkpoints, views[:1])
    assert features.missing(views) == views[1:]
