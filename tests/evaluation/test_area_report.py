import csv
import io
import json

import pytest

from foregaze.data.areas import rectangle_area
from foregaze.errors import DataError
from foregaze.evaluation.areas import look_at_areas
from tests.scanpath_metrics.scanpaths import SIZE, path

LEFT = rectangle_area("left", 0, 0, 40, 60, SIZE)
RIGHT = rectangle_area("right", 40, 0, 40, 60, SIZE)
PEOPLE = [path((10, 10, 100), (60, 10, 300)), path((10, 10, 200))]
MODEL = [path((60, 10, 200), (10, 10, 200)), path((60, 10, 400))]


def report(viewings=PEOPLE, areas=(LEFT, RIGHT), **options):
    options = {"seconds": 0.4} | options
    return look_at_areas(viewings, list(areas), SIZE, **options)


def test_the_table_has_percents_and_intervals():
    lines = report(source="recorded", name="osie", image="a.jpg").table().splitlines()
    assert lines[0] == "a.jpg, within 0.4 s; 2 viewings: recorded (osie)"
    assert lines[1].split("  ")[0] == "area"
    cells = [cell.strip() for cell in lines[2].split("  ") if cell.strip()]
    assert cells[:4] == ["left", "100 [34, 100]", "0 [0, 0]", "1.0 [1.0, 1.0]"]
    cells = [cell.strip() for cell in lines[3].split("  ") if cell.strip()]
    assert cells[:4] == ["right", "50 [9, 91]", "100", "2.0"]
    assert lines[6].startswith("left or right      100 [34, 100]  0 [0, 66]")
    assert lines[-1] == (
        "recorded (osie): 1 of 2 viewings end within 0.4 s; what would have been seen later does "
        "not count. The clock counts fixations alone: with saccade_ms it counts the time between "
        "them too"
    )


def test_reports_stand_side_by_side():
    both = report(MODEL, source="model", image="a.jpg").beside(report(source="recorded"))
    assert both.image == "a.jpg"
    assert [s.source for s in both.sources] == ["model", "recorded"]
    rows = both.looks_table()
    assert [row[:3] for row in rows] == [
        ["area", "source", "seen, %"],
        ["left", "model", "50 [9, 91]"],
        ["left", "recorded", "100 [34, 100]"],
        ["right", "model", "100 [34, 100]"],
        ["right", "recorded", "50 [9, 91]"],
    ]
    assert [row[:3] for row in both.orders_table()[1:]] == [
        ["left or right", "model", "0 [0, 66]"],
        ["left or right", "recorded", "100 [34, 100]"],
    ]


def test_reports_on_other_areas_or_horizons_do_not():
    with pytest.raises(DataError, match="reports on different areas cannot stand side by side"):
        report().beside(report(areas=[LEFT]))
    with pytest.raises(DataError, match="reports with different horizons cannot stand side by"):
        report().beside(report(seconds=0.5))


def test_json_holds_everything(tmp_path):
    both = report(MODEL, source="model").beside(report(source="recorded", name="osie"))
    both.save(tmp_path / "new" / "a.json")
    content = json.loads((tmp_path / "new" / "a.json").read_text())
    assert (content["width"], content["height"]) == (80, 60)
    assert (content["seconds"], content["fixations"], content["saccade_ms"]) == (0.4, None, 0)
    assert content["areas"] == [{"name": n, "area_px": 2400} for n in ("left", "right")]
    model, recorded = content["sources"]
    assert (recorded["source"], recorded["name"], recorded["viewings"]) == ("recorded", "osie", 2)
    assert [area["name"] for area in model["areas"]] == ["left", "right"]
    assert model["areas"][0]["first_ms"] == {"value": 200, "ci95": None}
    assert len(model["areas"][0]["seen_by"]) == len(model["moments"]) == 60
    assert model["areas"][1]["ranks"][0]["value"] == 1
    (order,) = recorded["orders"]
    assert (order["first"], order["second"], order["before"]["value"]) == ("left", "right", 1)


def test_csv_has_a_row_for_each_area_and_source(tmp_path):
    both = report(MODEL, source="model").beside(report(source="recorded"))
    both.save_csv(tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_text()
    assert text == both.to_csv()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["area"], row["source"]) for row in rows] == [
        ("left", "model"),
        ("left", "recorded"),
        ("right", "model"),
        ("right", "recorded"),
    ]
    assert (rows[3]["seen"], rows[3]["first_ms"], rows[3]["first_ms_low"]) == ("0.5", "100.0", "")
    low, high = both.sources[1].looks[1].seen.ci95
    assert (float(rows[3]["seen_low"]), float(rows[3]["seen_high"])) == (low, high)
    assert float(rows[1]["seen_first"]) == 1


def test_absent_columns_have_a_reason():
    blind = report([path((10, 10), (60, 10))], seconds=None, fixations=2, source="model")
    assert blind.notes() == [
        "model: no first_ms, dwell_ms: durations of fixations are not known in 1 of 1 viewings"
    ]
    assert blind.looks_table()[1] == ["left", "100", "-", "1.0", "1.00", "-", "100"]


def test_orders_are_shown_for_few_areas_only():
    strips = [rectangle_area(f"{k}", 10 * k, 0, 10, 60, SIZE) for k in range(6)]
    assert len(report(areas=strips[:5]).orders_table()) == 11
    assert report(areas=strips).orders_table() == []
    assert len(report(areas=strips).sources[0].orders) == 15
    assert report(areas=strips[:1]).orders_table() == []


def test_the_horizon_is_said_in_words():
    assert report(seconds=3.0).horizon.words == "3 s"
    assert report(seconds=None, fixations=1).horizon.words == "1 fixation"
    assert report(seconds=None, fixations=8).horizon.words == "8 fixations"
