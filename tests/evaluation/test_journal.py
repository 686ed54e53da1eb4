import json
from dataclasses import replace

import numpy as np
import pytest

from foregaze.errors import DataError, OutputError
from foregaze.evaluation import BASELINES, SpatialModel, evaluate, fit_references
from foregaze.evaluation.journal import Journal, settings_of

SETTINGS = {"metrics": ["LL", "AUC"], "data set": ["toy", 4]}


def test_scores_that_are_known_are_not_computed_again(toy_dataset, tmp_path):
    dataset = toy_dataset()
    references = fit_references(dataset)
    uniform = BASELINES["uniform"](references)
    asked = []

    def counting(image):
        asked.append(image)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return uniform.predict(image)

    model = SpatialModel("m", counting)
    path = tmp_path / "out" / "scores.jsonl"
    with pytest.raises(KeyboardInterrupt):
        evaluate(model, dataset, references=references, journal=Journal(path, SETTINGS))
    resumed = evaluate(model, dataset, references=references, journal=Journal(path, SETTINGS))
    assert asked == [0, 1, 2, 2, 3]
    assert resumed == evaluate(SpatialModel("m", uniform.predict), dataset, references=references)


def test_a_line_that_was_cut_off_is_ignored(toy_dataset, tmp_path):
    dataset = toy_dataset()
    references = fit_references(dataset)
    model = BASELINES["uniform"](references)
    path = tmp_path / "scores.jsonl"
    whole = evaluate(model, dataset, references=references, journal=Journal(path, SETTINGS))
    text = path.read_text()
    path.write_text(text[: int(len(text) * 0.6)])
    assert evaluate(model, dataset, references=references, journal=Journal(path, SETTINGS)) == whole
    again = Journal(path, SETTINGS)
    assert all(again.read(model, image) is not None for image in range(4))


def test_scores_of_other_settings_are_refused(tmp_path):
    path = tmp_path / "scores.jsonl"
    path.write_text(json.dumps(SETTINGS) + "\n")
    with pytest.raises(DataError, match=r"another evaluation \(different: metrics\)"):
        Journal(path, SETTINGS | {"metrics": ["LL"]})


def test_a_folder_in_its_place_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="cannot keep the scores here"):
        Journal(tmp_path, SETTINGS)


def test_scores_of_another_model_of_the_same_name_are_not_used(toy_dataset, tmp_path):
    dataset = toy_dataset()
    references = fit_references(dataset)
    journal = Journal(tmp_path / "scores.jsonl", SETTINGS)
    rng = np.random.default_rng(0)
    reports = []
    for identity in ("first", "second", "first"):
        score = rng.normal(size=(30, 40))
        log_density = score - np.log(np.exp(score).sum())
        model = SpatialModel("m", lambda image, p=log_density: p, identity=identity)
        reports.append(evaluate(model, dataset, references=references, journal=journal))
        journal = Journal(tmp_path / "scores.jsonl", SETTINGS)
    assert reports[0] == reports[2]
    assert reports[0].metrics["LL"] != reports[1].metrics["LL"]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: replace(d, blur_px=9.0),
        lambda d: replace(d, starts_at_center=False),
        lambda d: replace(d, fixations=replace(d.fixations, x=d.fixations.x + 0.01)),
        lambda d: d.subset([0, 1, 2]),
        lambda d: replace(d, stimuli=replace(d.stimuli, paths=d.stimuli.paths[::-1])),
    ],
)
def test_settings_differ_where_the_data_do(toy_dataset, change):
    dataset = toy_dataset()
    settings = settings_of(fit_references(dataset), ["LL"])
    assert settings == settings_of(fit_references(toy_dataset()), ["LL"])
    assert settings_of(fit_references(change(dataset)), ["LL"])["data set"] != settings["data set"]


def test_a_line_that_is_no_score_is_an_error(toy_dataset, tmp_path):
    path = tmp_path / "scores.jsonl"
    path.write_text(json.dumps(SETTINGS) + '\n{"model": "m"}\n')
    with pytest.raises(DataError, match="line 2 holds no scores"):
        Journal(path, SETTINGS)


def test_nothing_is_written_before_the_first_score(tmp_path):
    Journal(tmp_path / "made" / "scores.jsonl", SETTINGS)
    assert list(tmp_path.iterdir()) == []
