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
