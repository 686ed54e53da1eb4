import csv
import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

import foregaze
from foregaze.backbones.downloads import cached_download
from tests.inference.toy_deepgaze import save_toy

SIZE = (60, 80)  # of the images in conftest.py


def read_table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_picture_is_written_by_default(predict, photo, tmp_path):
    outcome = predict(photo)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "foregaze-output/photo.png\n"
    assert names_in(tmp_path / "foregaze-output") == ["photo.png"]
    with Image.open(tmp_path / "foregaze-output" / "photo.png") as picture:
        assert picture.width > picture.height > 100


def test_all_formats_are_written_on_demand(predict, photo, tmp_path, tiny_checkpoint):
    outcome = predict(
        *(photo, "--output", "a/b", "--format", "npy", "--format", "png", "--format", "csv"),
        *("--fixations", "5", "--seed", "3"),
    )
    assert outcome.out == "a/b/photo.npy\na/b/photo.png\na/b/photo.csv\n"
    log_density = np.load(tmp_path / "a" / "b" / "photo.npy")
    assert (log_density.dtype, log_density.shape) == (np.float32, SIZE)
    expected = foregaze.load_model(str(tiny_checkpoint)).predict(photo)
    np.testing.assert_array_equal(log_density, expected.log_density)
    rows = read_table(tmp_path / "a" / "b" / "photo.csv")
    assert [row["fixation"] for row in rows] == ["0", "1", "2", "3", "4"]
    points = np.array([[float(row["x"]), float(row["y"])] for row in rows])
    np.testing.assert_allclose(points, expected.sample(5, seed=3), atol=1e-3)


def test_a_hundred_fixations_are_sampled_by_default(predict, photo, tmp_path):
    predict(photo, "--format", "csv")
    rows = read_table(tmp_path / "foregaze-output" / "photo.csv")
    assert len(rows) == 100
    assert list(rows[0]) == ["fixation", "x", "y"]


def test_an_unknown_model_is_refused(predict, photo, tmp_path):
    error = predict(photo, model="defualt").error()
    assert "unknown model 'defualt'; known: " in error
    assert not (tmp_path / "foregaze-output").exists()


def test_a_missing_checkpoint_is_refused(predict, photo):
    error = predict(photo, "--checkpoint", "none.safetensors", model="default").error()
    assert "none.safetensors: no such" in error


def test_a_checkpoint_takes_the_place_of_a_models_weights(predict, photo, tiny_checkpoint, drawn):
    assert predict(photo, "--checkpoint", tiny_checkpoint, model="default").code == 0


def test_an_unknown_device_is_refused(predict, photo):
    assert "device 'gpu' is not available here" in predict(photo, "--device", "gpu").error()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fixations", "0"], "--fixations"),
        (["--fixations", "-3"], "--fixations"),
        (["--fixations", "many"], "--fixations"),
        (["--fixations", "1000001"], "1,000,001 fixations on each image; the limit is 1,000,000"),
        (["--scanpaths", "0"], "--scanpaths"),
        (["--scanpaths", "100000", "--length", "100"], "10,000,000 fixations on each image"),
        (["--scanpaths", "2", "--length", "-1"], "--length"),
        (["--scanpaths", "2", "--fixations", "2"], "with --scanpaths, give --length instead"),
        (["--length", "2"], "it goes with --scanpaths"),
        (["--seconds", "2"], "it goes with --scanpaths"),
        (["--scanpaths", "2", "--seconds", "2", "--length", "2"], "--seconds, leave out --length"),
        (["--scanpaths", "2", "--seconds", "0"], "0, expected a number above 0 and at most 600"),
        (["--scanpaths", "2", "--seconds", "-3"], "-3, expected a number above 0"),
        (["--scanpaths", "2", "--seconds", "nan"], "nan, expected a number above 0"),
        (["--scanpaths", "2", "--seconds", "601"], "601, expected a number above 0"),
        (["--scanpaths", "100000", "--seconds", "3"], "1,500,000 fixations on each image"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_wrong_counts_are_refused(predict, photo, options, message):
    assert message in predict(photo, *options).error()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pixels-per-degree", "-35"], "-35, expected a positive number such as 35"),
        (["--pixels-per-degree", "0"], "0, expected a positive number"),
        (["--pixels-per-degree", "nan"], "nan, expected a positive number"),
        (["--pixels-per-degree", "inf"], "inf, expected a positive number"),
        (["--history", "5"], "'5', expected X,Y in pixels, such as 400,300"),
        (["--history", "5,6,7"], "'5,6,7', expected X,Y"),
        (["--history", "5,x"], "'5,x', expected X,Y"),
        (["--history", "5,6", "--history", "none"], "'none', expected X,Y"),
        (["--history", "5,6"], "does not use past fixations: leave out --history"),
        (["--viewers", "MIT1003"], "has no parameters for data sets"),
        (["--precision", "half"], "unknown precision 'half'; known: bfloat16, float16, float32"),
        (
            ["--precision", "bfloat16"],
            "precision, compiled and networks are for DeepGaze models, not for",
        ),
        (["--compile"], "precision, compiled and networks are for DeepGaze models, not for"),
        (["--centerbias", "osy=/data"], "unknown data set 'osy'; known: cat2000"),
        (["--centerbias", "osie=nowhere"], "nowhere/stimuli: no such folder"),
        (["--centerbias", "unifrom"], "expected FILE.npy, uniform, mit1003 or NAME=DIR"),
    ],
)
def test_wrong_views_are_refused(predict, photo, tmp_path, options, message):
    assert message in predict(photo, *options).error()
    assert not (tmp_path / "foregaze-output").exists()


def test_pixels_per_degree_that_a_model_does_not_use_are_said_to_be_of_no_use(
    predict, photo, drawn
):
    outcome = predict(photo, "--pixels-per-degree", "20")
    assert outcome.code == 0
    assert outcome.err.endswith("takes no notice of pixels per degree\n")


def test_precision_reaches_the_model(predict, photo, tmp_path):
    path = save_toy(tmp_path / "toy1.safetensors", "deepgaze1")
    arguments = (photo, "--format", "npy", "--pixels-per-degree", "35", "--precision", "bfloat16")
    assert predict(*arguments, model=path).code == 0
    model = foregaze.load_model(str(path), precision="bfloat16")
    expected = model.predict(photo, pixels_per_degree=35.0).log_density
    written = np.load(tmp_path / "foregaze-output" / "photo.npy")
    np.testing.assert_array_equal(written, expected)


def test_compiling_reaches_the_model(predict, photo, tmp_path, monkeypatch, drawn):
    path = save_toy(tmp_path / "toy1.safetensors", "deepgaze1")
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: compiled.append(module))
    assert predict(photo, "--pixels-per-degree", "35", "--compile", model=path).code == 0
    assert len(compiled) == 1


def test_a_checkpoint_may_be_any_source(
    predict, photo, tiny_checkpoint, tmp_path, drawn, monkeypatch
):
    monkeypatch.setenv("FOREGAZE_CACHE", str(tmp_path / "cache"))
    content = tiny_checkpoint.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    source = f"https://host.invalid/tiny.safetensors#sha256={digest}"
    cached = cached_download(source)
    cached.parent.mkdir(parents=True)
    cached.write_bytes(content)
    assert predict(photo, "--checkpoint", source, model="default").code == 0


def test_networks_reach_the_model(predict, photo, tmp_path):
    toy = save_toy(tmp_path / "toy.safetensors", "deepgaze1")
    arguments = (photo, "--pixels-per-degree", "35", "--format", "csv")
    assert predict(*arguments, "--network", "tf_efficientnet_lite0=random:0", model=toy).code == 0
    error = predict(*arguments, "--overwrite", "--network", "clip=x", model=toy).error()
    assert "'clip'; known: tf_efficientnet_lite0" in error


@pytest.fixture
def spade(tmp_path):
    """A model that sees segments, and halves photographs where none are given."""
    return save_toy(
        tmp_path / "spade.safetensors",
        "dinogaze-spade",
        history=0,
        working_size=(48, 64),
        spade_hidden=4,
        segmenter="grid",
        segmenter_settings={"rows": 2, "columns": 1},
    )


def segmented(path, photo, segments):
    return foregaze.load_model(str(path)).predict(photo, segments=segments).log_density


def test_segments_come_from_a_file_or_a_folder(predict, photo, tmp_path, spade):
    ids = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) // 1000
    (tmp_path / "maps").mkdir()
    Image.fromarray(ids.astype(np.uint8)).save(tmp_path / "maps" / "photo-ids.png")
    for number, given in enumerate(["maps", "maps/photo-ids.png"]):
        output = tmp_path / f"{number}"
        options = ("--segments", given, "--output", output, "--format", "npy")
        assert predict(photo, *options, model=spade).code == 0
        found = np.load(output / "photo.npy")
        np.testing.assert_array_equal(found, segmented(spade, photo, ids))
    assert abs(found - segmented(spade, photo, None)).max() > 1e-4


def test_segments_that_are_of_no_use_are_refused(predict, photo, tmp_path, spade):
    error = predict(photo, "--segments", "none.png", model=spade).error()
    assert "none.png: no such file or folder" in error
    np.save(tmp_path / "small.npy", np.zeros((5, 6), dtype=np.uint8))
    error = predict(photo, "--segments", "small.npy", model=spade).error()
    assert "small.npy: is a segment map of 6x5 px, and the image has 80x60 px" in error
    np.save(tmp_path / "many.npy", np.full(SIZE, 64))
    error = predict(photo, "--segments", "many.npy", model=spade).error()
    assert "photo.png: a segment has the id 64, expected 0 to 63" in error
    np.save(tmp_path / "negative.npy", np.full(SIZE, -1))
    error = predict(photo, "--segments", "negative.npy", model=spade).error()
    assert "negative.npy: a segment has the id -1, expected 0 or more" in error
    error = predict(photo, "--segments", "many.npy").error()
    assert "does not use segments: leave out --segments" in error
    error = predict(photo, photo, "--segments", "many.npy", model=spade).error()
    assert "same" in error or "twice" in error
    assert not (tmp_path / "foregaze-output").exists()


def test_images_of_a_batch_without_segments_are_skipped(predict, photo, tmp_path, spade):
    folder = tmp_path / "pair"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(photo.read_bytes())
    np.save(tmp_path / "a-ids.npy", np.zeros(SIZE, dtype=np.uint8))
    error = predict(folder, "--segments", "a-ids.npy", model=spade).error()
    assert "a-ids.npy is the map of one image; for several give a folder of maps" in error
    outcome = predict(folder, "--segments", tmp_path, "--format", "npy", model=spade)
    assert outcome.code == 1
    assert "skipped: " in outcome.err
    assert "b.png: has no segment map in" in outcome.err
    assert names_in(tmp_path / "foregaze-output") == ["a.npy"]


@pytest.mark.parametrize("folder", ["..", "."])
def test_a_segment_map_is_never_replaced_by_a_prediction(predict, photo, tmp_path, spade, folder):
    """By whatever name its folder is called."""
    np.save(tmp_path / "photo.npy", np.zeros(SIZE, dtype=np.uint8))
    (tmp_path / "inner").mkdir()
    maps = tmp_path / "inner" / ".." if folder == ".." else tmp_path
    options = ("--segments", maps, "--output", tmp_path, "--format", "npy", "--overwrite")
    error = predict(photo, *options, model=spade).error()
    assert "photo.npy: the result would replace the input" in error
    assert "photo.npy; give another --output" in error
    assert np.load(tmp_path / "photo.npy").max() == 0
