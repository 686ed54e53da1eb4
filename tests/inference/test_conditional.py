import numpy as np
import pytest
from scipy.stats import chisquare

from foregaze.errors import ConfigError
from foregaze.inference.conditional import (
    LENGTH,
    MOST_SECONDS,
    Extent,
    Unconditional,
    check_whole,
)
from foregaze.inference.prediction import Prediction
from tests.inference.toy_deepgaze import density_of

HISTORY = np.array([[3.0, 4.0]])


def test_one_density_is_predicted_whatever_came_before():
    prediction = Prediction(density_of(20, 30).astype(np.float32))
    conditional = Unconditional(prediction)
    assert conditional(HISTORY) is conditional(np.empty((0, 2))) is prediction


def test_its_scanpaths_are_independent_samples():
    prediction = Prediction(density_of(20, 30).astype(np.float32))
    found = Unconditional(prediction).sample(HISTORY, 3, 4, 5)
    np.testing.assert_array_equal(found, prediction.sample(12, 5).reshape(3, 4, 2))


def test_its_viewings_are_those_samples_without_durations():
    conditional = Unconditional(Prediction(density_of(20, 30).astype(np.float32)))
    paths = conditional.sample(HISTORY, 3, 4, 5)
    for one, path in zip(conditional.viewings(HISTORY, 3, Extent(4), 5), paths, strict=True):
        np.testing.assert_array_equal(np.column_stack([one.x, one.y]), path)
        assert np.isnan(one.duration_ms).all()
    assert [len(one) for one in conditional.viewings(HISTORY, 2, Extent(), 5)] == [LENGTH] * 2


def test_a_model_without_durations_knows_no_seconds():
    conditional = Unconditional(Prediction(density_of(20, 30).astype(np.float32)))
    message = r"^this model does not say how long fixations last: give a length, not seconds$"
    with pytest.raises(ConfigError, match=message):
        conditional.viewings(HISTORY, 1, Extent(seconds=1.0), 0)


@pytest.mark.parametrize("temperature", [0.05, 0.01, 1e-3, 1e-9])
def test_low_temperatures_draw_the_likeliest_pixel(temperature):
    log_density = np.full((20, 30), -9.0, dtype=np.float32)
    log_density[4, 7] = -7.0  # nothing at the corner, where sums of zeros would lead
    points = Unconditional(Prediction(log_density)).sample(HISTORY, 50, 1, 0, temperature)[:, 0]
    assert (points.astype(int) == [7, 4]).all(1).mean() > 0.9


def test_another_temperature_draws_from_the_tempered_density():
    log_density = density_of(4, 5).astype(np.float32)
    tempered = np.exp(2 * log_density.astype(np.float64)).ravel()
    sampled = Unconditional(Prediction(log_density)).sample(HISTORY, 20000, 1, 0, 0.5)[:, 0]
    counts = np.bincount(sampled[:, 1].astype(int) * 5 + sampled[:, 0].astype(int), minlength=20)
    expected = tempered / tempered.sum()
    assert chisquare(counts, expected * 20000).pvalue > 1e-3
    usual = np.exp(log_density.astype(np.float64)).ravel()
    assert chisquare(counts, usual / usual.sum() * 20000).pvalue < 1e-6


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"length": 3, "seconds": 1.0}, "scanpaths end after a length or after seconds: give one"),
        ({"length": 0}, "length is 0, expected a whole number from 1$"),
        ({"length": -2}, "length is -2, expected a whole number from 1$"),
        ({"seconds": 0.0}, "seconds is 0, expected a number above 0, such as 3, and at most 600$"),
        ({"seconds": -1.5}, r"seconds is -1\.5, expected a number above 0"),
        ({"seconds": float("nan")}, "seconds is nan, expected a number above 0"),
        ({"seconds": float("inf")}, "seconds is inf, expected a number above 0"),
        ({"seconds": MOST_SECONDS + 1.0}, "seconds is 601, .* at most 600$"),
    ],
)
def test_an_extent_that_makes_no_sense_is_an_error(given, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        Extent(**given)


@pytest.mark.parametrize("number", [1.5, True, "2", None, -1, float("nan")])
def test_what_is_no_whole_number_is_refused(number):
    with pytest.raises(ConfigError, match=r"^seed is .*, expected a whole number from 0$"):
        check_whole("seed", number, 0)


def test_whole_numbers_of_numpy_are_taken():
    check_whole("seed", np.int64(0), 0)
