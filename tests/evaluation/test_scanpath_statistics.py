import numpy as np
import pytest

from foregaze.errors import DataError
from foregaze.evaluation.scanpath_statistics import describe_scanpaths
from foregaze.scanpath_metrics import Scanpath

SIZE = (100, 200)


def scanpath(points: list[tuple[float, float]], duration_ms: float = 100.0) -> Scanpath:
    x, y = np.array(points, dtype=np.float64).T
    return Scanpath(x, y, np.full(len(x), duration_ms))


def test_statistics_of_one_scanpath_counted_by_hand():
    # 30 to the right, 10 to the right, 40 back, 5 down
    one = scanpath([(100, 50), (130, 50), (140, 50), (100, 50), (100, 55)], 120.0)
    found = describe_scanpaths([one], SIZE, radius_px=8.0)
    assert found.fixations == 5
    assert found.saccade_px == (8.75, 20.0, 32.5)
    assert found.horizontal == 3 / 4
    assert found.forward == 1 / 3
    assert found.returning == 1 / 3
    assert found.revisits == 2 / 4  # the fourth fixation, and the fifth near it
    assert found.refixations == 2 / 3  # the fifth is near the first, too
    assert found.duration_ms == 120.0
    assert found.first_from_center_px == 0.0


def test_small_steps_revisit_only_what_was_just_before():
    one = scanpath([(10, 10), (60, 10), (64, 10)])
    found = describe_scanpaths([one], SIZE, radius_px=8.0)
    assert found.revisits == 1 / 2
    assert found.refixations == 0


def test_turns_are_alike_on_both_sides_of_the_cut_of_angles():
    left_up, left_down = (-10, 1), (-10, -1)
    points = np.cumsum([(150, 50), left_up, left_down], axis=0)
    assert describe_scanpaths([scanpath(points.tolist())], SIZE, radius_px=1.0).forward == 1


def test_scanpaths_count_together():
    first = scanpath([(100, 50), (110, 50)], 100.0)
    second = scanpath([(160, 50), (160, 70), (160, 90)], 300.0)
    found = describe_scanpaths([first, second], SIZE, radius_px=1.0)
    assert found.scanpaths == 2
    assert found.fixations == 2.5
    assert found.horizontal == pytest.approx(1 / 3)
    assert found.duration_ms == pytest.approx(220)
    assert found.first_from_center_px == 30.0


def test_what_cannot_be_counted_is_none():
    single = Scanpath.without_durations(np.array([3.0]), np.array([4.0]))
    found = describe_scanpaths([single], SIZE, radius_px=1.0).to_json()
    absent = {"saccade_px", "horizontal", "forward", "returning", "revisits", "refixations"}
    assert {key for key, value in found.items() if value is None} == {*absent, "duration_ms"}


def test_no_scanpaths_are_refused():
    with pytest.raises(DataError, match="no scanpaths to describe"):
        describe_scanpaths([], SIZE, radius_px=1.0)
