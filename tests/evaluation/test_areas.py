from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from foregaze.data.areas import rectangle_area, segment_areas
from foregaze.errors import ConfigError, DataError, ShapeError
from foregaze.evaluation.area_report import Estimate
from foregaze.evaluation.areas import look_at_areas, wilson_interval
from foregaze.scanpath_metrics import Scanpath
from tests.scanpath_metrics.scanpaths import SIZE, path, random_path

LEFT = rectangle_area("left", 0, 0, 40, 60, SIZE)
RIGHT = rectangle_area("right", 40, 0, 40, 60, SIZE)
MIDDLE = rectangle_area("middle", 30, 20, 20, 20, SIZE)
AREAS = [LEFT, RIGHT, MIDDLE]


def look(scanpaths, areas=AREAS, **horizon):
    return look_at_areas(scanpaths, areas, SIZE, **horizon).sources[0]


def plainly(scanpath, area, horizon_ms, most, saccade_ms):
    """What a viewing does with an area, fixation by fixation."""
    clock, seen, number, fixations, dwell = 0.0, None, None, 0, 0.0
    for k in range(len(scanpath)):
        if clock >= horizon_ms or k >= most:
            break
        inside = area.contains(scanpath.x[k : k + 1], scanpath.y[k : k + 1])[0]
        if inside:
            fixations += 1
            dwell += min(scanpath.duration_ms[k], horizon_ms - clock)
            if seen is None:
                seen, number = clock, k + 1
        clock += scanpath.duration_ms[k] + saccade_ms
    return seen, number, fixations, dwell


@pytest.mark.parametrize(
    ("horizon", "saccade_ms"),
    [
        ({"seconds": 1.0}, 0.0),
        ({"seconds": 1.3}, 70.0),
        ({"fixations": 3}, 0.0),
        ({"fixations": 99}, 50.0),
    ],
)
def test_numbers_are_those_of_a_plain_loop(horizon, saccade_ms):
    rng = np.random.default_rng(4)
    scanpaths = [random_path(rng, length) for length in rng.integers(1, 9, 40)]
    found = look(scanpaths, **horizon, saccade_ms=saccade_ms)
    horizon_ms = 1000 * horizon.get("seconds", np.inf)
    firsts = []
    for area, looks in zip(AREAS, found.looks, strict=True):
        rows = [
            plainly(s, area, horizon_ms, horizon.get("fixations", 99), saccade_ms)
            for s in scanpaths
        ]
        saw = [row for row in rows if row[0] is not None]
        assert looks.seen.value == len(saw) / len(rows)
        assert looks.first_ms.value == pytest.approx(np.mean([row[0] for row in saw]))
        assert looks.first_number.value == pytest.approx(np.mean([row[1] for row in saw]))
        assert looks.fixations.value == pytest.approx(np.mean([row[2] for row in rows]))
        assert looks.dwell_ms.value == pytest.approx(np.mean([row[3] for row in rows]))
        assert looks.seen_by[-1] == looks.seen.value
        firsts.append(np.array([row[1] or np.inf for row in rows], dtype=float))
    for order, (a, b) in zip(found.orders, combinations(firsts, 2), strict=True):
        assert order.before.value == (a < b).mean()
        assert order.after.value == (a > b).mean()
        assert order.together.value == ((a == b) & np.isfinite(a)).mean()
        assert order.neither.value == (np.isinf(a) & np.isinf(b)).mean()


def test_an_area_is_seen_if_a_fixation_in_it_starts_before_the_horizon():
    scanpath = path((10, 10, 600), (60, 10, 400))
    assert look([scanpath], seconds=0.6).looks[1].seen.value == 0  # it starts at 600 ms
    assert look([scanpath], seconds=0.6001).looks[1].seen.value == 1
    assert look([scanpath], seconds=0.65, saccade_ms=50.0).looks[1].seen.value == 0
    assert look([scanpath], seconds=0.651, saccade_ms=50.0).looks[1].seen.value == 1
    assert look([scanpath], fixations=1).looks[1].seen.value == 0


def test_dwell_time_ends_at_the_horizon():
    scanpath = path((10, 10, 600), (60, 10, 400))
    left, right, _ = look([scanpath], seconds=0.75, saccade_ms=50.0).looks
    assert (left.dwell_ms.value, right.dwell_ms.value) == (600, pytest.approx(100))
    assert (left.fixations.value, right.fixations.value) == (1, 1)


def test_first_times_count_only_those_who_saw_it():
    viewings = [path((10, 10, 200), (60, 10, 200)), path((10, 10, 200), (11, 10, 200))]
    right = look(viewings, seconds=1.0).looks[1]
    assert right.seen.value == 0.5
    assert right.first_ms == Estimate(200.0, None)  # of one viewing there is no interval
    assert right.first_number == Estimate(2.0, None)
    nowhere = look(viewings[1:], seconds=1.0).looks[1]
    assert nowhere.first_ms == nowhere.first_number == Estimate(None, None)


def test_ranks_are_places_among_the_areas_seen():
    viewings = [path((10, 10, 1), (60, 10, 1)), path((60, 10, 1)), path((35, 30, 1), (60, 10, 1))]
    left, right, middle = look(viewings, fixations=2).looks
    assert [rank.value for rank in left.ranks] == pytest.approx([2 / 3, 0, 0])
    assert [rank.value for rank in right.ranks] == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    assert [rank.value for rank in middle.ranks] == pytest.approx([1 / 3, 0, 0])  # shares the first


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 4))
def test_shares_add_up(seed, seconds):
    rng = np.random.default_rng(seed)
    segments = rng.integers(0, 5, SIZE)
    found = look([random_path(rng, 6) for _ in range(5)], segment_areas(segments), seconds=seconds)
    for looks in found.looks:
        assert sum(rank.value for rank in looks.ranks) == pytest.approx(looks.seen.value)
        assert list(looks.seen_by) == sorted(looks.seen_by)
    for order in found.orders:
        parts = (order.before, order.after, order.together, order.neither)
        assert sum(part.value for part in parts) == pytest.approx(1)
        assert order.together.value == 0  # segments do not overlap
    seen_first = sum(looks.ranks[0].value for looks in found.looks)
    assert seen_first == pytest.approx(1)  # segments cover the image


def test_curves_over_fixations_and_time():
    viewings = [path((60, 10, 500), (10, 10, 500)), path((60, 10, 250), (61, 10, 250))]
    left = look(viewings, [LEFT], fixations=3)
    assert left.moments == (1, 2, 3)
    assert left.looks[0].seen_by == (0, 0.5, 0.5)
    timed = look(viewings, [LEFT], seconds=1.0)
    assert (len(timed.moments), timed.moments[-1]) == (60, 1)
    share = np.array(timed.looks[0].seen_by)
    np.testing.assert_array_equal(share, np.where(np.array(timed.moments) > 0.5, 0.5, 0))


@given(st.integers(2, 2000), st.floats(0, 1))
def test_shares_have_wilsons_interval(of, share):
    count = round(of * share)
    expected = stats.binomtest(count, of).proportion_ci(method="wilson")
    assert wilson_interval(count, of) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_means_have_students_interval():
    rng = np.random.default_rng(0)
    viewings = [random_path(rng, 5) for _ in range(12)]
    found = look(viewings, seconds=9.0).looks[0].dwell_ms
    dwell = [s.duration_ms[LEFT.contains(s.x, s.y)].sum() for s in viewings]
    expected = stats.t.interval(0.95, 11, np.mean(dwell), stats.sem(dwell))
    assert found.ci95 == pytest.approx(expected)


def test_intervals_stay_where_values_can_be():
    viewings = [path((10, 10, 10)), path((10, 10, 10), (60, 10, 900)), path((10, 10, 10))]
    left, right, _ = look(viewings, seconds=1.0).looks
    assert right.dwell_ms.ci95[0] == right.fixations.ci95[0] == 0
    assert left.first_number.ci95 == (1, 1)
    assert left.seen.ci95[1] == 1
    assert left.seen.ci95[0] < 1


def test_one_viewing_has_no_intervals():
    found = look([path((10, 10, 10))], seconds=1.0)
    left = found.looks[0]
    assert left.seen == left.fixations == Estimate(1.0, None)
    assert left.dwell_ms == Estimate(10.0, None)
    assert found.orders[0].before == Estimate(1.0, None)


def test_without_durations_times_are_absent_and_the_rest_is_there():
    viewings = [path((10, 10), (60, 10)), path((10, 10, 5), (60, 10, 5))]
    found = look(viewings, fixations=2)
    assert found.looks[0].first_ms == found.looks[0].dwell_ms == Estimate(None, None)
    assert found.looks[1].first_number.value == 2
    reason = "durations of fixations are not known in 1 of 2 viewings"
    assert found.absent == {"first_ms": reason, "dwell_ms": reason}
    assert look(viewings[1:], fixations=2).absent == {}


def test_durations_beyond_the_horizon_need_not_be_known():
    scanpath = Scanpath(np.array([10.0, 60.0]), np.ones(2), np.array([200.0, np.nan]))
    found = look([scanpath], fixations=1)
    assert (found.looks[0].dwell_ms.value, found.absent) == (200, {})


def test_a_time_without_durations_is_refused():
    message = r"durations of fixations are not known in 1 of 2 scanpaths.*give fixations in place"
    with pytest.raises(DataError, match=message):
        look([path((10, 10)), path((10, 10, 5))], seconds=1.0)


def test_fixations_outside_the_image_take_time_and_see_nothing():
    found = look([path((-5, 10, 300), (10, 10, 100), (10, 70, 9))], seconds=1.0)
    assert found.looks[0].first_ms.value == 300
    assert found.looks[0].fixations.value == 1


def test_viewings_that_end_before_the_horizon_are_counted():
    viewings = [path((10, 10, 400)), path((10, 10, 1000)), path((10, 10, 950))]
    assert look(viewings, seconds=1.0).ended_early == 2
    assert look(viewings, seconds=1.0, saccade_ms=50.0).ended_early == 1
    assert look([*viewings, path((1, 1), (2, 2))][::3], fixations=2).ended_early == 1


@pytest.mark.parametrize(
    ("horizon", "message"),
    [
        ({}, "give either seconds or fixations, and not both"),
        ({"seconds": 3.0, "fixations": 3}, "give either seconds or fixations, and not both"),
        ({"seconds": 0.0}, "seconds is 0, expected a positive number such as 3"),
        ({"seconds": -1.0}, "seconds is -1, expected a positive"),
        ({"seconds": np.inf}, "seconds is inf, expected a positive"),
        ({"seconds": np.nan}, "seconds is nan, expected a positive"),
        ({"fixations": 0}, "fixations is 0, expected a whole number from 1"),
        ({"seconds": 3.0, "saccade_ms": -1.0}, "saccade_ms is -1, expected a number from 0"),
        ({"seconds": 3.0, "saccade_ms": np.nan}, "saccade_ms is nan, expected a number from 0"),
    ],
)
def test_horizons_that_are_none_are_refused(horizon, message):
    with pytest.raises(ConfigError, match=message):
        look([path((10, 10, 5))], **horizon)


def test_what_cannot_be_looked_at_is_refused():
    with pytest.raises(DataError, match="there are no scanpaths"):
        look([], seconds=1.0)
    with pytest.raises(DataError, match="no areas; give at least one"):
        look([path((1, 1, 1))], [], seconds=1.0)
    with pytest.raises(DataError, match="2 areas are called 'left'"):
        look([path((1, 1, 1))], [LEFT, LEFT], seconds=1.0)
    with pytest.raises(ShapeError, match=r"area 'left' is on an image of .*\(60, 80\), not"):
        look_at_areas([path((1, 1, 1))], [LEFT], (80, 60), seconds=1.0)
