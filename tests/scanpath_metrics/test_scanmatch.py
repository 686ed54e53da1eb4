import numpy as np
import pytest
from hypothesis import given

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics import NoDurationsError, NoSymbolsError, Scanpath, scanmatch
from foregaze.scanpath_metrics.scanmatch import (
    GAZEPARSER,
    OSIE,
    OSIE_WITHOUT_DURATION,
    TOOLBOX,
    ScanMatchSetting,
    scanmatch_pairs,
)
from tests.scanpath_metrics.conftest import SIZE as GOLDEN_SIZE
from tests.scanpath_metrics.conftest import GoldenPair
from tests.scanpath_metrics.scanpaths import SIZE, path, random_path, scanpaths

SETTINGS = [TOOLBOX, GAZEPARSER, OSIE, OSIE_WITHOUT_DURATION]


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        (OSIE, "scanmatch_16x12_T50"),
        (OSIE_WITHOUT_DURATION, "scanmatch_16x12_noT"),
        (TOOLBOX, "scanmatch_12x8_T100"),
    ],
)
def test_scores_are_the_published_codes(golden: GoldenPair, setting, name):
    found = scanmatch(golden.a, golden.b, GOLDEN_SIZE, setting)
    assert found == pytest.approx(golden.values[name], abs=1e-12)


@pytest.mark.parametrize("setting", SETTINGS)
@given(a=scanpaths(), b=scanpaths())
def test_scores_lie_from_0_to_1_are_symmetric_and_1_for_a_scanpath_with_itself(setting, a, b):
    score = scanmatch(a, b, SIZE, setting)
    assert 0 <= score <= 1
    assert scanmatch(b, a, SIZE, setting) == pytest.approx(score, abs=1e-12)
    assert scanmatch(a, a, SIZE, setting) == pytest.approx(1, abs=1e-12)


def test_two_cells_apart_is_worth_the_threshold_less_two():
    one_cell = path((2, 2))  # cells of 5 px
    score = scanmatch(one_cell, path((12, 2)), SIZE, OSIE_WITHOUT_DURATION)
    assert score == pytest.approx((3.5 - 2) / 3.5)
    assert scanmatch(one_cell, path((22, 2)), SIZE, OSIE_WITHOUT_DURATION) == 0  # 4 cells: a gap


def test_a_fixation_of_three_bins_is_three_symbols():
    long, short = path((2, 2, 150)), path((2, 2, 50))
    assert scanmatch(long, short, SIZE, OSIE) == pytest.approx(1 / 3)


def test_bins_are_of_whole_milliseconds_and_halves_round_to_even():
    reference = path((2, 2, 500))
    for duration_ms, bins in ((125, 2), (175, 4), (174.9, 3), (75.9, 2), (25.9, 0)):
        other = path((2, 2, duration_ms), (2, 2, 50))
        found = scanmatch(other, reference, SIZE, OSIE)
        assert found == pytest.approx((bins + 1) / 10), duration_ms


def test_scaling_the_stimulus_to_320x240_changes_nothing():
    rng = np.random.default_rng(4)
    for _ in range(20):
        large = [random_path(rng, 9), random_path(rng, 7)]
        large = [Scanpath(s.x * 10, s.y * 10, s.duration_ms) for s in large]
        small = [Scanpath(s.x / 2.5, s.y / 2.5, s.duration_ms) for s in large]
        expected = scanmatch(*large, (600, 800), OSIE)
        assert scanmatch(*small, (240, 320), OSIE) == pytest.approx(expected, abs=1e-12)


def test_unknown_durations_stop_only_a_setting_with_a_temporal_bin():
    known, unknown = path((2, 2, 150)), path((2, 2))
    with pytest.raises(NoDurationsError, match="ScanMatch with a temporal bin needs the duration"):
        scanmatch(known, unknown, SIZE, OSIE)
    assert np.isnan(scanmatch_pairs([known], [unknown], SIZE, OSIE)).all()
    assert scanmatch(known, unknown, SIZE, OSIE_WITHOUT_DURATION) == 1


def test_fixations_that_fill_no_bin_leave_no_score():
    glance = path((2, 2, 20), (9, 9, 24))
    with pytest.raises(NoSymbolsError, match=r"the longest of 2 lasts 24\.0 ms"):
        scanmatch(path((2, 2, 150)), glance, SIZE, OSIE)
    assert np.isnan(scanmatch_pairs([glance], [glance], SIZE, OSIE)).all()


def test_pairs_scored_together_score_as_alone():
    rng = np.random.default_rng(5)
    first = [random_path(rng, n) for n in (1, 5, 9)]
    second = [random_path(rng, n) for n in (7, 2, 3)]
    together = scanmatch_pairs(first, second, SIZE, TOOLBOX)
    alone = [scanmatch(a, b, SIZE, TOOLBOX) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=1e-14)


def test_a_costly_gap_lowers_the_score():
    free = ScanMatchSetting(columns=16, rows=12, temporal_bin_ms=None)
    costly = ScanMatchSetting(columns=16, rows=12, temporal_bin_ms=None, gap=-1.0)
    a, b = path((2, 2), (70, 50), (2, 2)), path((2, 2), (2, 2))
    assert scanmatch(a, b, SIZE, free) == pytest.approx(2 / 3)
    assert scanmatch(a, b, SIZE, costly) == pytest.approx((2 * 3.5 - 1) / (3 * 3.5))


@pytest.mark.parametrize("wrong", [{"threshold_cells": 0.0}, {"temporal_bin_ms": -50.0}])
def test_a_setting_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ShapeError, match="above 0"):
        ScanMatchSetting(**{"columns": 16, "rows": 12, "temporal_bin_ms": None, **wrong})
