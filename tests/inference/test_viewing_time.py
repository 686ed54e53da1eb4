import numpy as np
import pytest

from foregaze.inference.viewing_time import (
    SHORTEST_MS,
    cut_viewing,
    draw_viewing_ms,
    end_viewing,
)
from foregaze.scanpath_metrics import Scanpath

PATH = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
DURATIONS = np.array([100.0, 200.0, 300.0])


def scanpath() -> Scanpath:
    return Scanpath(PATH[:, 0], PATH[:, 1], DURATIONS)


def test_the_last_fixation_lasts_until_time_is_over():
    ended = end_viewing(PATH, DURATIONS, 450.0)
    assert ended.duration_ms.tolist() == [100.0, 200.0, 150.0]
    assert ended.x.tolist() == [1.0, 3.0, 5.0]


def test_a_fixation_that_would_be_cut_to_almost_nothing_is_left_out():
    ended = end_viewing(PATH, DURATIONS, 300.0 + SHORTEST_MS - 1)
    assert ended.duration_ms.tolist() == [100.0, 200.0]


def test_an_only_fixation_stays_however_short_time_is():
    ended = end_viewing(PATH[:1], DURATIONS[:1], 3.0)
    assert ended.duration_ms.tolist() == [SHORTEST_MS]


def test_without_a_budget_nothing_is_cut():
    assert end_viewing(PATH, DURATIONS, None).duration_ms.tolist() == DURATIONS.tolist()


@pytest.mark.parametrize(
    ("budget_ms", "left"),
    [(250.0, [100.0, 150.0]), (300.0, [100.0, 200.0]), (305.0, [100.0, 200.0]), (60.0, [60.0])],
)
def test_what_starts_after_the_end_is_left_out(budget_ms, left):
    cut = cut_viewing(scanpath(), budget_ms)
    assert cut.duration_ms.tolist() == left
    assert cut.y.tolist() == [2.0, 4.0, 6.0][: len(left)]


def test_a_viewing_that_is_shorter_than_the_time_stays_whole():
    assert cut_viewing(scanpath(), 601.0).duration_ms.tolist() == DURATIONS.tolist()


def test_drawn_times_have_the_quantiles_that_they_are_drawn_from():
    drawn = draw_viewing_ms(np.array([100.0, 200.0, 600.0]), 20_000, np.random.default_rng(0))
    assert drawn.min() >= 100
    assert drawn.max() <= 600
    found = np.quantile(drawn, [0.25, 0.5, 0.75])
    np.testing.assert_allclose(found, [150, 200, 400], rtol=0.02)  # about 3 standard errors
