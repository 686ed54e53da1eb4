"""The shipped scanpath model, on OSIE."""

import numpy as np
import pytest
import torch

import foregaze
from foregaze.evaluation.scanpaths import scanpaths_by_image
from foregaze.metrics import log_likelihood


@pytest.fixture(scope="module")
def model():
    return foregaze.load_model("default-scanpath", device="cpu")


@pytest.fixture(scope="module")
def dataset(osie_root):
    return foregaze.load_dataset("osie", osie_root).subset(range(0, 600, 100))


@pytest.fixture(scope="module")
def viewings(model, dataset):
    return [model.sample_viewings(dataset.stimuli[i], 30, seed=i) for i in range(len(dataset))]


@pytest.fixture(scope="module")
def recorded(dataset):
    return scanpaths_by_image(dataset.fixations)


def test_the_card_names_data_and_out_of_fold_numbers(model):
    assert model.card["dataset"] == "osie"
    assert len(model.card["images"]) == 600
    assert model.card["out_of_fold"]["LL"]["mean"] > 3


def test_the_past_makes_fixations_likelier_than_the_spatial_density(model, dataset, recorded):
    spatial = foregaze.load_model("default", device="cpu")
    gains = []
    for image in range(len(dataset)):
        conditional = model.on(dataset.stimuli[image])
        without = spatial.predict(dataset.stimuli[image]).log_density
        for scanpath in recorded[image][::3]:
            positions = np.column_stack([scanpath.x, scanpath.y])
            for k in range(1, len(scanpath)):
                density = conditional(positions[:k]).log_density
                at = positions[k].astype(int)
                gains.append(density[at[1], at[0]] - without[at[1], at[0]])
    assert np.mean(gains) / np.log(2) > 0.5


def test_onnx_runtime_and_pytorch_agree(model, dataset):
    history = np.array([[400.0, 300.0], [200.0, 150.0]])
    image = dataset.stimuli[0]
    slow = foregaze.load_model("default-scanpath", device="cpu")
    slow.engine = slow.model
    assert slow.engine is not model.engine
    difference = model.on(image)(history).log_density - slow.on(image)(history).log_density
    assert np.abs(difference).max() < 2e-4


def test_it_stands_on_the_shipped_spatial_model(model):
    spatial = foregaze.load_model("default", device="cpu").model
    for name, tensor in spatial.state_dict().items():
        assert torch.equal(model.model.spatial.state_dict()[name], tensor), name


def test_first_fixations_are_pulled_to_the_center_as_people_s_are(viewings, recorded):
    center = np.array([400, 300])

    def distance(scanpaths, k):
        points = np.array([[one.x[k], one.y[k]] for one in scanpaths if len(one) > k])
        return np.median(np.hypot(*(points - center).T))

    for k in (0, 2):
        ours = np.mean([distance(sampled, k) for sampled in viewings])
        theirs = np.mean([distance(recorded[i], k) for i in range(len(viewings))])
        assert ours == pytest.approx(theirs, rel=0.3)


def test_viewings_are_like_recorded_ones(viewings, recorded):
    ours = [one for sampled in viewings for one in sampled]
    theirs = [one for image in range(len(viewings)) for one in recorded[image]]
    facts = {
        "fixations": len,
        "duration": lambda one: np.median(one.duration_ms),
        "saccade": lambda one: np.median(np.hypot(np.diff(one.x), np.diff(one.y))),
    }
    for name, fact in facts.items():
        found, expected = (
            np.median([fact(one) for one in scanpaths if len(one) > 1])
            for scanpaths in (ours, theirs)
        )
        assert found == pytest.approx(expected, rel=0.2), name


def test_fixations_of_osie_are_scored_after_their_history(model, dataset):
    f = dataset.on_image(0)
    chosen = (f.observer == f.observer[0]) & (f.order < 3)
    order = np.argsort(f.order[chosen])
    x, y = f.x[chosen][order], f.y[chosen][order]
    after = model.predict(dataset.stimuli[0], x_hist=x[:2], y_hist=y[:2])
    bits = log_likelihood(after.log_density, x[2:].astype(int), y[2:].astype(int))
    assert np.isfinite(bits).all()
