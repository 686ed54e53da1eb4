import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from foregaze.segmentation import SegmentStore, make_segmenter

SIZE = (60, 80)  # of the images in conftest.py
TOY = [
    *("--method", "kmeans"),
    *("--set", "backbone=tf_efficientnet_lite0", "--set", "weights=random:0", "--set", "stage=2"),
    *("--set", "input_size=[96, 128]"),
]
NAMES = ["photo-ids.png", "photo-segments.png", "photo-segments.json"]


def ids_in(path):
    with Image.open(path) as picture:
        return picture.mode, np.asarray(picture)


def test_ids_a_picture_and_how_they_came_about_are_written(run, photo, tmp_path):
    outcome = run("segment", photo, "--method", "slic", "--segments", "5")
    assert outcome.code == 0
    assert outcome.out.splitlines() == [f"foregaze-output/{name}" for name in NAMES]
    folder = tmp_path / "foregaze-output"
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    with Image.open(photo) as image:
        pixels = np.asarray(image)
    segmenter = make_segmenter("slic", segments=5)
    mode, ids = ids_in(folder / NAMES[0])
    assert mode == "L"
    np.testing.assert_array_equal(ids, segmenter.segments(pixels))
    with Image.open(folder / NAMES[1]) as picture:
        assert picture.width > picture.height > 300
    said = json.loads((folder / NAMES[2]).read_text())
    assert said["image"] == "photo.png"
    assert said["provenance"] == segmenter.provenance(pixels)
    assert [one["id"] for one in said["segments"]] == list(range(ids.max() + 1))
    assert sum(one["area_px"] for one in said["segments"]) == 60 * 80
    assert said["segments"][0]["area_share"] == pytest.approx((ids == 0).mean(), abs=1e-6)


def test_arrays_are_written_where_they_are_asked_for(run, photo, tmp_path):
    run("segment", photo, "--method", "slic", "--format", "npy", "--output", "out")
    run("segment", photo, "--method", "slic", "--output", "out2")
    array = np.load(tmp_path / "out" / "photo-ids.npy")
    assert array.dtype == np.int32
    np.testing.assert_array_equal(array, ids_in(tmp_path / "out2" / "photo-ids.png")[1])


def test_settings_reach_the_method(run, photo, tmp_path):
    run("segment", photo, *TOY, "--segments", "3", "--set", "finer=1")
    said = json.loads((tmp_path / "foregaze-output" / NAMES[2]).read_text())["provenance"]
    settings = said["settings"]
    assert (settings["segments"], settings["finer"], settings["input_size"]) == (3, 1, [96, 128])
    error = run("segment", photo, *TOY, "--segments", "3", "--set", "segments=4").error()
    assert "--segments says how many there are already" in error


def test_a_picture_of_affinity_marks_the_patch(run, photo, tmp_path, monkeypatch):
    from foregaze.cli import segment_batch

    asked = []
    draw = segment_batch.draw_affinity

    def keep(image, affinity, patch, title):
        asked.append((affinity, patch))
        return draw(image, affinity, patch, title)

    monkeypatch.setattr(segment_batch, "draw_affinity", keep)
    outcome = run("segment", photo, *TOY, "--affinity", "79.5,0")
    assert outcome.out.splitlines()[-1] == "foregaze-output/photo-affinity.png"
    assert (tmp_path / "foregaze-output" / "photo-affinity.png").stat().st_size > 1000
    ((affinity, patch),) = asked
    assert patch == (0, affinity.shape[1] - 1)
    assert affinity[patch] == pytest.approx(1)


@pytest.mark.parametrize("point", ["80,5", "5,60", "-1,5", "nan,5"])
def test_points_outside_are_refused(run, photo, point, tmp_path):
    error = run("segment", photo, *TOY, f"--affinity={point}").error()
    assert "is asked for, outside the image's 80x60 pixels" in error
    assert not (tmp_path / "foregaze-output").exists()


def test_points_that_are_none_are_refused(run, photo):
    assert "'5', expected X,Y in pixels" in run("segment", photo, "--affinity", "5").error()
    options = ("--method", "slic", "--affinity", "5,5")
    assert "which slic has none of; give --method kmeans" in run("segment", photo, *options).error()


def write_map(folder, name, ids):
    folder.mkdir(exist_ok=True)
    np.save(folder / name, ids)


def test_large_ids_take_sixteen_bits_or_an_array(run, photo, tmp_path):
    ids = np.arange(60 * 80).reshape(SIZE) // 10
    write_map(tmp_path / "maps", "photo.npy", ids)
    maps = ("--method", "maps", "--set", "folder=maps")
    run("segment", photo, *maps)
    mode, found = ids_in(tmp_path / "foregaze-output" / "photo-ids.png")
    assert mode == "I;16"
    np.testing.assert_array_equal(found, ids)
    write_map(tmp_path / "maps", "photo.npy", ids * 1000)
    error = run("segment", photo, *maps, "--output", "out").error()
    assert "a segment has the id 479000, and PNG files hold up to 65535; give --format npy" in error
    assert not (tmp_path / "out").exists()
    run("segment", photo, *maps, "--output", "out", "--format", "npy")
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "photo-ids.npy"), ids * 1000)


def test_what_was_written_can_be_read_again(run, photo, tmp_path):
    run("segment", photo, "--method", "slic")
    maps = ("--method", "maps", "--set", "folder=foregaze-output", "--set", "ending=-ids")
    assert run("segment", photo, *maps, "--output", "again").code == 0
    first, again = (ids_in(tmp_path / d / NAMES[0])[1] for d in ("foregaze-output", "again"))
    np.testing.assert_array_equal(first, again)


def test_segments_are_kept_in_a_store(run, photo, tmp_path, monkeypatch):
    options = ("--method", "slic", "--store", "store")
    run("segment", photo, *options)
    monkeypatch.setattr("foregaze.segmentation.slic.slic", None)  # is not asked again
    assert run("segment", photo, *options, "--overwrite").code == 0
    store = SegmentStore(tmp_path / "store")
    (key,) = store.keys()
    assert store.provenance(key)["method"] == "slic"
    (tmp_path / "file").touch()
    error = run("segment", photo, "--method", "slic", "--output", "o", "--store", "file").error()
    assert "file: is not a folder" in error


def test_earlier_results_stay(run, photo, tmp_path):
    run("segment", photo, "--method", "slic")
    error = run("segment", photo, "--method", "felzenszwalb").error()
    assert "photo-ids.png: exists already, and so do 2 more results" in error
    said = tmp_path / "foregaze-output" / NAMES[2]
    assert '"slic"' in said.read_text()
    run("segment", photo, "--method", "felzenszwalb", "--overwrite")
    assert '"felzenszwalb"' in said.read_text()


def test_a_batch_goes_on_after_images_without_a_map(run, save_image, tmp_path):
    for name in ("a.png", "b.png"):
        save_image(tmp_path / "photos" / name)
    write_map(tmp_path / "maps", "b.npy", np.zeros(SIZE, int))
    outcome = run("segment", "photos", "--method", "maps", "--set", "folder=maps")
    assert outcome.code == 1
    assert "skipped: image 'a.png' has no segment map; expected maps/a.npy or" in outcome.err
    assert len(list((tmp_path / "foregaze-output").iterdir())) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "sam"], "unknown segmenter 'sam'; known: felzenszwalb"),
        (["--method", "slic", "--set", "color=3"], "slic: unknown key 'color'; known here: compac"),
        (["--set", "stage"], "--set 'stage': expected key=value"),
        (["--segments", "0"], "--segments': Input should be greater than or equal to 1"),
        (["--format", "gif"], "png"),
        (["--method", "maps", "--set", "folder=nowhere"], "nowhere: no such folder"),
        (["--method", "maps"], "maps: key 'folder' is missing"),
        (["--method", "segment-anything", "--set", "model=a/b/c"], "a/b/c: no such folder; expec"),
    ],
)
def test_bad_options_are_refused_in_a_line(run, photo, options, message, tmp_path):
    assert message in run("segment", photo, *options).error()
    assert not (tmp_path / "foregaze-output").exists()


def test_a_result_that_cannot_be_written_leaves_nothing(run, photo, tmp_path, monkeypatch):
    from foregaze.cli import segment_batch

    def fail(figure, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(segment_batch, "save_figure", fail)
    error = run("segment", photo, "--method", "slic").error()
    assert "cannot write photo-ids.png, photo-segments.png, photo-segments.json (No space" in error
    assert not (tmp_path / "foregaze-output").exists()


def test_help_needs_no_network_of_neurons():
    code = (
        "import sys; from foregaze.cli.main import main\n"
        "try: main(['segment', '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'transformers', 'skimage'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
