"""Segments as callers give them, and models that see some."""

import re

import numpy as np
import pytest
from PIL import Image

from foregaze.errors import ConfigError, DataError, ShapeError
from foregaze.inference.segments import checked_segments
from foregaze.inference.zoo import load_model
from foregaze.models.checkpoint import save_checkpoint
from foregaze.models.deepgaze_config import BackboneConfig
from foregaze.segmentation import make_segmenter
from tests.inference.toy_deepgaze import picture, save_toy, toy_model

SIZE = (72, 100)
SLIC = {"segmenter": "slic", "segmenter_settings": {"segments": 7}}
TINY = {
    "working_size": (48, 64),
    "centerbias_size": (24, 32),
    "spade_hidden": 4,
    "components": 2,
    "backbones": (BackboneConfig(name="tf_efficientnet_lite0", taps=("1",), weights="random:0"),),
}


def ids(seed: int = 0, most: int = 6) -> np.ndarray:
    """Segments of any size, at that of the image."""
    return np.random.default_rng(seed).integers(0, most, (9, 10)).repeat(8, 0).repeat(10, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("segments")


@pytest.fixture(scope="module")
def models(folder):
    """With and without past fixations."""
    loaded = {}
    for length in (0, 4):
        path = folder / f"spade{length}.safetensors"
        save_toy(path, "dinogaze-spade", history=length, **TINY, **SLIC)
        loaded[length] = load_model(str(path), device="cpu")
    return loaded


@pytest.fixture(scope="module")
def plain(folder):
    changes = {k: v for k, v in TINY.items() if k != "spade_hidden"}
    path = save_toy(folder / "dinogaze.safetensors", "dinogaze", **changes)
    return load_model(str(path), device="cpu")


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.uint64])
def test_arrays_of_whole_numbers_are_taken(dtype):
    found = checked_segments(ids().astype(dtype), SIZE)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, ids())


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_files_are_taken_as_they_are(tmp_path, suffix):
    path = tmp_path / f"map{suffix}"
    if suffix == ".png":
        Image.fromarray(ids().astype(np.uint8)).save(path)
    else:
        np.save(path, ids())
    for given in (path, str(path)):
        found = checked_segments(given, SIZE)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, ids())


def test_a_palette_png_holds_the_numbers_of_its_colors(tmp_path):
    image = Image.frombytes("P", (100, 72), ids().astype(np.uint8).tobytes())
    image.putpalette([200, 30, 30, 1, 2, 3, 90, 90, 90, 0, 0, 0, 7, 7, 7, 250, 250, 250])
    image.save(tmp_path / "map.png")
    np.testing.assert_array_equal(checked_segments(tmp_path / "map.png", SIZE), ids())


@pytest.mark.parametrize(
    ("array", "given"),
    [
        (ids()[:-1], "shape (71, 100) and type int64"),
        (ids().T, "shape (100, 72) and type int64"),
        (ids()[None], "shape (1, 72, 100) and type int64"),
        (ids().astype(float), "shape (72, 100) and type float64"),
        (ids() > 2, "shape (72, 100) and type bool"),
    ],
)
def test_arrays_that_are_no_map_are_refused(array, given):
    message = re.escape(
        f"segments have {given}, expected whole numbers of shape (72, 100): one id for each pixel"
    )
    with pytest.raises(ShapeError, match=f"^{message}$"):
        checked_segments(array, SIZE)


@pytest.mark.parametrize("wrong", [-1, 2**31, -(2**40)])
def test_impossible_ids_are_refused(wrong):
    array = ids()
    array[3, 4] = wrong
    with pytest.raises(ShapeError, match=rf"^a segment has the id {wrong}, expected 0 "):
        checked_segments(array, SIZE)


def test_files_of_another_size_or_of_no_numbers_are_refused(tmp_path):
    np.save(tmp_path / "small.npy", ids()[:, :-1])
    with pytest.raises(DataError, match=r"is a segment map of 99x72 px, and the image has 100x72"):
        checked_segments(tmp_path / "small.npy", SIZE)
    np.save(tmp_path / "real.npy", ids() / 2)
    with pytest.raises(DataError, match="holds float64, expected whole numbers"):
        checked_segments(tmp_path / "real.npy", SIZE)
    Image.fromarray(picture(*SIZE)).save(tmp_path / "color.png")
    with pytest.raises(DataError, match="is a picture in RGB; a segment map has one channel"):
        checked_segments(tmp_path / "color.png", SIZE)
    with pytest.raises(DataError, match="no such file; expected a segment map"):
        checked_segments(tmp_path / "none.png", SIZE)


@pytest.mark.parametrize("length", [0, 4])
def test_a_density_sums_to_one_and_depends_on_the_segments(models, length):
    image, model = picture(*SIZE), models[length]
    assert model.sees_segments
    first, second = (model.predict(image, segments=ids(seed)).log_density for seed in (0, 1))
    for log_density in (first, second):
        assert log_density.shape == SIZE
        assert np.exp(log_density.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)
    assert np.abs(first - second).max() > 1e-3


def test_where_no_segments_are_given_the_models_own_segmenter_makes_them(models):
    image, model = picture(*SIZE), models[0]
    own = make_segmenter("slic", segments=7).segments(image)
    assert len(np.unique(own)) > 1
    expected = model.predict(image, segments=own).log_density
    np.testing.assert_array_equal(model.predict(image).log_density, expected)
    assert np.abs(model.predict(image, segments=ids()).log_density - expected).max() > 1e-3


def test_where_segments_are_given_none_are_made(models, monkeypatch):
    model = models[0]
    model.predict(picture(*SIZE))  # whose segmenter is there now
    monkeypatch.setattr(type(model._segmenter), "segments", lambda *_: 1 / 0)
    model.predict(picture(*SIZE), segments=ids())
    with pytest.raises(ZeroDivisionError):
        model.predict(picture(*SIZE))


def test_an_array_and_its_file_are_the_same(models, tmp_path):
    np.save(tmp_path / "map.npy", ids())
    Image.fromarray(ids().astype(np.uint8)).save(tmp_path / "map.png")
    image, model = picture(*SIZE), models[4]
    expected = model.predict(image, segments=ids()).log_density
    for given in (tmp_path / "map.npy", str(tmp_path / "map.png")):
        np.testing.assert_array_equal(model.predict(image, segments=given).log_density, expected)


def test_new_ids_for_the_same_segments_predict_the_same(models):
    image, model = picture(*SIZE), models[4]
    order = np.array([5, 3, 0, 1, 4, 2])
    first, second = (model.predict(image, segments=x).log_density for x in (ids(), order[ids()]))
    np.testing.assert_array_equal(first, second)


def test_ids_beyond_what_the_model_takes_are_refused(models):
    with pytest.raises(ShapeError, match="a segment has the id 64, expected 0 to 63: this model"):
        models[0].predict(picture(*SIZE), segments=ids() + 59)


def test_segments_of_another_size_than_the_image_are_refused(models):
    with pytest.raises(ShapeError, match=r"expected whole numbers of shape \(72, 100\)"):
        models[0].predict(picture(*SIZE), segments=ids()[:, ::-1].T)


def test_a_model_without_segments_refuses_them(plain, tiny_checkpoint):
    assert not plain.sees_segments
    for model in (plain, load_model(str(tiny_checkpoint), device="cpu")):
        message = re.escape(f"model {model.name!r} sees no segments: leave out segments")
        for ask in (model.predict, model.sample_scanpaths):
            with pytest.raises(ConfigError, match=f"^{message}$"):
                ask(picture(*SIZE), segments=ids())


def test_a_model_without_past_fixations_refuses_them(models, plain):
    given = {"x_hist": [5.0], "y_hist": [6.0]}
    with pytest.raises(ConfigError, match=r"does not use past fixations: leave out x_hist and y_"):
        models[0].predict(picture(*SIZE), segments=ids(), **given)
    for model in (models[4], plain):
        far = model.predict(picture(*SIZE), x_hist=[95.0], y_hist=[60.0]).log_density
        assert np.abs(model.predict(picture(*SIZE), **given).log_density - far).max() > 1e-3


@pytest.mark.parametrize("length", [0, 4])
def test_a_batch_predicts_what_single_images_do(models, plain, length):
    images = [picture(*SIZE, seed=1), picture(60, 81, seed=2), picture(*SIZE, seed=3)]
    for model in (models[length], plain):
        batch = model.predict_batch(images)
        for image, found in zip(images, batch, strict=True):
            expected = model.predict(image).log_density
            np.testing.assert_allclose(found.log_density, expected, atol=1e-5)


@pytest.mark.parametrize("length", [0, 4])
def test_scanpaths_are_sampled_with_given_segments_and_with_own_ones(models, length):
    image, model = picture(*SIZE), models[length]
    given, again = (
        model.sample_scanpaths(image, n=5, length=6, seed=0, segments=ids()) for _ in "ab"
    )
    assert given.shape == (5, 6, 2)
    assert ((given >= 0) & (given < (100, 72))).all()
    np.testing.assert_array_equal(given, again)
    own = model.sample_scanpaths(image, n=5, length=6, seed=0)
    assert not np.array_equal(given, own)


def test_first_steps_follow_the_density_that_the_segments_give(models):
    image, model = picture(*SIZE), models[4]
    history = {"x_hist": [80.0, 20.0], "y_hist": [10.0, 60.0]}
    density = np.exp(model.predict(image, segments=ids(), **history).log_density)
    squares = density.reshape(4, 18, 4, 25).sum((1, 3))
    sample = model.sample_scanpaths(image, n=3000, length=1, seed=0, segments=ids(), **history)
    x, y = sample[:, 0].T
    counts, _, _ = np.histogram2d(y // 18, x // 25, [np.arange(5)] * 2)
    noise = 0.5 * np.sqrt(2 * squares * (1 - squares) / np.pi / 3000).sum()
    assert 0.5 * np.abs(counts / 3000 - squares).sum() < 2 * noise


@pytest.mark.parametrize("name", ["deepgaze-spade-static", "deepgaze-spade-dynamic"])
def test_a_checkpoint_loads_by_its_models_name(name, tmp_path):
    changes = {"backbones": (TINY["backbones"][0].model_copy(update={"taps": ("1", "2")}),)}
    model = toy_model(name, working_size=(48, 64), spade_hidden=4, components=1, **SLIC, **changes)
    save_checkpoint(model, tmp_path / "m.safetensors", {})
    loaded = load_model(name, checkpoint=tmp_path / "m.safetensors", device="cpu")
    found = loaded.predict(picture(*SIZE), segments=ids(), centerbias="uniform").log_density
    assert np.exp(found.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)
