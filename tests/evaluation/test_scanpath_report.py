import json
from dataclasses import replace

import pytest

from foregaze.errors import DataError, OutputError
from foregaze.evaluation.scanpath_report import (
    ScanpathReport,
    difference,
    read_scanpath_report,
    summarize_columns,
)
from foregaze.evaluation.scanpaths import compare_scanpaths, scanpaths_by_image
from tests.evaluation.conftest import make_dataset


@pytest.fixture(scope="module")
def report() -> ScanpathReport:
    dataset = make_dataset()
    return compare_scanpaths(scanpaths_by_image(dataset.fixations), dataset, model_name="copycat")


def test_a_report_survives_its_file(report, tmp_path):
    path = tmp_path / "new" / "report.json"
    report.save(path)
    assert read_scanpath_report(path) == report
    assert [p.name for p in path.parent.iterdir()] == ["report.json"]
    content = json.loads(path.read_text())
    assert content["metrics"]["SED"]["human"]["mean"] == report.metrics["SED"].human.mean
    assert content["per_image"]["image"] == ["0.png", "1.png", "2.png", "3.png"]


def test_a_file_that_is_no_report_is_refused(tmp_path):
    path = tmp_path / "report.json"
    for text in ("{", "{}", "[]"):
        path.write_text(text)
        with pytest.raises(DataError, match="is no scanpath report of foregaze"):
            read_scanpath_report(path)


def test_a_place_that_cannot_be_written_to_is_an_error(report, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        report.save(tmp_path / "file" / "report.json")


def test_the_table_has_every_metric_and_says_what_is_missing(report):
    lines = report.table().splitlines()
    assert lines[0] == "copycat on toy: 4 images, 12 generated and 12 human scanpaths"
    titles = "model human difference 95% interval model best human best KL (nats)"
    assert " ".join(lines[1].split()) == titles
    assert [line.split()[0] for line in lines[2 : 2 + len(report.metrics)]] == list(report.metrics)
    rec = next(line for line in lines if line.startswith("REC"))
    assert rec.split() == ["REC", *"-------"]
    assert "lower is better: SED, DTW_px" in lines
    assert "SequenceScore, REC, DET, LAM: toy does not say how many pixels make a degree" in lines


def test_skipped_images_are_in_the_heading(report):
    heading = replace(report, skipped_images=3).table().splitlines()[0]
    assert "4 images (3 with fewer than two human scanpaths skipped)" in heading


def test_a_missing_value_leaves_no_mean_and_no_difference():
    found = summarize_columns({"whole": [1.0, 2.0], "part": [1.0, None], "empty": []})
    assert found["whole"].mean == 1.5
    for name in ("part", "empty"):
        assert (found[name].mean, found[name].ci95) == (None, None)
    assert difference([3.0, None, 1.0], [1.0, 1.0, None]) == [2.0, None, None]
