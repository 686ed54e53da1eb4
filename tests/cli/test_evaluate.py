import json

import numpy as np
import pytest

import foregaze
from tests.inference.toy_deepgaze import save_toy


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
    assert written["references"].pop("data set") == "osie: 3 of the 700 published images are here"
    assert json.loads(json.dumps(report.to_json())) == written


def test_scores_on_training_images_are_called_so(evaluate):
    assert "note: trained on 2 of these 3 images" in evaluate().out


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
    assert "unknown metric 'LLL'; known: AUC, AUC-Borji" in evaluate("--metric", "LLL").error()


def test_an_unknown_device_is_refused(evaluate):
    assert "device 'gpu' is not available here" in evaluate("--device", "gpu").error()


def test_a_report_is_replaced_only_on_demand(evaluate, tmp_path):
    report = tmp_path / "report.json"
    report.write_text('{"metrics": {}}')
    assert "report.json: exists already" in evaluate("--json", report).error()
    assert report.read_text() == '{"metrics": {}}'
    assert evaluate("--json", report, "--overwrite", "--metric", "NSS").code == 0
    assert np.isfinite(json.loads(report.read_text())["metrics"]["NSS"]["mean"])


def test_a_report_below_a_file_is_refused_first(evaluate, tmp_path):
    (tmp_path / "taken").touch()
    error = evaluate("--json", "taken/report.json", model="defualt").error()
    assert "taken: is not a folder" in error


def test_several_models_have_one_table_and_a_report(evaluate, tmp_path):
    outcome = evaluate("--model", "uniform", "--model", "gold-standard", "--output", "report")
    assert outcome.code == 0
    assert "osie: 3 images, 135 fixations; mean and 95% interval" in outcome.out
    for name in ("uniform", "gold-standard", "tiny.safetensors"):
        assert name in outcome.out
    assert "note: osie: 3 of the 700 published images are here" in outcome.out
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"report.json", "report.md", "report.html", "scores.jsonl"} <= names


def test_an_earlier_report_is_used_again_or_replaced_only_on_demand(evaluate, tmp_path):
    first = evaluate("--output", "report", "--metric", "AUC")
    assert "report.json: exists already" in evaluate("--output", "report").error()
    scores = (tmp_path / "report" / "scores.jsonl").read_text()
    assert evaluate("--output", "report", "--metric", "AUC", "--resume").out == first.out
    assert (tmp_path / "report" / "scores.jsonl").read_text() == scores
    assert "another evaluation (different: metrics)" in (
        evaluate("--output", "report", "--metric", "NSS", "--resume").error()
    )
    assert evaluate("--output", "report", "--metric", "NSS", "--overwrite").code == 0


def test_a_stopped_evaluation_is_not_continued_unasked(evaluate, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "scores.jsonl").write_text("{}\n")
    assert "an evaluation was stopped here; --resume" in evaluate("--output", "report").error()


def test_resuming_needs_a_folder(evaluate):
    assert "--resume needs the --output folder" in evaluate("--resume").error()


def test_predictions_in_files_are_scored(run, osie_root, tmp_path):
    for path in (osie_root / "stimuli").iterdir():
        np.save(tmp_path / f"{path.stem}.npy", np.full((60, 80), -np.log(4800)))
    outcome = run(
        *("evaluate", "--dataset", "osie", "--root", osie_root),
        *("--model", f"mine={tmp_path}", "--metric", "LL"),
    )
    assert "mine on osie" in outcome.out
    assert "\nLL  0.000" in outcome.out


def test_overwriting_loses_no_scores_before_all_is_checked(evaluate, tmp_path):
    evaluate("--output", "report", "--metric", "AUC")
    scores = tmp_path / "report" / "scores.jsonl"
    before = scores.read_text()
    evaluate("--output", "report", "--overwrite", model="nosuch").error()
    assert scores.read_text() == before
    assert "give one" in evaluate("--output", "report", "--overwrite", "--resume").error()


def test_only_reports_are_replaced_by_reports(evaluate, tmp_path):
    (tmp_path / "data.json").write_text('{"my": "data"}')
    error = evaluate("--json", "data.json", "--overwrite", "--metric", "NSS").error()
    assert "data.json: is no report, and is not replaced by one" in error
    assert (tmp_path / "data.json").read_text() == '{"my": "data"}'


def test_a_report_does_not_go_among_the_stimuli(evaluate, osie_root):
    before = sorted(path.name for path in (osie_root / "stimuli").iterdir())
    assert "holds the stimuli" in evaluate("--output", osie_root / "stimuli").error()
    assert sorted(path.name for path in (osie_root / "stimuli").iterdir()) == before


def test_a_run_that_cannot_begin_leaves_nothing(evaluate, tmp_path):
    evaluate("--output", "report", model="mine=nowhere").error()
    assert not (tmp_path / "report").exists()


def test_a_center_bias_changes_scores_and_is_reported(
    evaluate, tmp_path, tiny_checkpoint, osie_root
):
    np.save(tmp_path / "prior.npy", np.full((60, 80), -np.log(4800)))
    scores = {}
    for given in (None, "dataset", "uniform", "prior.npy"):
        options = ("--centerbias", given) if given else ()
        assert evaluate("--json", "r.json", "--overwrite", "--metric", "LL", *options).code == 0
        report = json.loads((tmp_path / "r.json").read_text())
        scores[given] = report["metrics"]["LL"]["mean"]
        assert any("center bias: " in note for note in report["notes"]) == (given is not None)
    assert scores["uniform"] == pytest.approx(scores["prior.npy"], abs=1e-4)
    assert len({round(score, 3) for score in scores.values()}) == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "center",
            "--centerbias center: cannot be read (No such file or directory); expected "
            "dataset, uniform, mit1003 or FILE.npy",
        ),
        ("small.npy", "centerbias has shape (6, 8), expected (60, 80)"),
        ("mit1003", "the center bias of MIT1003 is not here: save https://"),
    ],
)
def test_a_wrong_center_bias_is_refused(evaluate, tmp_path, monkeypatch, given, message):
    monkeypatch.setenv("FOREGAZE_CACHE", str(tmp_path / "cache"))
    np.save(tmp_path / "small.npy", np.full((6, 8), -np.log(48)))
    assert message in evaluate("--centerbias", given).error()


def test_a_center_bias_for_none_of_the_models_is_refused(evaluate):
    error = evaluate("--centerbias", "uniform", model="gold-standard").error()
    assert "none of the models takes one (gold-standard)" in error


def test_a_model_of_scanpaths_is_scored_with_histories(evaluate, tmp_path):
    path = save_toy(tmp_path / "toy3.safetensors", "deepgaze3")
    outcome = evaluate("--centerbias", "dataset", "--metric", "NSS", "--json", "r.json", model=path)
    assert outcome.code == 0
    notes = json.loads((tmp_path / "r.json").read_text())["notes"]
    assert "each fixation is predicted from those before it" in notes
    assert "center bias: of the data set, from other images" in notes


def test_a_scanpath_mixture_is_scored_after_every_history(
    evaluate, tmp_path, osie_root, scanpath_checkpoint
):
    assert evaluate("--metric", "LL", "--json", "r.json", model=scanpath_checkpoint).code == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert "each fixation is predicted from those before it" in report["notes"]
    model = foregaze.load_model(str(scanpath_checkpoint), device="cpu")
    dataset = foregaze.load_dataset("osie", osie_root)
    of_images = []
    for image, fixations in enumerate(map(dataset.on_image, range(len(dataset)))):
        conditional = model.on(dataset.stimuli[image])
        bits = []
        for row in np.flatnonzero(fixations.order > 0):  # the first one was forced
            before = (fixations.observer == fixations.observer[row]) & (
                fixations.order < fixations.order[row]
            )
            history = np.column_stack([fixations.x[before], fixations.y[before]])
            log_density = conditional(history).log_density
            found = log_density[int(fixations.y[row]), int(fixations.x[row])]
            bits.append((found + np.log(log_density.size)) / np.log(2))
        of_images.append(np.mean(bits))
    assert report["metrics"]["LL"]["mean"] == pytest.approx(np.mean(of_images), abs=1e-4)


def test_options_of_deepgaze_models_reach_them(evaluate, tmp_path):
    path = save_toy(tmp_path / "msdb.safetensors", "deepgaze-msdb")
    scores = []
    for options in ((), ("--viewers", "CAT2000"), ("--precision", "bfloat16")):
        arguments = ("--metric", "NSS", "--json", "r.json", "--overwrite", *options)
        assert evaluate(*arguments, model=path).code == 0
        report = json.loads((tmp_path / "r.json").read_text())
        scores.append(report["metrics"]["NSS"]["mean"])
        named = any("viewers of CAT2000" in note for note in report["notes"])
        assert named == ("CAT2000" in options)
    assert len(set(scores)) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--viewers", "MIT1003"), "none of the models has parameters for data sets"),
        (("--compile",), "precision and compilation are for DeepGaze models"),
        (("--network", "clip"), "'clip', expected NAME=SOURCE"),
    ],
)
def test_options_without_a_use_are_refused(evaluate, options, message):
    assert message in evaluate(*options).error()
