import numpy as np
import pytest
from hypothesis import given
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from foregaze.scanpath_metrics import NoDurationsError, Scanpath, TooShortError, multimatch
from foregaze.scanpath_metrics.multimatch import DIMENSIONS, compare_saccades, multimatch_pairs
from foregaze.scanpath_metrics.simplification import (
    SimplificationSetting,
    saccades_of,
    simplify,
)
from tests.scanpath_metrics.conftest import SIZE as GOLDEN_SIZE
from tests.scanpath_metrics.conftest import GoldenPair
from tests.scanpath_metrics.scanpaths import SIZE, path, random_path, scanpaths


def test_similarities_are_the_published_codes(golden: GoldenPair):
    found = multimatch(golden.a, golden.b, GOLDEN_SIZE)
    np.testing.assert_allclose(found, golden.values["multimatch"], atol=1e-12)


def test_similarities_of_simplified_scanpaths_are_the_published_codes(golden: GoldenPair):
    setting = SimplificationSetting(direction_deg=45.0, length_px=100.0, duration_ms=300.0)
    a, b = (simplify(saccades_of(s), setting) for s in (golden.a, golden.b))
    found = compare_saccades([a], [b], GOLDEN_SIZE)[0]
    expected = golden.values["multimatch_grouped_dir45_dur0.3_amp100"]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def through_scipys_graph(a: Scanpath, b: Scanpath) -> list[float]:
    """MultiMatch by its definition, with the path that SciPy's Dijkstra finds."""
    v, u = (np.stack([np.diff(s.x), np.diff(s.y)], axis=1) for s in (a, b))
    cost = np.linalg.norm(v[:, None] - u, axis=2)
    n, m = cost.shape
    edges = {
        (i * m + j, (i + di) * m + j + dj): cost[i + di, j + dj]
        for i in range(n)
        for j in range(m)
        for di, dj in ((1, 1), (1, 0), (0, 1))
        if i + di < n and j + dj < m
    }
    start, end = np.array(list(edges)).T
    graph = csr_matrix((list(edges.values()), (start, end)), shape=(n * m, n * m))
    _, before = dijkstra(graph, indices=0, return_predecessors=True)
    cell, cells = n * m - 1, []
    while cell >= 0:
        cells.append(divmod(cell, m))
        cell = before[cell]
    diagonal = np.hypot(*SIZE)
    found = []
    for i, j in cells:
        cosine = v[i] @ u[j] / np.linalg.norm(v[i]) / np.linalg.norm(u[j])
        longer = max(a.duration_ms[i], b.duration_ms[j])
        found.append(
            [
                cost[i, j] / (2 * diagonal),
                np.arccos(np.clip(cosine, -1, 1)) / np.pi,
                abs(np.linalg.norm(v[i]) - np.linalg.norm(u[j])) / diagonal,
                np.hypot(a.x[i] - b.x[j], a.y[i] - b.y[j]) / diagonal,
                abs(a.duration_ms[i] - b.duration_ms[j]) / longer,
            ]
        )
    return (1 - np.median(found, axis=0)).tolist()


@pytest.mark.parametrize("seed", range(30))
def test_similarities_are_those_along_the_path_of_scipys_dijkstra(seed):
    rng = np.random.default_rng(seed)
    a, b = random_path(rng, 3 + seed % 9), random_path(rng, 3 + seed % 7)
    np.testing.assert_allclose(multimatch(a, b, SIZE), through_scipys_graph(a, b), atol=1e-7)


@given(scanpaths(shortest=3), scanpaths(shortest=3))
def test_similarities_lie_from_0_to_1_and_are_1_for_a_scanpath_with_itself(a, b):
    found = multimatch(a, b, SIZE)
    assert (found >= 0).all()
    assert (found <= 1).all()
    np.testing.assert_array_equal(multimatch(a, a, SIZE), np.ones(5))


def test_similarities_are_symmetric_where_no_paths_tie():
    rng = np.random.default_rng(7)
    for _ in range(50):
        a, b = random_path(rng, 8), random_path(rng, 6)
        np.testing.assert_allclose(multimatch(a, b, SIZE), multimatch(b, a, SIZE), atol=1e-12)


def test_a_shifted_scanpath_differs_in_position_alone():
    a = path((10, 10, 200), (30, 10, 300), (30, 40, 250))
    shifted = Scanpath(a.x + 6, a.y + 8, a.duration_ms)
    expected = [1, 1, 1, 1 - 10 / 100, 1]  # the diagonal is 100 px
    np.testing.assert_allclose(multimatch(a, shifted, SIZE), expected, atol=1e-12)


def test_a_reversed_direction_is_half_a_turn():
    a = path((10, 30, 200), (30, 30, 200), (50, 30, 200))
    b = path((50, 30, 100), (30, 30, 100), (10, 30, 100))
    found = dict(zip(DIMENSIONS, multimatch(a, b, SIZE), strict=True))
    assert found["direction"] == pytest.approx(0)
    assert found["length"] == pytest.approx(1)
    assert found["vector"] == pytest.approx(1 - 40 / 200)
    assert found["duration"] == pytest.approx(0.5)


def test_scaling_the_stimulus_changes_nothing():
    rng = np.random.default_rng(8)
    a, b = random_path(rng, 8), random_path(rng, 9)
    scaled = [Scanpath(0.4 * s.x, 0.4 * s.y, s.duration_ms) for s in (a, b)]
    found = multimatch(*scaled, (24, 32))
    np.testing.assert_allclose(found, multimatch(a, b, SIZE), atol=1e-12)


def test_two_fixations_have_no_multimatch():
    short, long = path((1, 1, 100), (9, 9, 100)), path(*[(k, k, 100) for k in range(5)])
    with pytest.raises(TooShortError, match=r"MultiMatch needs 3 fixations .* one has 2"):
        multimatch(short, long, SIZE)
    scores = multimatch_pairs([long, long, short], [short, long, long], SIZE)
    assert np.isnan(scores[[0, 2]]).all()
    np.testing.assert_array_equal(scores[1], np.ones(5))


def test_an_unknown_duration_leaves_the_other_four():
    a, b = path((1, 1), (9, 9), (4, 5)), path((1, 1, 100), (9, 9, 100), (4, 5, 100))
    with pytest.raises(NoDurationsError, match="MultiMatch's duration"):
        multimatch(a, b, SIZE)
    np.testing.assert_array_equal(multimatch_pairs([a], [b], SIZE), [[1, 1, 1, 1, np.nan]])


def test_two_fixations_of_no_duration_are_equal():
    still = path((1, 1, 0), (9, 9, 0), (4, 5, 0))
    np.testing.assert_array_equal(multimatch(still, still, SIZE), np.ones(5))


def test_pairs_scored_together_score_as_alone():
    rng = np.random.default_rng(9)
    first = [random_path(rng, n) for n in (3, 5, 12)]
    second = [random_path(rng, n) for n in (7, 4, 3)]
    alone = [multimatch(a, b, SIZE) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(multimatch_pairs(first, second, SIZE), alone, rtol=1e-14)
