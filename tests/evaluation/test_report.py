import json

import numpy as np
import pytest

from foregaze.errors import DataError, OutputError
from foregaze.evaluation import Report, SpatialModel, evaluate, merge, read_report
from foregaze.evaluation.report import summarize

SIZE = (30, 40)


def blob(image: int) -> np.ndarray:
    """Log density of a broad Gaussian that wanders from image to image."""
    y, x = np.indices(SIZE)
    score = -((x - 10 - 6 * image) ** 2 + (y - 15) ** 2) / (2 * 9.0**2)
    return score - np.log(np.exp(score).sum())


@pytest.fixture
def report(toy_dataset) -> Report:
    return evaluate(SpatialModel("blob", blob), toy_dataset())


def test_json_has_the_keys_of_the_public_contract(report):
    content = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert {"model", "dataset", "images", "fixations", "metrics"} <= content.keys()
    assert list(content["metrics"]) == [
        "LL",
        "IG",
        "IGE",
        "NSS",
        "AUC",
        "sAUC",
        "CC",
        "KLDiv",
        "SIM",
    ]
    for metric in content["metrics"].values():
        assert metric.keys() == {"mean", "ci95"}
        low, high = metric["ci95"]
        assert low <= metric["mean"] <= high
    assert content["dropped_fixations"] == 2
    assert content["all_fixations"]["fixations"] == 57
    assert content["fixations"] == 45
    assert content["per_image"]["image"] == ["0.png", "1.png", "2.png", "3.png"]
    assert content["gold_standard"].keys() == {"LL", "IG"}


def test_gain_explained_is_the_ratio_of_the_means(report):
    gain = np.mean(report.per_image["IG"]) / np.mean(report.per_image["gold_IG"])
    assert report.metrics["IGE"].mean == pytest.approx(gain)


def test_saved_report_reads_back_as_it_was(report, tmp_path):
    path = tmp_path / "made" / "report.json"
    report.save(path)
    assert read_report(path) == report
    assert [p.name for p in path.parent.iterdir()] == ["report.json"]


def test_saving_below_a_file_is_an_output_error(report, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        report.save(tmp_path / "file" / "report.json")


def test_saving_over_a_folder_is_an_output_error_and_leaves_nothing(report, tmp_path):
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        report.save(tmp_path / "report.json")
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": "m", "per_image": 3}', "[" * 20])
def test_file_that_is_no_report_is_a_data_error(text, tmp_path):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(DataError, match="is no report"):
        read_report(tmp_path / "report.json")


def test_merged_folds_equal_the_evaluation_in_one_go(report, toy_dataset):
    folds = [
        evaluate(SpatialModel("blob", blob), toy_dataset(), images=images)
        for images in ([0, 1], [2, 3])
    ]
    assert merge(folds) == report


def test_folds_that_share_an_image_do_not_merge(toy_dataset):
    folds = [
        evaluate(SpatialModel("blob", blob), toy_dataset(), images=images)
        for images in ([0, 1], [1])
    ]
    with pytest.raises(DataError, match=r"image 1\.png is in more than one report"):
        merge(folds)


def test_reports_with_other_metrics_do_not_merge(toy_dataset):
    folds = [
        evaluate(SpatialModel("blob", blob), toy_dataset(), images=[i], metrics=metrics)
        for i, metrics in enumerate((["LL"], ["LL", "AUC"]))
    ]
    with pytest.raises(DataError, match="different metrics: LL; LL, AUC"):
        merge(folds)


def test_table_is_aligned_and_shows_both_choices_of_fixations(report):
    heading, titles, *rows = report.table().splitlines()
    assert heading == ("blob on toy: 4 images, 45 fixations (2 outside their image dropped)")
    assert titles.split() == ["mean", "95%", "interval", "all", "fixations"]
    assert [row.split()[0] for row in rows] == [
        "LL",
        "IG",
        "IGE",
        "NSS",
        "AUC",
        "sAUC",
        "CC",
        "KLDiv",
        "SIM",
    ]
    assert len({len(line) for line in [titles, *rows]}) == 1
    assert f"{report.metrics['AUC'].mean:.3f}" in rows[4]
    assert rows[4].endswith(f"{report.all_fixations.metrics['AUC'].mean:.3f}")


def test_one_missing_value_leaves_no_mean():
    scores = summarize(["NSS"], ["a", "b"], 9, {"NSS": [1.0, None]}, absent={"NSS": "why"})
    assert scores.metrics["NSS"].mean is None
    assert scores.absent == {"NSS": "why"}


def test_gold_standard_below_the_center_bias_explains_nothing():
    scores = summarize(["IGE"], ["a", "b"], 9, {"IG": [0.1, 0.2], "gold_IG": [-0.3, 0.1]})
    assert scores.metrics["IGE"].mean is None
    assert scores.absent["IGE"] == "the gold standard gains -0.1 bits over the center bias"
