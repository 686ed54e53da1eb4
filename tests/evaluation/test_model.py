import numpy as np
import pytest

from foregaze.errors import UnknownNameError
from foregaze.evaluation import SpatialModel
from foregaze.evaluation.model import evaluate_model
from foregaze.inference.zoo import load_model


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


def test_a_baseline_is_scored_by_its_name(toy_dataset):
    report = evaluate_model("gold-standard", toy_dataset(), metrics=["IGE"])
    assert report.metrics["IGE"].mean == pytest.approx(1, abs=0.01)


def test_an_own_model_is_scored_too(toy_dataset):
    uniform = SpatialModel("mine", lambda image: np.full((30, 40), -np.log(1200)))
    assert evaluate_model(uniform, toy_dataset(), metrics=["AUC"]).metrics["AUC"].mean == 0.5


def test_an_unknown_name_is_refused(toy_dataset):
    with pytest.raises(UnknownNameError, match="unknown model 'gold'"):
        evaluate_model("gold", toy_dataset())
