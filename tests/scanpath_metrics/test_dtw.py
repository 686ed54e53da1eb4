import numpy as np
import pytest
from hypothesis import given

from foregaze.scanpath_metrics import dynamic_time_warping
from foregaze.scanpath_metrics.dtw import dynamic_time_warping_pairs
from tests.scanpath_metrics.scanpaths import path, random_path, scanpaths


def test_a_fixation_may_stand_for_several():
    a, b = path((0, 0), (10, 0)), path((0, 3), (0, 4), (10, 0), (10, 5))
    assert dynamic_time_warping(a, b) == pytest.approx(3 + 4 + 0 + 5)


@given(scanpaths(), scanpaths())
def test_it_is_symmetric_and_0_for_a_scanpath_with_itself(a, b):
    assert dynamic_time_warping(a, b) == pytest.approx(dynamic_time_warping(b, a), abs=1e-9)
    assert dynamic_time_warping(a, a) == 0


def test_it_never_exceeds_the_sum_of_pointwise_distances():
    rng = np.random.default_rng(2)
    for _ in range(50):
        a, b = random_path(rng, 7), random_path(rng, 7)
        pointwise = np.hypot(a.x - b.x, a.y - b.y).sum()
        assert dynamic_time_warping(a, b) <= pointwise + 1e-9


def test_against_one_fixation_it_is_the_sum_of_distances():
    rng = np.random.default_rng(3)
    a = random_path(rng, 6)
    expected = np.hypot(a.x - 40, a.y - 30).sum()
    assert dynamic_time_warping(a, path((40, 30))) == pytest.approx(expected)


def test_pairs_scored_together_score_as_alone():
    rng = np.random.default_rng(6)
    first = [random_path(rng, n) for n in (1, 5, 9)]
    second = [random_path(rng, n) for n in (7, 2, 3)]
    alone = [dynamic_time_warping(a, b) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(dynamic_time_warping_pairs(first, second), alone, rtol=1e-14)
