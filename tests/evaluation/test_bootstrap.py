import numpy as np
import pytest

from foregaze.evaluation import bootstrap
from foregaze.evaluation.bootstrap import mean_intervals, ratio_interval


def test_interval_of_a_mean_is_near_the_normal_one():
    values = np.random.default_rng(1).normal(2, 3, (400, 2))
    error = values.std(0) / np.sqrt(len(values))
    for column, (low, high) in enumerate(mean_intervals(values)):
        middle, slack = values[:, column].mean(), 0.05 * error[column]
        assert low == pytest.approx(middle - 1.96 * error[column], abs=slack)
        assert high == pytest.approx(middle + 1.96 * error[column], abs=slack)


def test_interval_of_equal_values_is_that_value():
    assert mean_intervals(np.full((5, 1), 1.5)) == [(1.5, 1.5)]


def test_quantities_are_resampled_together():
    values = np.random.default_rng(1).random(60)
    (alone,), (together, _) = (
        mean_intervals(values[:, None]),
        mean_intervals(np.stack([values, -values], axis=1)),
    )
    assert together == pytest.approx(alone, rel=1e-12)


def test_many_images_are_resampled_in_parts_with_the_same_statistics(monkeypatch):
    values = np.random.default_rng(1).normal(size=(50, 1))
    at_once = mean_intervals(values)
    monkeypatch.setattr(bootstrap, "_DRAWS_AT_ONCE", 1000)
    (in_parts,) = mean_intervals(values)
    assert in_parts == pytest.approx(at_once[0], abs=0.02)


def test_interval_of_a_constant_ratio_has_no_width():
    values = np.random.default_rng(1).random(30) + 1
    assert ratio_interval(0.9 * values, values) == pytest.approx((0.9, 0.9))


def test_ratio_is_of_the_means_not_the_mean_of_ratios():
    numerator, denominator = np.array([1.0, 0.0]), np.array([1.0, 3.0])
    assert ratio_interval(numerator, denominator) == (0.0, 1.0)
    # The middle outcome, both images once, is 0.25 and not the 0.5 of averaged ratios.
    narrow = ratio_interval(np.tile(numerator, 5000), np.tile(denominator, 5000), 200)
    assert narrow == pytest.approx((0.25, 0.25), abs=0.02)


def test_ratio_over_a_denominator_that_can_vanish_has_no_interval():
    assert ratio_interval(np.array([1.0, 1.0]), np.array([1.0, -0.5])) is None


def test_a_single_image_has_no_interval():
    assert mean_intervals(np.array([[1.3, 2.0]])) == [None, None]
    assert ratio_interval(np.array([1.0]), np.array([2.0])) is None
