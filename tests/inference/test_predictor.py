"""What all predictors do, on one that sees no history."""

import numpy as np
import pytest
from PIL import Image

from foregaze.errors import ConfigError, ShapeError
from foregaze.inference.predictor import check_resolution
from foregaze.inference.zoo import load_model
from tests.inference.toy_deepgaze import picture


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return load_model(str(tiny_checkpoint), device="cpu")


def test_path_picture_and_array_give_the_same(model, tmp_path):
    array = picture(60, 80)
    Image.fromarray(array).save(tmp_path / "a.png")
    expected = model.predict(array).log_density
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(array)):
        np.testing.assert_array_equal(model.predict(source).log_density, expected)


def test_a_prediction_brings_the_center_bias_that_it_was_made_with(model):
    image = picture(90, 120)
    uniform = model.predict(image, centerbias="uniform")
    np.testing.assert_allclose(
        uniform.saliency_map("sauc"), uniform.log_density + np.log(90 * 120), atol=1e-5
    )
    own = model.predict(image).saliency_map("sauc")
    assert np.ptp(own - model.predict(image).log_density) > 0.5


def test_a_batch_is_predicted_as_its_images_are(model):
    images = [picture(60, 80), picture(33, 50, seed=1)]
    for image, together in zip(images, model.predict_batch(images), strict=True):
        np.testing.assert_array_equal(together.log_density, model.predict(image).log_density)


@pytest.mark.parametrize("given", [{"x_hist": [1.0], "y_hist": [2.0]}, {"y_hist": []}])
def test_a_history_is_refused_by_a_model_that_sees_none(model, given):
    message = r"does not use past fixations: leave out x_hist and y_hist$"
    with pytest.raises(ConfigError, match=message):
        model.predict(picture(60, 80), **given)
    with pytest.raises(ConfigError, match=message):
        model.sample_scanpaths(picture(60, 80), **given)


def test_scanpaths_of_a_model_without_history_are_independent_samples(model):
    image = picture(60, 80)
    scanpaths = model.sample_scanpaths(image, n=3, length=4, seed=5)
    expected = model.predict(image).sample(12, seed=5).reshape(3, 4, 2)
    np.testing.assert_array_equal(scanpaths, expected)


@pytest.mark.parametrize("counts", [{"n": 0}, {"length": 0}, {"n": -2}])
def test_no_scanpaths_or_scanpaths_of_nothing_are_refused(model, counts):
    ((name, value),) = counts.items()
    with pytest.raises(ConfigError, match=f"^{name} is {value}, expected a whole number from 1$"):
        model.sample_scanpaths(picture(60, 80), **counts)


def test_viewings_are_the_same_draws_without_durations(model):
    image = picture(60, 80)
    viewings = model.sample_viewings(image, 3, length=4, seed=5)
    expected = model.sample_scanpaths(image, n=3, length=4, seed=5)
    np.testing.assert_array_equal([np.column_stack([v.x, v.y]) for v in viewings], expected)
    assert not any(one.has_durations for one in viewings)


def test_eight_fixations_are_sampled_where_nothing_else_is_asked(model):
    image = picture(60, 80)
    assert model.sample_scanpaths(image, 2, seed=0).shape == (2, 8, 2)
    assert [len(one) for one in model.sample_viewings(image, 2, seed=0)] == [8, 8]


def test_seconds_are_for_models_with_durations(model):
    for call in (model.sample_scanpaths, model.sample_viewings):
        with pytest.raises(ConfigError, match="does not say how long fixations last: give a len"):
            call(picture(60, 80), seconds=2.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 3, "seconds": 2.0}, "scanpaths end after a length or after seconds: give one"),
        ({"seconds": -2.0}, "seconds is -2, expected a number above 0"),
        ({"temperature": 0.0}, "temperature is 0, expected a positive number$"),
        ({"temperature": float("nan")}, "temperature is nan, expected a positive number$"),
        ({"typical": 0.0}, "typical is 0, expected a share above 0, such as 0.1, and at most 1$"),
        ({"n": 0}, "n is 0, expected a whole number from 1$"),
    ],
)
def test_what_sampling_cannot_do_is_an_error_before_the_model_runs(
    model, monkeypatch, options, message
):
    monkeypatch.setattr(model, "_on", None)
    for call in (model.sample_scanpaths, model.sample_viewings):
        with pytest.raises(ConfigError, match=f"^{message}"):
            call(picture(60, 80), **options)


def test_a_model_says_what_it_makes_of_past_fixations(model, scanpath_checkpoint):
    assert not model.sees_history
    assert not model.starts
    scanpaths = load_model(str(scanpath_checkpoint), device="cpu")
    assert scanpaths.sees_history
    assert scanpaths.starts


def test_a_batch_without_histories_is_one_of_first_fixations(scanpath_checkpoint):
    model = load_model(str(scanpath_checkpoint), device="cpu")
    images = [picture(60, 80), picture(33, 50, seed=1)]
    for image, together in zip(images, model.predict_batch(images), strict=True):
        expected = model.predict(image, x_hist=[], y_hist=[]).log_density
        np.testing.assert_array_equal(together.log_density, expected)


def test_other_weights_have_another_digest(model, tiny_checkpoint):
    other = load_model(str(tiny_checkpoint), device="cpu")
    assert other.digest() == model.digest()
    other.model.centerbias += 1
    assert other.digest() != model.digest()
    assert load_model(str(tiny_checkpoint), mirrored=True).digest() != model.digest()


@pytest.mark.parametrize("value", [0.0, -35.0, float("nan"), float("inf")])
def test_an_impossible_resolution_is_an_error_for_all_models(model, value):
    message = rf"^pixels_per_degree is {value:g}, expected a positive number such as 35$"
    for call in (model.predict, model.sample_scanpaths, model.on):
        with pytest.raises(ConfigError, match=message):
            call(picture(60, 80), pixels_per_degree=value)
    with pytest.raises(ConfigError, match=message):
        model.predict_batch([], pixels_per_degree=value)


@pytest.mark.parametrize("value", ["35", True, [35.0], 35j])
def test_a_resolution_is_a_number(value):
    with pytest.raises(ConfigError) as refused:
        check_resolution(value)
    assert str(refused.value) == (
        f"pixels_per_degree is {value!r}, expected a positive number such as 35"
    )


def test_a_resolution_may_be_any_number():
    for value in (35, 35.5, np.float32(35), np.int64(35), 5e-324):
        check_resolution(value)


def test_there_is_one_center_bias_or_as_many_as_images(model):
    images = [picture(60, 80), picture(33, 50, seed=1)]
    priors = ["uniform", None]
    for prior, image, found in zip(
        priors, images, model.predict_batch(images, centerbias=priors), strict=True
    ):
        expected = model.predict(image, centerbias=prior).log_density
        np.testing.assert_array_equal(found.log_density, expected)
    with pytest.raises(ShapeError, match=r"^centerbias has 1 entries for 2 images: "):
        model.predict_batch(images, centerbias=["uniform"])
