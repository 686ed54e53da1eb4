import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from foregaze.errors import ConfigError
from foregaze.inference import zoo
from foregaze.scanpath_metrics import Scanpath
from foregaze.viz import areas as viz_areas

SIZE = (60, 80)  # of the images in conftest.py
BOXES = [("left", 0, 0, 40, 60), ("right", 40, 0, 40, 60)]


class FakePredictor:
    """Looks to the left, and half of the time to the right 250 ms later."""

    name = "fake"
    sees_history = True

    def __init__(self):
        self.asked = []

    def sample_viewings(self, image, n=100, *, length=None, seconds=None, seed=None):
        self.asked.append((image.shape, n, length, seconds, seed))
        x = [np.array([10.0, (60.0, 20.0)[k % 2], 10.0]) for k in range(n)]
        return [Scanpath(row, np.full(3, 30.0), np.full(3, 250.0)) for row in x]


@pytest.fixture
def fake(monkeypatch):
    """In place of any model; `fake.loaded` is what it was loaded as."""
    predictor = FakePredictor()

    def load(name, **options):
        predictor.loaded = (name, options)
        return predictor

    monkeypatch.setattr(zoo, "load_model", load)
    return predictor


def write_boxes(path, boxes=BOXES):
    rows = ["name,x,y,width,height", *(",".join(map(str, box)) for box in boxes)]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def boxes(tmp_path):
    return write_boxes(tmp_path / "boxes.csv")


def test_a_table_is_printed_and_results_are_written(run, photo, boxes, fake, tmp_path):
    outcome = run("areas", photo, "--areas", boxes, "--seconds", "0.7", "--scanpaths", "100")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0] == "photo.png, within 0.7 s; 100 viewings: model (fake)"
    assert lines[2].startswith("left   100 [96, 100]  0 [0, 0]")
    assert lines[3].startswith("right  50 [40, 60]    250 [250, 250]")
    names = [f"photo-areas.{ending}" for ending in ("json", "csv", "png")]
    assert lines[-3:] == [f"foregaze-output/{name}" for name in names]
    folder = tmp_path / "foregaze-output"
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    report = json.loads((folder / names[0]).read_text())
    assert (report["image"], report["seconds"]) == ("photo.png", 0.7)
    assert report["sources"][0]["areas"][1]["seen"]["value"] == 0.5
    with (folder / names[1]).open(newline="") as file:
        assert [row["seen"] for row in csv.DictReader(file)] == ["1.0", "0.5"]
    with Image.open(folder / names[2]) as picture:
        assert picture.width > picture.height > 100


def test_options_reach_the_model(run, photo, boxes, fake):
    run("areas", photo, "--areas", boxes, "--fixations", "3")
    assert fake.loaded == ("default-scanpath", {"checkpoint": None, "device": "auto"})
    options = ("--model", "m", "--checkpoint", "c", "--device", "cpu", "--scanpaths", "7")
    run("areas", photo, "--areas", boxes, "--seconds", "2", "--seed", "5", "--overwrite", *options)
    assert fake.loaded == ("m", {"checkpoint": "c", "device": "cpu"})
    assert fake.asked == [((*SIZE, 3), 1000, 3, None, 0), ((*SIZE, 3), 7, None, 2.0, 5)]


def test_saccades_take_time(run, photo, boxes, fake):
    outcome = run(
        *("areas", photo, "--areas", boxes, "--seconds", "0.7", "--saccade-ms", "100"),
        *("--scanpaths", "10"),
    )
    assert "right  50 [24, 76]    350 [350, 350]" in outcome.out


def test_viewings_that_end_early_are_told_of(run, photo, boxes, fake):
    error = run("areas", photo, "--areas", boxes, "--seconds", "2", "--scanpaths", "5").err
    assert error.startswith("foregaze: model (fake): 5 of 5 viewings end within 2 s")


def test_a_model_that_forgets_is_told_of(run, photo, boxes, fake, monkeypatch):
    monkeypatch.setattr(FakePredictor, "sees_history", False)
    error = run("areas", photo, "--areas", boxes, "--fixations", "3").err
    assert "model 'fake' does not use earlier fixations: those of a viewing are drawn" in error


def test_what_is_cut_off_is_told_of(run, photo, fake, tmp_path):
    boxes = write_boxes(tmp_path / "b.csv", [("edge", -10, 0, 20, 60)])
    outcome = run("areas", photo, "--areas", boxes, "--fixations", "3")
    assert outcome.err == "foregaze: cut off where they leave the image: 'edge' (50%)\n"


def test_segment_maps_have_a_background(run, photo, fake, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(80 * 60).reshape(SIZE) % 80 // 40)
    options = ("--fixations", "3", "--scanpaths", "4", "--background", "1")
    out = run("areas", photo, "--areas", tmp_path / "a.npy", *options).out
    assert "\nsegment 0  100 [51, 100]" in out
    assert "segment 1" not in out


def test_pictures_of_segments_have_their_ids(run, photo, boxes, fake, tmp_path, monkeypatch):
    given = []
    draw = viz_areas.draw_areas

    def draw_areas(image, areas, *rest, **options):
        given.append([area.number for area in areas])
        return draw(image, areas, *rest, **options)

    monkeypatch.setattr(viz_areas, "draw_areas", draw_areas)
    np.save(tmp_path / "a.npy", np.arange(80 * 60).reshape(SIZE) % 80 // 40 * 7)
    for areas in (tmp_path / "a.npy", boxes):
        run("areas", photo, "--areas", areas, "--fixations", "3", "--overwrite")
    assert given == [[0, 7], [None, None]]


def test_a_model_of_ours_serves_fixations(run, photo, boxes, tiny_checkpoint):
    outcome = run(
        *("areas", photo, "--areas", boxes, "--fixations", "4", "--model", tiny_checkpoint),
        *("--scanpaths", "20"),
    )
    assert outcome.code == 0
    assert "no first_ms, dwell_ms: durations of fixations are not known in 20 of" in outcome.err


def test_a_model_without_durations_refuses_seconds(run, photo, boxes, fake, monkeypatch):
    def refuse(self, image, n, **options):
        raise ConfigError("this model has no durations")

    monkeypatch.setattr(FakePredictor, "sample_viewings", refuse)
    error = run("areas", photo, "--areas", boxes, "--seconds", "3").error()
    assert error == "foregaze: error: this model has no durations\n"


def test_recorded_fixations_stand_beside_the_model(run, boxes, fake, osie_root, tmp_path):
    image = osie_root / "stimuli" / "1002.jpg"
    outcome = run(
        *("areas", image, "--areas", boxes, "--seconds", "1", "--scanpaths", "10"),
        *("--observers", f"osie={osie_root}"),
    )
    assert outcome.code == 0
    assert "10 viewings: model (fake), 15 viewings: recorded (osie)" in outcome.out
    assert [line.split()[:2] for line in outcome.out.splitlines()[2:6]] == [
        ["left", "model"],
        ["left", "recorded"],
        ["right", "model"],
        ["right", "recorded"],
    ]
    content = json.loads((tmp_path / "foregaze-output" / "1002-areas.json").read_text())
    assert [source["source"] for source in content["sources"]] == ["model", "recorded"]
    assert content["sources"][1]["viewings"] == 15


@pytest.mark.parametrize(
    ("recorded", "message"),
    [
        ("osie", "'osie', expected NAME=DIR, such as osie=/data/osie"),
        ("osy={root}", "unknown data set 'osy'; known: cat2000"),
        ("osie=nowhere", "nowhere/stimuli: no such folder"),
        ("osie={root}", "photo.png: osie has no image of this name"),
    ],
)
def test_recordings_that_are_not_there_are_refused(
    run, photo, boxes, fake, osie_root, recorded, message
):
    recorded = recorded.format(root=osie_root)
    options = ("--fixations", "3", "--observers", recorded)
    assert message in run("areas", photo, "--areas", boxes, *options).error()


def test_recordings_on_a_version_of_another_size_are_refused(
    run, save_image, fake, osie_root, tmp_path
):
    image = save_image(tmp_path / "1001.jpg", (120, 160))
    options = ("--fixations", "3", "--observers", f"osie={osie_root}")
    boxes = write_boxes(tmp_path / "b.csv")
    error = run("areas", image, "--areas", boxes, *options).error()
    assert "1001.jpg: has 160 x 120 pixels, but 80 x 60 in osie" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give one of --seconds and --fixations, such as --seconds 3; there is neither"),
        (["--seconds", "3", "--fixations", "3"], "give one of --seconds and --fixations"),
        (["--seconds", "0"], "seconds is 0, expected a positive number such as 3"),
        (["--seconds", "-2"], "seconds is -2, expected a positive number"),
        (["--seconds", "nan"], "seconds is nan, expected a positive number"),
        (["--seconds", "inf"], "seconds is inf, expected a positive number"),
        (["--fixations", "0"], "--fixations"),
        (["--fixations", "2.5"], "--fixations"),
        (["--fixations", "3", "--scanpaths", "0"], "--scanpaths"),
        (["--fixations", "3", "--scanpaths", "999999"], "make about 2,999,997 fixations; the li"),
        (["--seconds", "601"], "601, expected at most 600"),
        (["--seconds", "600", "--scanpaths", "1000"], "the limit is 1,000,000"),
        (["--seconds", "3", "--saccade-ms", "-1"], "saccade_ms is -1, expected a number from 0"),
        (["--fixations", "3", "--background", "0"], "a background is an id of segment maps"),
    ],
)
def test_wrong_options_are_refused(run, photo, boxes, fake, tmp_path, options, message):
    assert message in run("areas", photo, "--areas", boxes, *options).error()
    assert not fake.asked
    assert not (tmp_path / "foregaze-output").exists()


def test_wrong_inputs_are_refused_before_a_model_is_loaded(run, photo, boxes, tmp_path):
    options = ("--fixations", "3", "--model", "defualt")
    assert "none.csv: no such file" in run("areas", photo, "--areas", "none.csv", *options).error()
    assert "none.jpg: no such" in run("areas", "none.jpg", "--areas", boxes, *options).error()
    error = run("areas", photo.parent, "--areas", boxes, *options).error()
    assert "is a folder, expected an image file" in error
    assert "unknown model 'defualt'" in run("areas", photo, "--areas", boxes, *options).error()
    assert not (tmp_path / "foregaze-output").exists()


def test_results_are_replaced_on_demand_and_inputs_never(run, photo, fake, tmp_path):
    output = tmp_path / "foregaze-output"
    output.mkdir()
    boxes = write_boxes(output / "photo-areas.csv")
    options = ("--fixations", "3")
    error = run("areas", photo, "--areas", boxes, *options, "--overwrite").error()
    assert "the result would replace the input" in error
    other = write_boxes(tmp_path / "boxes.csv")
    error = run("areas", photo, "--areas", other, *options).error()
    assert "photo-areas.csv: exists already; give another --output, or --overwrite" in error
    assert run("areas", photo, "--areas", other, *options, "--overwrite").code == 0


def test_a_failed_picture_leaves_nothing(run, photo, boxes, fake, tmp_path, monkeypatch):
    from foregaze import viz

    def fill_disk(figure, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(viz, "save_figure", fill_disk)
    error = run("areas", photo, "--areas", boxes, "--fixations", "3").error()
    assert "(No space left on device)" in error
    assert not (tmp_path / "foregaze-output").exists()


def test_the_command_line_waits_for_neither_torch_nor_shapely():
    code = "import sys, foregaze.cli.areas\n"
    code += "sys.exit(bool({'torch', 'numpy', 'shapely', 'matplotlib'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
