import numpy as np
import pytest

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics import Scanpath
from foregaze.viz.scanpaths_timing import STEP_MS, animation_times, find_moments
from tests.viz.viewing import scanpath


@pytest.mark.parametrize("seed", range(5))
def test_moments_last_as_long_as_the_scanpath(seed):
    one = scanpath(9, seed)
    moments = find_moments(one)
    assert abs(sum(m.lasts_ms for m in moments) - one.duration_ms.sum()) <= 10
    assert all(m.lasts_ms > 0 and m.lasts_ms % 10 == 0 for m in moments)
    assert moments[-1].elapsed_ms == pytest.approx(one.duration_ms.sum())


def test_each_fixation_lasts_as_long_as_it_did():
    one = Scanpath(np.array([1.0, 50, 70]), np.full(3, 20.0), np.array([200.0, 410, 130]))
    moments = find_moments(one)
    for number, duration in enumerate(one.duration_ms):
        assert sum(m.lasts_ms for m in moments if m.fixation == number) == duration


def test_the_eye_moves_before_it_rests_at_the_fixation():
    one = Scanpath(np.array([10.0, 50]), np.array([10.0, 30]), np.array([200.0, 400]))
    moments = [moment for moment in find_moments(one) if moment.fixation == 1]
    moving = [moment for moment in moments if moment.moving]
    assert moments[: len(moving)] == moving
    assert len(moving) == 3
    assert (np.diff([10, *(m.x for m in moving), 50]) > 0).all()
    assert {(m.x, m.y) for m in moments if not m.moving} == {(50, 30)}


def test_the_first_fixation_has_no_saccade_before_it():
    assert not any(moment.moving for moment in find_moments(scanpath(1)))


def test_unknown_durations_are_all_alike():
    np.testing.assert_array_equal(animation_times(scanpath(4, durations=False)), [STEP_MS] * 4)


def test_fixations_that_are_too_short_to_be_seen_leave_one_moment():
    one = Scanpath(np.array([1.0, 2]), np.array([1.0, 2]), np.zeros(2))
    (moment,) = find_moments(one)
    assert (moment.fixation, moment.lasts_ms) == (1, 10)


def test_a_scanpath_that_is_too_long_is_refused():
    with pytest.raises(ShapeError, match=r"101 fixations and .* is too long for an animation"):
        find_moments(scanpath(101))
    slow = Scanpath(np.ones(1), np.ones(1), np.array([200_000.0]))
    with pytest.raises(ShapeError, match=r"1 fixations and 200.0 s is too long"):
        find_moments(slow)


def test_long_viewings_have_a_bounded_number_of_moments():
    slow = Scanpath(np.ones(2), np.ones(2), np.full(2, 60_000.0))
    assert len(find_moments(slow)) < 200
