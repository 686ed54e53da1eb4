import numpy as np
import pytest
from hypothesis import given

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics import TooShortError, UndefinedScoreError, cross_recurrence
from foregaze.scanpath_metrics.recurrence import (
    cross_recurrence_pairs,
    toolbox_corm,
    toolbox_determinism,
    toolbox_laminarity,
    toolbox_recurrence,
)
from tests.scanpath_metrics.scanpaths import path, random_path, scanpaths

RADIUS = 20.0
HERE, THERE, ELSEWHERE = (10, 10), (50, 10), (10, 55)


def matrix(a, b):
    n = min(len(a), len(b))
    apart = np.hypot(a.x[:n, None] - b.x[:n], a.y[:n, None] - b.y[:n])
    return apart < RADIUS


def runs(line):
    """Lengths of the runs of ones."""
    return [len(run) for run in "".join("01"[int(value)] for value in line).split("0") if run]


def diagonals(c):
    n = len(c)
    return [np.diagonal(c, offset) for offset in range(-n + 1, n)]


@given(scanpaths(shortest=2), scanpaths(shortest=2))
def test_measures_are_those_of_the_definition(a, b):
    c = matrix(a, b)
    n, points = len(c), int(c.sum())
    found = cross_recurrence_pairs([a], [b], RADIUS)[0]
    assert found[0] == pytest.approx(100 * points / n**2)
    if not points:
        assert np.isnan(found[1:]).all()
        return
    determined = sum(run for line in diagonals(c) for run in runs(line) if run > 1)
    laminar = sum(run for line in [*c, *c.T] for run in runs(line) if run > 1)
    mass = sum((j - i) * c[i, j] for i in range(n) for j in range(n))
    assert found[1] == pytest.approx(100 * determined / points)
    assert found[2] == pytest.approx(100 * laminar / (2 * points))
    assert found[3] == pytest.approx(100 * mass / ((n - 1) * points))


@given(scanpaths(shortest=2), scanpaths(shortest=2))
def test_exchanging_the_scanpaths_changes_only_who_leads(a, b):
    forth, back = (cross_recurrence_pairs([p], [q], RADIUS)[0] for p, q in ((a, b), (b, a)))
    np.testing.assert_allclose(back, forth * [1, 1, 1, -1], atol=1e-12)


def test_equal_scanpaths_of_distinct_places_are_fully_determined_and_not_laminar():
    scanpath = path(HERE, THERE, ELSEWHERE)
    found = cross_recurrence(scanpath, scanpath, RADIUS)
    assert found.rec == pytest.approx(100 / 3)
    assert (found.det, found.lam, found.corm) == (100, 0, 0)


def test_the_one_who_looks_first_leads():
    leader, follower = path(HERE, THERE, ELSEWHERE), path((75, 55), HERE, THERE)
    found = cross_recurrence(leader, follower, RADIUS)
    assert found.corm == pytest.approx(100 * (1 + 1) / (2 * 2))
    assert found.det == 100


def test_dwelling_is_laminar():
    found = cross_recurrence(path(HERE, HERE, THERE), path(HERE, HERE, ELSEWHERE), RADIUS)
    assert found.rec == pytest.approx(100 * 4 / 9)
    assert found.lam == 100
    assert found.det == pytest.approx(50)  # of the square's four points two lie on its diagonal


def test_the_longer_scanpath_is_cut():
    short, long = path(HERE, THERE), path(HERE, THERE, THERE, THERE)
    assert cross_recurrence(short, long, RADIUS).rec == pytest.approx(50)


def test_pairs_scored_together_score_as_alone():
    rng = np.random.default_rng(11)
    first = [random_path(rng, n) for n in (3, 5, 12)]
    second = [random_path(rng, n) for n in (7, 9, 10)]
    together = cross_recurrence_pairs(first, second, RADIUS)
    for row, a, b in zip(together, first, second, strict=True):
        np.testing.assert_array_equal(row, cross_recurrence_pairs([a], [b], RADIUS)[0])


def test_where_nothing_coincides_only_rec_exists():
    a, b = path(HERE, HERE), path(THERE, ELSEWHERE)
    with pytest.raises(UndefinedScoreError, match=r"no fixations .* within 20\.0 px"):
        cross_recurrence(a, b, RADIUS)
    np.testing.assert_array_equal(cross_recurrence_pairs([a], [b], RADIUS)[0], [0] + [np.nan] * 3)


def test_one_fixation_or_no_radius_is_refused():
    with pytest.raises(TooShortError, match="cross-recurrence needs 2 fixations"):
        cross_recurrence(path(HERE), path(HERE, THERE), RADIUS)
    with pytest.raises(ShapeError, match="give a positive radius"):
        cross_recurrence(path(HERE, HERE), path(HERE, THERE), 0.0)


@given(scanpaths(shortest=2), scanpaths(shortest=2))
def test_the_toolbox_forms_count_lines_and_the_upper_half(a, b):
    c = matrix(a, b)
    n, upper = len(c), np.triu(c, 1)
    points = int(upper.sum())
    expected = 200 * points / (n * (n - 1))
    assert toolbox_recurrence(a, b, RADIUS) == pytest.approx(expected)
    if not points:
        for measure in (toolbox_determinism, toolbox_laminarity, toolbox_corm):
            with pytest.raises(UndefinedScoreError, match="0/0"):
                measure(a, b, RADIUS)
        return
    lines = sum(run > 1 for line in diagonals(upper) for run in runs(line))
    assert toolbox_determinism(a, b, RADIUS) == pytest.approx(100 * lines / points)
    lines = sum(run > 1 for line in [*c, *c.T] for run in runs(line))
    assert toolbox_laminarity(a, b, RADIUS) == pytest.approx(100 * lines / (2 * points))
    mass = sum((j - i) * upper[i, j] for i in range(n) for j in range(n))
    assert toolbox_corm(a, b, RADIUS) == pytest.approx(100 * mass / ((n - 1) * points))
