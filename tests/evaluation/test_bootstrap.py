import numpy as np
import pytest

from foregaze.evaluation.bootstrap import mean_interval, ratio_interval


def test_interval_of_a_mean_is_near_the_normal_one():
    values = np.random.default_rng(1).normal(2, 3, 400)
    low, high = mean_interval(values, np.random.default_rng(2))
    error = values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.05 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.05 * error)


def test_interval_of_equal_values_is_that_value():
    low, high = mean_interval(np.full(5, 1.5), np.random.default_rng(0))
    assert (low, high) == (1.5, 1.5)


def test_interval_of_a_constant_ratio_has_no_width():
    values = np.random.default_rng(1).random(30) + 1
    low, high = ratio_interval(0.9 * values, values, np.random.default_rng(0))
    assert low == pytest.approx(0.9)
    assert high == pytest.approx(0.9)


def test_ratio_is_of_the_means_not_the_mean_of_ratios():
    numerator, denominator = np.array([1.0, 0.0]), np.array([1.0, 3.0])
    low, high = ratio_interval(numerator, denominator, np.random.default_rng(0))
    assert (low, high) == (0.0, 1.0)
    # The middle outcome, both images once, is 0.25 and not the 0.5 of averaged ratios.
    rng = np.random.default_rng(0)
    narrow = ratio_interval(np.tile(numerator, 5000), np.tile(denominator, 5000), rng, 200)
    assert narrow == pytest.approx((0.25, 0.25), abs=0.02)


def test_ratio_over_a_denominator_that_can_vanish_has_no_interval():
    gain = np.array([1.0, 1.0])
    assert ratio_interval(gain, np.array([1.0, -0.5]), np.random.default_rng(0)) is None


def test_equal_seeds_give_equal_intervals():
    values = np.random.default_rng(1).random(50)
    first, second = (mean_interval(values, np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert mean_interval(values, np.random.default_rng(4)) != first
