"""Scores on stored features, against the predictor that sees the images themselves."""

import numpy as np
import pytest
import torch

from foregaze.data import load_dataset
from foregaze.inference.zoo import load_model
from foregaze.models.checkpoint import load_checkpoint, save_checkpoint
from foregaze.training.branch import stored_features
from foregaze.training.components import initial_model
from foregaze.training.run import scored_by_store
from foregaze.training.segments import stored_segments
from foregaze.training.stored_scoring import NOTE, StoredPredictor, stored_scored
from tests.training.toy_guided import SIZE, guided, prepared

GRID = tuple(side // 4 for side in SIZE)
CASES = {
    "dinogaze": ("dinogaze", {}),
    "dinogaze, every other pixel": ("dinogaze", {"downsample": 2.0}),
    "painted": ("dinogaze-spade", {}),
    "painted, after history": ("dinogaze-spade", {"history": 4, "variant": "C"}),
}


@pytest.fixture(scope="module")
def dataset(small_osie):
    return load_dataset("osie", small_osie)


@pytest.fixture
def run_of(small_osie, dataset, tmp_path_factory, tmp_path):
    """A recipe, its part and a model of it with drawn parameters."""

    def make(name):
        architecture, model = CASES[name]
        recipe = guided(small_osie, tmp_path, architecture, model=model)
        part = prepared(recipe, tmp_path)
        made = initial_model(recipe, 0, 0)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for key, tensor in made.trained_tensors().items():
                if tensor.ndim in (2, 3) and key.startswith("heads."):
                    tensor += 0.2 * torch.randn(tensor.shape, generator=generator)
        rows, columns = (torch.linspace(-2, 2, side) for side in GRID)
        prior = -(rows[:, None] ** 2 + columns**2) / 2
        made.centerbias.copy_(prior - prior.logsumexp((0, 1)))
        path = tmp_path / "model.safetensors"
        card = {"dataset": "osie", "images": [dataset.stimuli.names[i] for i in part.fit]}
        save_checkpoint(made, path, card, half=False)
        return recipe, part, path

    return make


@pytest.mark.parametrize("name", CASES)
def test_densities_from_the_store_are_the_predictors_own(run_of, dataset, tmp_path, name):
    recipe, part, path = run_of(name)
    own = load_model(str(path), device="cpu")
    loaded = load_checkpoint(path)
    features = stored_features(recipe, part, 0, dataset)
    stored = StoredPredictor("toy", loaded.model, loaded.card, features, torch.device("cpu"))
    of = None
    if recipe.segments is not None:
        of = stored_segments(tmp_path, recipe.segment_store, dataset)
    past = np.array([[400.0, 300.0], [120.0, 80.0], [30.0, 500.0]])
    if not own.sees_history:
        past = past[:0]
    densities = []
    for image in part.test[:2]:
        expected = own.on(dataset.stimuli[image])(past).log_density
        found = stored.on_stored(image, None if of is None else of(image))(past).log_density
        assert found.shape == dataset.stimuli.sizes[image]
        # Features are kept in half precision: each is off by up to 2**-11 of its size, and the
        # toy densities that they make, which span 5 to 15 nats, by up to 0.001.
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)
        densities.append(expected)
    assert abs(densities[0] - densities[1]).max() > 0.1
    features.store.close()


def test_other_segments_make_other_densities(run_of, dataset, tmp_path):
    recipe, part, path = run_of("painted")
    right = scored_by_store(recipe, tmp_path, part, path)
    one = np.zeros((600, 800), dtype=np.int32)
    wrong = scored_by_store(recipe, tmp_path, part, path, lambda image: one, "one")
    image = part.test[0]
    assert abs(right.predict(image) - wrong.predict(image)).max() > 1e-4
    assert right.identity != wrong.identity
    assert wrong.identity.endswith("one")


def test_a_report_counts_the_images_that_are_scored(run_of, dataset, tmp_path):
    recipe, part, path = run_of("dinogaze")
    assert scored_by_store(recipe, tmp_path, part, path).notes == (NOTE,)
    loaded = load_checkpoint(path)
    features = stored_features(recipe, part, 0, dataset)
    stored = StoredPredictor("toy", loaded.model, loaded.card, features, torch.device("cpu"))
    notes = stored_scored(stored, dataset, "toy", None).notes
    assert notes[0].startswith(f"trained on {len(part.fit)} of these {len(dataset)} images")
    assert notes[1] == NOTE
    features.store.close()


def test_scores_from_the_store_are_told_from_others(run_of, dataset, tmp_path):
    recipe, part, path = run_of("dinogaze")
    own = load_model(str(path), device="cpu")
    assert scored_by_store(recipe, tmp_path, part, path).identity == f"{own.digest()} stored"
