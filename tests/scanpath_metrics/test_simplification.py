import numpy as np
from hypothesis import given

from foregaze.scanpath_metrics.simplification import (
    SimplificationSetting,
    saccades_of,
    simplify,
)
from tests.scanpath_metrics.scanpaths import path, scanpaths

STRAIGHT_ONLY = SimplificationSetting(direction_deg=45.0, length_px=0.0, duration_ms=300.0)
SHORT_ONLY = SimplificationSetting(direction_deg=0.0, length_px=10.0, duration_ms=300.0)


def test_a_saccade_that_goes_straight_on_is_merged():
    saccades = simplify(
        saccades_of(path((0, 0, 200), (30, 0, 250), (60, 5, 400), (60, 50, 100))), STRAIGHT_ONLY
    )
    assert saccades.dx.tolist() == [60, 0]
    assert saccades.dy.tolist() == [5, 45]
    assert saccades.x.tolist() == [0, 60]
    assert saccades.duration_ms.tolist() == [200, 400]


def test_a_long_fixation_between_them_keeps_saccades_apart():
    saccades = saccades_of(path((0, 0, 200), (30, 0, 300), (60, 5, 400)))
    assert len(simplify(saccades, STRAIGHT_ONLY)) == 2


def test_a_short_saccade_is_merged_with_the_next():
    saccades = saccades_of(path((0, 0, 200), (5, 0, 250), (5, 40, 400), (60, 50, 100)))
    simplified = simplify(saccades, SHORT_ONLY)
    assert simplified.dx.tolist() == [5, 55]
    assert simplified.dy.tolist() == [40, 10]


def test_a_short_last_saccade_is_merged_into_the_one_before():
    saccades = saccades_of(path((0, 0, 400), (50, 0, 400), (50, 50, 400), (55, 50, 100)))
    simplified = simplify(saccades, SHORT_ONLY)
    assert simplified.dx.tolist() == [50, 5]
    assert simplified.dy.tolist() == [0, 50]


def test_a_single_short_saccade_stays():
    assert len(simplify(saccades_of(path((0, 0, 100), (5, 0, 100))), SHORT_ONLY)) == 1


def test_a_saccade_of_no_length_has_no_direction_to_merge_by():
    saccades = saccades_of(path((0, 0, 100), (0, 0, 100), (30, 0, 100)))
    assert len(simplify(saccades, STRAIGHT_ONLY)) == 2


@given(scanpaths(shortest=2))
def test_simplified_saccades_lead_to_the_same_end_and_cannot_be_simplified_further(scanpath):
    setting = SimplificationSetting(length_px=20.0)
    saccades = saccades_of(scanpath)
    simplified = simplify(saccades, setting)
    assert 1 <= len(simplified) <= len(saccades)
    ends = np.stack([simplified.x + simplified.dx, simplified.y + simplified.dy])
    assert ends[:, -1].tolist() == [scanpath.x[-1], scanpath.y[-1]]
    starts = np.stack([simplified.x, simplified.y])
    np.testing.assert_array_equal(ends[:, :-1], starts[:, 1:])
    assert len(simplify(simplified, setting)) == len(simplified)
