"""Pages of the docs that tools write from a report."""

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = {
    "osie-scanpaths": "scanpath_page",
    "area-calibration": "area_page",
}
"""The module in tools that writes each."""


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.usefixtures("tools")
def test_pages_say_what_their_reports_hold(name):
    report = ROOT / "docs" / "reports" / f"{name}.json"
    content = json.loads(report.read_text()) if report.exists() else {}
    expected = importlib.import_module(PAGES[name]).page(content)
    assert (ROOT / "docs" / f"{name}.md").read_text() == expected


@pytest.mark.usefixtures("tools")
def test_parts_test_every_image_by_models_of_other_images(osie_root):
    from foregaze.data import load_dataset

    osie_parts = importlib.import_module("osie_parts")
    dataset = load_dataset("osie", osie_root)
    parts = osie_parts.fold_parts(dataset)
    assert sorted(i for part in parts for i in part.test) == list(range(len(dataset)))
    split = osie_parts.split_part(dataset)
    assert len(split.test) == 58
    for part in (*parts, split):
        assert not set(part.test) & set(part.training)
        assert len(part.test) + len(part.training) == len(dataset)


@pytest.mark.usefixtures("tools")
def test_missing_models_are_told_with_the_commands_that_make_them(tmp_path):
    osie_parts = importlib.import_module("osie_parts")
    there = tmp_path / "toy" / "fold-0" / "model.safetensors"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"model")
    models = [there, tmp_path / "toy" / "fold-1" / "model.safetensors"]
    message = osie_parts.missing_runs(models, {"toy": "toy"}, Path("osie"))
    assert "has no model of fold-1; make it with" in message
    assert "foregaze train configs/toy.yaml --set data.root=osie" in message
    assert osie_parts.missing_runs([there], {"toy": "toy"}, Path("osie")) == ""


@pytest.mark.usefixtures("tools")
def test_what_another_model_made_is_not_kept(tmp_path):
    kept = importlib.import_module("area_calibration").Kept
    path = tmp_path / "fold-0.jsonl"
    first = kept(path, '"a"')
    first.add({"image": "1"})
    first.add({"image": "2"})
    path.write_text(path.read_text() + '{"image": "3')  # cut off
    assert [record["image"] for record in kept(path, '"a"').records] == ["1", "2"]
    assert path.read_text().splitlines()[1:] == ['{"image": "1"}', '{"image": "2"}']
    assert kept(path, '"b"').records == []
