import pytest

from foregaze.errors import DataError, OutputError
from foregaze.evaluation import BASELINES, SpatialModel, evaluate, fit_references
from foregaze.evaluation.journal import Journal

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
    assert all(again.read("uniform", image) is not None for image in range(4))


def test_scores_of_other_settings_are_refused(tmp_path):
    path = tmp_path / "scores.jsonl"
    Journal(path, SETTINGS)
    with pytest.raises(DataError, match=r"another evaluation \(different: metrics\)"):
        Journal(path, SETTINGS | {"metrics": ["LL"]})


def test_a_folder_in_its_place_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="cannot keep the scores here"):
        Journal(tmp_path, SETTINGS)
