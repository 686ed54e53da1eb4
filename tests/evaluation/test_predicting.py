from dataclasses import replace

import pytest

from foregaze.evaluation.predicting import predicting, training_images
from foregaze.inference.zoo import load_model


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


def test_models_of_other_weights_have_other_identities(toy_dataset, tiny_checkpoint):
    dataset = toy_dataset()
    model = load_model(str(tiny_checkpoint))
    before = predicting(model, dataset).identity
    assert before == predicting(load_model(str(tiny_checkpoint)), dataset).identity
    model.model.centerbias += 0.5
    assert predicting(model, dataset).identity != before
