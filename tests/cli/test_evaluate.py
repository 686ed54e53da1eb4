import json

import numpy as np
import pytest

import foregaze


@pytest.fixture
def evaluate(run, tiny_checkpoint, osie_root):
    def run_evaluate(*arguments, dataset="osie", model=tiny_checkpoint, root=osie_root):
        return run("evaluate", "--model", model, "--dataset", dataset, "--root", root, *arguments)

    return run_evaluate


def test_the_table_is_printed(evaluate):
    outcome = evaluate()
    assert outcome.code == 0
    assert "on osie: 3 images, 135 fixations" in outcome.out  # 15 x 3, without the first ones
    for metric in ("LL", "IG", "IGE", "NSS", "AUC"):
        assert f"\n{metric} " in outcome.out


def test_the_report_is_what_python_gives(evaluate, tmp_path, tiny_checkpoint, osie_root):
    outcome = evaluate("--json", "out/report.json", "--metric", "LL", "--metric", "AUC")
    assert "report: out/report.json" in outcome.out
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert list(written["metrics"]) == ["LL", "AUC"]
    model = foregaze.load_model(str(tiny_checkpoint))
    dataset = foregaze.load_dataset("osie", osie_root)
    report = foregaze.evaluate(model, dataset, metrics=["LL", "AUC"])
    assert json.loads(json.dumps(report.to_json())) == written


def test_scores_on_training_images_are_called_so(evaluate):
    assert "the model was trained on 2 of these 3 images" in evaluate().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "osy"}, "unknown data set 'osy'; known: cat2000"),
        ({"model": "defualt"}, "unknown model 'defualt'"),
        ({"model": "missing.safetensors"}, "missing.safetensors: no such"),
        ({"root": "nowhere"}, "nowhere/stimuli: no such folder"),
    ],
)
def test_what_is_not_there_is_refused(evaluate, options, message):
    assert message in evaluate(**options).error()


def test_an_unknown_metric_is_refused(evaluate):
    assert (
        "unknown metric 'LLL'; known: AUC, IG, IGE, LL, NSS" in evaluate("--metric", "LLL").error()
    )


def test_an_unknown_device_is_refused(evaluate):
    assert "device 'gpu' is not available here" in evaluate("--device", "gpu").error()


def test_a_report_is_replaced_only_on_demand(evaluate, tmp_path):
    report = tmp_path / "report.json"
    report.write_text("earlier")
    assert "report.json: exists already" in evaluate("--json", report).error()
    assert report.read_text() == "earlier"
    assert evaluate("--json", report, "--overwrite", "--metric", "NSS").code == 0
    assert np.isfinite(json.loads(report.read_text())["metrics"]["NSS"]["mean"])


def test_a_report_below_a_file_is_refused_first(evaluate, tmp_path):
    (tmp_path / "taken").touch()
    error = evaluate("--json", "taken/report.json", model="defualt").error()
    assert "taken: is not a folder" in error
