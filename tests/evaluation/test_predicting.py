from dataclasses import replace

import numpy as np
import pytest

from foregaze.evaluation import evaluate, fit_references
from foregaze.evaluation import predicting as predicting_module
from foregaze.evaluation.models import Case, ScanpathModel
from foregaze.evaluation.predicting import predicting, training_images
from foregaze.inference.zoo import load_model
from foregaze.types import Stimuli
from tests.inference.toy_deepgaze import picture, save_toy


@pytest.mark.parametrize(
    ("card", "seen"),
    [
        ({"dataset": "toy", "images": ["1.png", "3.png", "9.png"]}, ["1.png", "3.png"]),
        ({"dataset": "toy-mouse", "images": ["2.png"]}, ["2.png"]),
        ({"dataset": "other", "images": ["1.png"]}, []),
        ({"dataset": "toy"}, []),
        ({}, []),
    ],
)
def test_training_images_are_those_of_the_same_data_set(toy_dataset, card, seen):
    assert training_images(card, toy_dataset()) == seen


def test_a_model_that_saw_the_images_says_so(toy_dataset, tiny_checkpoint):
    dataset = replace(toy_dataset(), name="osie")
    model = load_model(str(tiny_checkpoint))
    model.card = {"dataset": "osie", "images": ["0.png", "2.png"]}
    assert predicting(model, dataset).notes[0].startswith("trained on 2 of these 4 images")
    model.card = {}
    assert predicting(model, dataset, "mine").notes == ()


def test_images_of_the_same_names_in_another_data_set_are_a_warning(toy_dataset, tiny_checkpoint):
    model = load_model(str(tiny_checkpoint))
    model.card = {"dataset": "osie", "images": ["0.png", "1.png", "2.png"]}
    (note,) = predicting(model, toy_dataset()).notes
    assert note.startswith("3 of these 4 images have the names of images that it was trained on")
    model.card["images"] = ["0.png"]
    assert predicting(model, toy_dataset()).notes == ()


def test_only_the_images_that_are_scored_are_counted(toy_dataset, tiny_checkpoint):
    """A fold's model has seen the others of the data set, which its report is not about."""
    dataset = replace(toy_dataset(), name="osie")
    model = load_model(str(tiny_checkpoint))
    model.card = {"dataset": "osie", "images": ["0.png", "2.png"]}
    assert predicting(model, dataset, images=[1, 3]).notes == ()
    (note,) = predicting(model, dataset, images=[1, 2, 3]).notes
    assert note.startswith("trained on 1 of these 3 images")
    assert predicting(model, dataset, images=[1, 3]).identity == predicting(model, dataset).identity
    other = toy_dataset()
    (note,) = predicting(model, other, images=[0, 1, 2]).notes
    assert note.startswith("2 of these 3 images have the names of images")
    assert predicting(model, other, images=[0, 1]).notes == ()


def test_models_of_other_weights_have_other_identities(toy_dataset, tiny_checkpoint):
    dataset = toy_dataset()
    model = load_model(str(tiny_checkpoint))
    before = predicting(model, dataset).identity
    assert before == predicting(load_model(str(tiny_checkpoint)), dataset).identity
    model.model.centerbias += 0.5
    assert predicting(model, dataset).identity != before


@pytest.fixture(scope="module")
def toy3(tmp_path_factory):
    return save_toy(tmp_path_factory.mktemp("toy") / "toy3.safetensors", "deepgaze3")


def pictures_of(dataset, px_per_dva=35.0):
    """The data set with pictures large enough for a network, and a resolution."""
    height, width = 96, 128
    fixations = dataset.fixations
    names = dataset.stimuli.names
    return replace(
        dataset,
        stimuli=Stimuli(
            dataset.stimuli.paths,
            ((height, width),) * len(names),
            lambda path: picture(height, width, seed=names.index(path.name)),
        ),
        fixations=replace(fixations, x=fixations.x * 3, y=fixations.y * 3),
        px_per_dva=px_per_dva,
    )


def test_each_fixation_is_predicted_from_those_before_it(toy_dataset, toy3):
    dataset = pictures_of(toy_dataset())
    model = load_model(str(toy3), device="cpu")
    scored = predicting(model, dataset)
    assert isinstance(scored, ScanpathModel)
    assert scored.notes == ("each fixation is predicted from those before it",)
    references = fit_references(dataset, gold_standard=False)
    case = Case(1, references.fixations_on[1], references)
    groups = list(scored.on(1)(case))
    assert len(groups) == len(case.fixations) == 3 * 6  # of 7, the first is history
    for group in groups[:8]:
        (row,) = np.flatnonzero(group.rows)
        observer, order = case.fixations.observer[row], case.fixations.order[row]
        before = (dataset.fixations.image == 1) & (dataset.fixations.observer == observer)
        before &= dataset.fixations.order < order
        expected = model.predict(
            dataset.stimuli[1],
            x_hist=dataset.fixations.x[before],
            y_hist=dataset.fixations.y[before],
            pixels_per_degree=35.0,
        )
        np.testing.assert_allclose(group.maps.log_density, expected.log_density, atol=1e-5)


def test_an_image_takes_one_pass_of_the_backbone_whatever_its_fixations(toy_dataset, toy3):
    dataset = pictures_of(toy_dataset())
    model = load_model(str(toy3), device="cpu")
    passes = []
    model.model.backbones[0].register_forward_hook(lambda *_: passes.append(1))
    references = fit_references(dataset, gold_standard=False)
    evaluate(predicting(model, dataset), dataset, references=references, metrics=["LL"])
    assert len(passes) == len(dataset)


def test_kept_densities_are_those_that_would_be_computed_again(toy_dataset, toy3, monkeypatch):
    dataset = pictures_of(toy_dataset())
    model = load_model(str(toy3), device="cpu")
    calls = []
    monkeypatch.setattr(
        model.model.head.fixation_selection,
        "forward",
        lambda *given, forward=model.model.head.fixation_selection.forward: (
            calls.append(1) or forward(*given)
        ),
    )
    references = fit_references(dataset, gold_standard=False)
    found = []
    for kept_bytes in (predicting_module._KEPT_BYTES, 0):
        monkeypatch.setattr(predicting_module, "_KEPT_BYTES", kept_bytes)
        scored = predicting(model, dataset)
        report = evaluate(scored, dataset, references=references, metrics=["LL", "NSS"])
        found.append((report.metrics, len(calls)))
        calls.clear()
    assert found[0][0] == found[1][0]
    images = len(np.unique(dataset.fixations.image))  # first fixations share one empty history
    assert found[0][1] == len(dataset.evidence()) + images
    assert found[1][1] == len(dataset.fixations) + len(dataset.evidence())


def test_images_have_the_data_sets_pixels_per_degree(toy_dataset, tmp_path):
    model = load_model(str(save_toy(tmp_path / "toy1.safetensors", "deepgaze1")), device="cpu")
    dataset = pictures_of(toy_dataset(), px_per_dva=50.0)
    found = predicting(model, dataset).predict(2)
    expected = model.predict(dataset.stimuli[2], pixels_per_degree=50.0).log_density
    np.testing.assert_array_equal(found, expected)


def test_a_center_bias_is_in_the_notes_and_in_the_identity(toy_dataset, tmp_path):
    model = load_model(str(save_toy(tmp_path / "toy1.safetensors", "deepgaze1")), device="cpu")
    dataset = pictures_of(toy_dataset())
    own = predicting(model, dataset)
    uniform = predicting(
        model, dataset, centerbias=lambda image: "uniform", centerbias_name="uniform"
    )
    assert uniform.notes == ("center bias: uniform",)
    assert uniform.identity == f"{own.identity} uniform"
    expected = model.predict(dataset.stimuli[0], centerbias="uniform", pixels_per_degree=35.0)
    np.testing.assert_array_equal(uniform.predict(0), expected.log_density)


def test_msdb_is_asked_for_viewers_or_says_that_it_takes_means(toy_dataset, tmp_path):
    path = save_toy(tmp_path / "msdb.safetensors", "deepgaze-msdb")
    model = load_model(str(path), device="cpu")
    dataset = pictures_of(toy_dataset())
    (note,) = predicting(model, dataset).notes
    assert note.startswith("parameters are means over its data sets (MIT1003, CAT2000, COCO-")
    scored = predicting(model, dataset, viewers="CAT2000")
    expected = model.predict(dataset.stimuli[0], dataset="CAT2000", pixels_per_degree=35.0)
    np.testing.assert_array_equal(scored.predict(0), expected.log_density)
    assert scored.identity != predicting(model, dataset).identity
