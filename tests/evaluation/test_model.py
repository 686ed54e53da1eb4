import numpy as np
import pytest

from foregaze.evaluation.model import evaluate_model, training_images
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


def test_a_model_is_scored_on_its_own_predictions(toy_dataset, tiny_checkpoint):
    dataset = toy_dataset()
    model = load_model(str(tiny_checkpoint))
    seen = []
    report = evaluate_model(model, dataset, metrics=["LL"], on_image=lambda: seen.append(1))
    fixations = dataset.evidence_by_image()
    means = []
    for image in range(len(dataset)):
        log_density = model.predict(dataset.stimuli[image]).log_density.astype(np.float64)
        at_fixations = log_density[fixations[image].row, fixations[image].column]
        means.append((at_fixations.mean() + np.log(log_density.size)) / np.log(2))
    assert report.metrics["LL"].mean == pytest.approx(np.mean(means), abs=1e-6)
    assert report.model == model.name
    assert len(seen) == len(dataset)
