"""DeepGaze models as predictors: at toy size, and as published under the rule that fills them."""

import subprocess
import sys
import warnings
import weakref

import numpy as np
import pytest
from PIL import Image
from scipy.special import logsumexp

from foregaze.data.centerbias import CenterBias
from foregaze.errors import ConfigError, ShapeError, UnknownNameError, WeightsError
from foregaze.inference.zoo import load_model
from tests.evaluation.conftest import make_dataset
from tests.inference.toy_deepgaze import density_of, picture, save_toy
from tests.models.release_files import fill, layout, load_fixture, write_release

KINDS = ("deepgaze1", "deepgaze2", "deepgaze2e", "deepgaze3", "deepgaze-msdb")
SEEN = {"pixels_per_degree": 35.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("toys")


@pytest.fixture(scope="module")
def toys(folder):
    return {
        name: load_model(str(save_toy(folder / f"{name}.safetensors", name)), device="cpu")
        for name in KINDS
    }


@pytest.fixture(scope="module")
def toy3(toys):
    return toys["deepgaze3"]


def published(name, folder):
    path = folder / f"{name}.pth"
    write_release(path, fill(layout(name)))
    return load_model(name, checkpoint=path, device="cpu")


def of_fixture(number: int) -> tuple[np.ndarray, dict]:
    """The fixtures' image, mirrored in the second case, and what the reference was given."""
    inputs, theirs = load_fixture("inputs"), load_fixture("deepgaze3")
    image = inputs["image"][0].numpy().transpose(1, 2, 0)
    given = {
        "centerbias": inputs["centerbias"][0].numpy(),
        "x_hist": theirs["x_hist"][number].numpy()[::-1],
        "y_hist": theirs["y_hist"][number].numpy()[::-1],
    }
    return np.ascontiguousarray(image[:, ::-1] if number else image), given


@pytest.mark.filterwarnings("ignore:deepgaze. was made for images of 35 pixels per degree")
def test_a_release_file_of_deepgaze1_predicts_what_the_reference_predicts(folder):
    image, given = of_fixture(0)
    found = published("deepgaze1", folder).predict(image, centerbias=given["centerbias"])
    theirs = load_fixture("deepgaze1")["log_density"][0].numpy()
    np.testing.assert_allclose(found.log_density, theirs, atol=2e-5, rtol=0)


@pytest.mark.filterwarnings("ignore:deepgaze. was made for images of 35 pixels per degree")
def test_a_release_file_of_deepgaze3_predicts_what_the_reference_predicts(folder):
    model = published("deepgaze3", folder)
    for number, theirs in enumerate(load_fixture("deepgaze3")["log_density"][:, 0].numpy()):
        image, given = of_fixture(number)
        found = model.predict(image, **given).log_density
        np.testing.assert_allclose(found, theirs, atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", [(120, 160), (97, 141)])
def test_density_has_the_images_size_and_sums_to_one(toys, name, size):
    log_density = toys[name].predict(picture(*size), **SEEN).log_density
    assert log_density.shape == size
    assert log_density.dtype == np.float32
    assert abs(logsumexp(log_density.astype(np.float64))) < 1e-4
    assert np.ptp(log_density) > 1


@pytest.mark.parametrize("name", ["deepgaze1", "deepgaze3"])
def test_an_enlarged_image_with_as_many_more_pixels_per_degree_is_the_same_image(toys, name):
    image = picture(120, 160)
    large = np.array(Image.fromarray(image).resize((320, 240), Image.Resampling.BILINEAR))
    prior = density_of(120, 160)
    large_prior = prior.repeat(2, 0).repeat(2, 1) - np.log(4)
    past, past_of_large = {}, {}
    if name == "deepgaze3":
        past = {"x_hist": [20.0, 130.0], "y_hist": [90.0, 40.0]}
        past_of_large = {"x_hist": [40.0, 260.0], "y_hist": [180.0, 80.0]}
    model = toys[name]
    expected = model.predict(image, pixels_per_degree=35.0, centerbias=prior, **past)
    found = model.predict(large, pixels_per_degree=70.0, centerbias=large_prior, **past_of_large)
    ours = np.exp(expected.log_density.astype(np.float64))
    pooled = np.exp(found.log_density.astype(np.float64)).reshape(120, 2, 160, 2).sum((1, 3))
    assert found.log_density.shape == (240, 320)
    assert 0.5 * np.abs(ours - pooled).sum() < 0.05  # the pictures differ by their resampling
    unscaled = model.predict(large, pixels_per_degree=35.0, centerbias=large_prior, **past_of_large)
    pooled = np.exp(unscaled.log_density.astype(np.float64)).reshape(120, 2, 160, 2).sum((1, 3))
    assert 0.5 * np.abs(ours - pooled).sum() > 0.1


def test_a_center_bias_without_mass_somewhere_survives_rescaling(toys):
    density = np.zeros((120, 160))
    density[:, :80] = 1 / (120 * 80)
    with np.errstate(divide="ignore"):
        prior = np.log(density)
    for resolution in (20.0, 35.0, 60.0):
        found = (
            toys["deepgaze1"]
            .predict(picture(), centerbias=prior, pixels_per_degree=resolution)
            .log_density
        )
        assert abs(logsumexp(found.astype(np.float64))) < 1e-4
        assert np.exp(found[:, 90:].astype(np.float64)).sum() < 1e-6


def test_a_size_far_from_training_is_warned_about_unless_its_resolution_is_given(toy3):
    message = (
        r"made for images of 35 pixels per degree of visual angle, such as 1024x768, and this one "
        r"has 160x120 pixels: give pixels_per_degree to have it rescaled$"
    )
    for call in (
        lambda: toy3.predict(picture()),
        lambda: toy3.predict_batch([picture()]),
        lambda: toy3.sample_scanpaths(picture(), n=1, length=1),
    ):
        with pytest.warns(UserWarning, match=message) as caught:
            call()
        assert [(w.filename, w.lineno) for w in caught] == [
            (__file__, call.__code__.co_firstlineno)
        ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        toy3.predict(picture(), **SEEN)
        toy3.predict(picture(384, 512))


def test_msdb_asks_for_the_resolution(toys):
    message = "needs the image's pixels per degree .* and takes 35: "
    with pytest.warns(UserWarning, match=message) as caught:
        taken = toys["deepgaze-msdb"].predict(picture())
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(UserWarning, match=message) as caught:
        toys["deepgaze-msdb"].predict_batch([picture(seed=seed) for seed in range(5)])
    assert [warning.filename for warning in caught] == [__file__]
    given = toys["deepgaze-msdb"].predict(picture(), **SEEN)
    np.testing.assert_array_equal(taken.log_density, given.log_density)
    other = toys["deepgaze-msdb"].predict(picture(), pixels_per_degree=20.0)
    assert np.abs(other.log_density - given.log_density).max() > 0.01


@pytest.mark.parametrize("name", ["deepgaze1", "deepgaze-msdb"])
def test_an_image_is_not_rescaled_beyond_the_limit_of_images(toys, name):
    with pytest.raises(ShapeError, match=r"^image of 160x120 pixels, .* more than 100,000,000 "):
        toys[name].predict(picture(), pixels_per_degree=0.001)


def test_a_working_size_is_taken_whatever_the_resolution(folder):
    path = save_toy(folder / "sized.safetensors", "deepgaze1", working_size=(96, 128))
    model = load_model(str(path), device="cpu")
    assert not model.sees_resolution
    expected = model.predict(picture()).log_density
    np.testing.assert_array_equal(model.predict(picture(), **SEEN).log_density, expected)


def test_without_history_the_viewer_looked_at_the_center(toy3):
    expected = toy3.predict(picture(), x_hist=[80.0], y_hist=[60.0], **SEEN).log_density
    np.testing.assert_array_equal(toy3.predict(picture(), **SEEN).log_density, expected)
    nothing = toy3.predict(picture(), x_hist=[], y_hist=[], **SEEN).log_density
    assert np.abs(nothing - expected).max() > 0.1


def test_only_the_last_four_fixations_matter_and_their_order_does(toy3):
    x, y = [5.0, 30.0, 150.0, 80.0, 20.0], [100.0, 50.0, 10.0, 70.0, 20.0]

    def after(x_hist, y_hist):
        return toy3.predict(picture(), x_hist=x_hist, y_hist=y_hist, **SEEN).log_density

    expected = after(x[1:], y[1:])
    np.testing.assert_array_equal(after(x, y), expected)
    assert np.abs(after(x[2:], y[2:]) - expected).max() > 0.1
    assert np.abs(after(x[:0:-1], y[:0:-1]) - expected).max() > 0.1
    padded = after([np.nan, np.nan, *x[3:]], [np.nan, np.nan, *y[3:]])
    np.testing.assert_array_equal(padded, after(x[3:], y[3:]))


def test_a_wrong_history_is_an_error(toy3, toys):
    with pytest.raises(ShapeError, match="x_hist has 160, outside the image"):
        toy3.predict(picture(), x_hist=[160.0], y_hist=[5.0], **SEEN)
    with pytest.raises(ShapeError, match="NaN after a known fixation"):
        toy3.sample_scanpaths(picture(), x_hist=[5.0, np.nan], y_hist=[5.0, np.nan], **SEEN)
    with pytest.raises(ConfigError, match="does not use past fixations: leave out x_hist and y_"):
        toys["deepgaze1"].predict(picture(), x_hist=[5.0], y_hist=[5.0], **SEEN)


def test_a_center_bias_moves_the_density_by_its_weight(folder):
    path = save_toy(folder / "single.safetensors", "deepgaze1", components=1)
    model = load_model(str(path), device="cpu")
    weight = model.model.heads[0].finalizers.center_bias_weight.item()
    prior = density_of(120, 160)
    found = model.predict(picture(), centerbias=prior, **SEEN).log_density
    uniform = model.predict(picture(), centerbias="uniform", **SEEN).log_density
    sampled = prior[::4, ::4].repeat(4, 0).repeat(4, 1)
    difference = found - uniform - weight * sampled
    assert np.ptp(difference) < 1e-4
    assert abs(weight) > 0.1


def test_the_center_bias_of_a_data_set_is_made_for_the_image(toys):
    of_dataset = CenterBias(make_dataset())
    found = toys["deepgaze1"].predict(picture(), centerbias=of_dataset, **SEEN).log_density
    prior = of_dataset.log_density((120, 160))
    expected = toys["deepgaze1"].predict(picture(), centerbias=prior, **SEEN).log_density
    np.testing.assert_array_equal(found, expected)


def test_without_a_center_bias_of_its_own_it_takes_that_of_mit1003(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("FOREGAZE_CACHE", str(tmp_path / "cache"))
    path = save_toy(tmp_path / "bare.safetensors", "deepgaze1", centerbias_size=None)
    model = load_model(str(path), device="cpu")
    with pytest.raises(WeightsError, match=r"MIT1003 is not here: save https://.* as .*/cache/"):
        model.predict(picture(), **SEEN)
    square = density_of(64, 64)
    np.save(tmp_path / "centerbias_mit1003.npy", square)
    found = model.predict(picture(64, 64), **SEEN).log_density
    expected = model.predict(picture(64, 64), centerbias=square, **SEEN).log_density
    np.testing.assert_array_equal(found, expected)
    named = model.predict(picture(64, 64), centerbias="mit1003", **SEEN).log_density
    np.testing.assert_array_equal(named, expected)


@pytest.mark.parametrize("name", KINDS)
def test_images_of_different_sizes_in_a_batch_are_predicted_as_alone(toys, name):
    sizes = [(120, 160), (96, 128), (120, 160), (120, 160), (96, 128), (120, 160), (120, 160)]
    images = [picture(*size, seed=seed) for seed, size in enumerate(sizes)]
    together = toys[name].predict_batch(images, **SEEN)
    for image, found in zip(images, together, strict=True):
        alone = toys[name].predict(image, **SEEN).log_density
        np.testing.assert_allclose(found.log_density, alone, atol=1e-4, rtol=0)
    assert toys[name].predict_batch([]) == []


def test_a_batch_is_on_the_device_in_small_parts(toys, monkeypatch):
    model = toys["deepgaze1"]
    alive, most = weakref.WeakSet(), []
    see = model._seen

    def watched(*arguments):
        seen = see(*arguments)
        alive.add(seen)
        most.append(len(alive))
        return seen

    monkeypatch.setattr(model, "_seen", watched)
    images = [picture(96, 128, seed=seed) for seed in range(13)]
    assert len(model.predict_batch(images, **SEEN)) == len(most) == 13
    assert max(most) <= 2 * 4  # those of the part before, until their names are taken


def test_a_center_bias_may_be_given_for_each_image_of_a_batch(toys):
    model = toys["deepgaze1"]
    images = [picture(120, 160), picture(96, 128), picture(120, 160, seed=2)]
    priors = [density_of(120, 160), "uniform", None]
    for given in (priors, tuple(priors)):
        together = model.predict_batch(images, centerbias=given, **SEEN)
        for image, prior, found in zip(images, priors, together, strict=True):
            alone = model.predict(image, centerbias=prior, **SEEN).log_density
            np.testing.assert_allclose(found.log_density, alone, atol=1e-4, rtol=0)
    with pytest.raises(ShapeError, match=r"shape \(120, 160\), expected \(96, 128\)"):
        model.predict_batch(images, centerbias=priors[0], **SEEN)


def test_the_digest_tells_center_biases_of_mit1003_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("FOREGAZE_CACHE", str(tmp_path / "cache"))
    path = save_toy(tmp_path / "bare.safetensors", "deepgaze1", centerbias_size=None)
    model = load_model(str(path), device="cpu")
    own = load_model(str(save_toy(tmp_path / "own.safetensors", "deepgaze1")), device="cpu")
    digests, of_own = [model.digest()], [own.digest()]
    for square in (density_of(64, 64), density_of(64, 64)[::-1]):
        np.save(tmp_path / "centerbias_mit1003.npy", square)
        digests.append(model.digest())
        of_own.append(own.digest())
    assert len(set(digests)) == 3
    assert len(set(of_own)) == 1


def test_viewers_of_a_data_set_are_for_msdb_alone(toys):
    with pytest.raises(ConfigError, match=r"has no parameters for data sets$"):
        toys["deepgaze3"].predict(picture(), dataset="MIT1003", **SEEN)
    with pytest.raises(UnknownNameError, match="unknown data set 'OSIE'; known: CAT2000, COCO-"):
        toys["deepgaze-msdb"].predict(picture(), dataset="OSIE", **SEEN)


def test_viewers_of_different_data_sets_look_elsewhere(toys):
    model = toys["deepgaze-msdb"]
    found = {
        name: model.predict(picture(), dataset=name, **SEEN).log_density
        for name in (None, *model.model.config.datasets)
    }
    assert len({density.tobytes() for density in found.values()}) == 6
    (alone,) = model.predict_batch([picture()], dataset="CAT2000", **SEEN)
    np.testing.assert_array_equal(alone.log_density, found["CAT2000"])


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_stays_near(folder, toys, precision):
    path = folder / "deepgaze3.safetensors"
    low = load_model(str(path), precision=precision, device="cpu")
    found = np.exp(low.predict(picture(), **SEEN).log_density.astype(np.float64))
    expected = np.exp(toys["deepgaze3"].predict(picture(), **SEEN).log_density.astype(np.float64))
    assert 0 < 0.5 * np.abs(found - expected).sum() < 0.05
    assert low.digest() != toys["deepgaze3"].digest()


def test_a_compiled_backbone_predicts_the_same(folder, toys):
    np.save(folder / "image.npy", picture())
    code = """
import sys
import numpy as np
import torch
import foregaze

compile_in_place = torch.nn.Module.compile
calls = []

def compile_quickly(module):
    calls.append(module)
    compile_in_place(module, backend="aot_eager")  # inductor takes 44 s

torch.nn.Module.compile = compile_quickly
model = foregaze.load_model(sys.argv[1], compiled=True, device="cpu")
assert calls == list(model.model.backbones)
found = model.predict(np.load("image.npy"), pixels_per_degree=35.0)
np.save("compiled.npy", found.log_density)
"""  # in a process of its own: the compiler cannot read what beartype makes of annotations
    command = [sys.executable, "-c", code, "deepgaze1.safetensors"]
    subprocess.run(command, cwd=folder, check=True)
    expected = toys["deepgaze1"].predict(picture(), **SEEN).log_density
    np.testing.assert_allclose(np.load(folder / "compiled.npy"), expected, atol=1e-4, rtol=0)


def test_msdb_sees_sizes_that_single_precision_would_round_up(toys):
    model = toys["deepgaze-msdb"]
    backbone = model.model.backbones[0]
    seen = []
    hook = backbone.register_forward_pre_hook(lambda _, x: seen.append(tuple(x[0].shape[-2:])))
    model.predict(picture(111, 222), centerbias="uniform", pixels_per_degree=33.3)
    hook.remove()
    assert (80, 160) in seen  # 24 / 33.3; float32 takes 33.3 for less, and has (81, 161)
