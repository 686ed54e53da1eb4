import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from foregaze.errors import OutputError
from foregaze.evaluation.comparison import compare, read_comparison
from foregaze.reports.examples import make_examples
from foregaze.reports.write import example_images, write_report


@pytest.fixture(scope="module")
def folder(evaluated, tmp_path_factory):
    comparison, models, references = evaluated
    target = tmp_path_factory.mktemp("reports") / "made" / "here"
    examples = make_examples(example_images(comparison), models, references)
    write_report(comparison, target, examples)
    return target


def test_all_files_of_the_report_are_there_and_nothing_else(folder):
    examples = {f"examples-{number}.png" for number in range(3)}
    assert {path.name for path in folder.iterdir()} == {
        "report.json",
        "report.md",
        "report.html",
        "models.png",
        "gains.png",
        "calibration.png",
        *examples,
    }


def test_numbers_in_json_are_the_comparison(folder, evaluated):
    assert read_comparison(folder / "report.json") == evaluated[0]
    content = json.loads((folder / "report.json").read_text())
    assert content["models"][0]["model"] == "centerbias"


def test_markdown_links_only_files_that_exist(folder):
    text = (folder / "report.md").read_text()
    linked = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)
    assert linked
    assert all((folder / file).is_file() for file in linked)


def test_markdown_tables_keep_their_columns_whatever_a_model_is_called(folder):
    lines = (folder / "report.md").read_text().splitlines()
    row = next(line for line in lines if line.startswith("| slope"))
    head = next(line for line in lines if line.startswith("| model"))
    assert row.startswith(r"| slope \| <b> |")
    assert len(re.findall(r"(?<!\\)\|", row)) == len(re.findall(r"(?<!\\)\|", head))


def test_html_is_one_page_that_needs_no_other_file(folder):
    class Sources(HTMLParser):
        def __init__(self):
            super().__init__()
            self.found, self.open_tags = [], []

        def handle_starttag(self, tag, attributes):
            self.found += [value for name, value in attributes if name in ("src", "href")]
            if tag not in ("meta", "img"):
                self.open_tags.append(tag)

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag

    text = (folder / "report.html").read_text()
    page = Sources()
    page.feed(text)
    assert page.open_tags == []
    assert len(page.found) == 6
    assert all(source.startswith("data:image/png;base64,") for source in page.found)
    assert "slope | &lt;b&gt;" in text


def test_every_number_of_the_terminal_is_in_the_page(folder, evaluated):
    text = (folder / "report.html").read_text()
    for report in evaluated[0].reports:
        for name, metric in report.metrics.items():
            if metric.mean is not None and name != "IGE":
                assert f"{metric.mean:z.3f}" in text


def test_what_a_model_lacks_is_explained(folder):
    text = (folder / "report.md").read_text()
    assert "slope | <b> has no LL, IG, IGE: slope | <b> gives saliency maps, not densities." in text
    assert "uniform has no NSS: image 0.png: NSS is not defined for a constant map" in text


def test_categories_have_rows(folder):
    assert "| in (4) | centerbias |" in (folder / "report.md").read_text()


def test_figures_are_pictures(folder):
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            assert np.ptp(np.asarray(image.convert("L"))) > 100


def test_best_and_worst_images_are_those_of_the_largest_and_smallest_gain(evaluated):
    comparison, _, _ = evaluated
    chosen = example_images(comparison)["joint-bound"]
    report = comparison.reports[1]
    gains = dict(zip(report.evidence.image_names, report.per_image["IG"], strict=True))
    assert chosen[0][0] == max(gains, key=gains.get)
    assert chosen[-1][0] == min(gains, key=gains.get)


def test_one_model_has_a_report_too(evaluated, tmp_path):
    comparison, _, _ = evaluated
    write_report(compare(comparison.reports[1:2]), tmp_path, {})
    text = (tmp_path / "report.md").read_text()
    assert "## Differences" not in text
    assert not (tmp_path / "models.png").exists()


def test_a_report_below_a_file_is_an_output_error(evaluated, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        write_report(evaluated[0], tmp_path / "file" / "report", {})
