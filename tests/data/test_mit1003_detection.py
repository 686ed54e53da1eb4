"""Numbers marked so come from a line-by-line run of the authors' MATLAB routine."""

import numpy as np
import pytest

from foregaze.data.mit1003_detection import SAMPLING_RATE_HZ, detect_fixations


def gaze(*stops: tuple[float, float, int], travel: int = 4) -> np.ndarray:
    """Gaze that rests at x, y for some samples and travels between in `travel` samples."""
    parts = []
    for before, stop in zip((None, *stops), stops, strict=False):
        x, y, samples = stop
        if before is not None:
            share = np.arange(1, travel + 1)[:, None] / (travel + 1)
            parts.append(before[:2] + share * (np.array([x, y]) - before[:2]))
        parts.append(np.full((samples, 2), (x, y), dtype=float))
    return np.concatenate(parts)


FIRST = (100.0, 100.0, 60)
SECOND = (500.0, 300.0, 80)
THIRD = (800.0, 600.0, 100)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (gaze(FIRST, SECOND, THIRD), [(100, 100, 55), (500, 300, 71), (800, 600, 96)]),
        (gaze(FIRST, SECOND, travel=1), [(100, 100, 55), (500, 300, 76)]),
        (gaze(FIRST, SECOND, travel=12), [(100, 100, 55), (500, 300, 76)]),
        (gaze(FIRST, (500, 300, 10), THIRD), [(100, 100, 55), (800, 600, 96)]),  # one saccade
        (gaze(FIRST, SECOND, (800, 600, 8)), [(100, 100, 55), (500, 300, 71)]),  # ends in one
        (gaze(FIRST, (500, 300, 4)), [(100, 100, 55)]),
        (gaze(FIRST, (110, 100, 80)), [(110, 100, 144)]),  # too slow for a saccade
    ],
)
def test_fixations_equal_those_of_the_authors_routine(samples, expected):
    found = detect_fixations(samples)
    np.testing.assert_allclose(found[:, :2], [row[:2] for row in expected])
    np.testing.assert_allclose(found[:, 2] * SAMPLING_RATE_HZ / 1000, [row[2] for row in expected])


def test_resting_gaze_is_one_fixation_as_long_as_the_trial():
    assert detect_fixations(gaze((30.0, 40.0, 720))).tolist() == [[30.0, 40.0, 3000.0]]


@pytest.mark.parametrize("samples", [1, 2, 5, 6, 7, 8])
def test_short_trials_are_one_fixation(samples):
    found = detect_fixations(np.random.default_rng(0).random((samples, 2)))
    assert found[:, 2].tolist() == [samples * 1000 / SAMPLING_RATE_HZ]


def test_shifting_the_gaze_shifts_the_fixations_and_nothing_else():
    samples = gaze(FIRST, SECOND, THIRD) + np.random.default_rng(1).normal(0, 2, (248, 2))
    shift = np.array([64.0, -32.0, 0.0])
    np.testing.assert_allclose(
        detect_fixations(samples + shift[:2]), detect_fixations(samples) + shift
    )


def test_fixations_do_not_exceed_the_trial():
    rng = np.random.default_rng(2)
    for _ in range(50):
        stops = [(*rng.uniform(0, 1000, 2), int(rng.integers(2, 90))) for _ in range(8)]
        samples = gaze(*stops, travel=3)
        found = detect_fixations(samples)
        assert found[:, 2].sum() <= len(samples) * 1000 / SAMPLING_RATE_HZ
        assert (found[:-1, 2] > 0).all()


def test_lost_samples_do_not_move_a_fixation():
    samples = gaze(FIRST, SECOND)
    samples[20:24] = np.nan
    np.testing.assert_allclose(detect_fixations(samples)[0, :2], FIRST[:2])
    assert np.isnan(detect_fixations(np.full((40, 2), np.nan))[0, :2]).all()
