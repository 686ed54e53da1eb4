"""The dynamic programs against their recursive definitions, which are right at sight but slow."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics.alignment import (
    best_alignments,
    cheapest_paths,
    edit_distances,
    path_costs,
)
from foregaze.scanpath_metrics.padding import lengths_of, pad_codes
from tests.scanpath_metrics.scanpaths import codes

K = 4
SIMILARITY = np.array([[2.0, 0.5, -1, 0], [0.5, 1, 0, -2], [-1, 0, 3, 0.25], [0, -2, 0.25, 1]])
GAPS = st.sampled_from([0.0, -0.25, -1.0])  # exact in binary, so that no tolerance is needed

several = st.lists(st.tuples(codes, codes), min_size=1, max_size=4)


def largest_entry(a, b, gap):
    @cache
    def entry(i, j):
        if 0 in (i, j):
            return gap * (i + j)
        return max(
            entry(i - 1, j - 1) + SIMILARITY[a[i - 1], b[j - 1]],
            entry(i - 1, j) + gap,
            entry(i, j - 1) + gap,
        )

    return max(entry(i, j) for i in range(len(a) + 1) for j in range(len(b) + 1))


def edits(a, b):
    if not len(a) or not len(b):
        return len(a) + len(b)
    return min(edits(a[1:], b[1:]) + (a[0] != b[0]), edits(a[1:], b) + 1, edits(a, b[1:]) + 1)


def cheapest(cost):
    n, m = cost.shape
    if n == m == 1:
        return cost[0, 0]
    shorter = [cost[: n - di, : m - dj] for di, dj in ((1, 1), (1, 0), (0, 1))]
    return cost[-1, -1] + min(cheapest(c) for c in shorter if c.size)


@given(several, GAPS)
def test_alignment_of_padded_pairs_is_the_recursive_one(pairs, gap):
    first, second = zip(*pairs, strict=True)
    found = best_alignments(pad_codes(first, K), pad_codes(second, K), SIMILARITY, gap)
    expected = [largest_entry(tuple(a), tuple(b), gap) for a, b in pairs]
    np.testing.assert_array_equal(found, expected)


def test_a_rewarded_gap_is_refused():
    with pytest.raises(ShapeError, match="rewards leaving symbols out"):
        best_alignments(np.zeros((1, 1), int), np.zeros((1, 1), int), SIMILARITY, 0.5)


@given(several)
def test_edit_distance_of_padded_pairs_is_the_recursive_one(pairs):
    first, second = zip(*pairs, strict=True)
    found = edit_distances(
        pad_codes(first, 0), pad_codes(second, 0), lengths_of(first), lengths_of(second)
    )
    np.testing.assert_array_equal(found, [edits(a, b) for a, b in pairs])


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 10**6))
def test_path_costs_are_the_recursive_ones(n, m, seed):
    cost = np.random.default_rng(seed).integers(0, 5, size=(2, n, m)).astype(np.float64)
    found = path_costs(cost)[:, -1, -1]
    np.testing.assert_array_equal(found, [cheapest(c) for c in cost])


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 10**6))
def test_a_cheapest_path_steps_from_end_to_start_and_costs_what_it_should(n, m, seed):
    cost = np.random.default_rng(seed).integers(0, 3, size=(1, n, m)).astype(np.float64)
    rows, columns, cells = cheapest_paths(cost, np.array([n]), np.array([m]))
    i, j = rows[0, : cells[0]], columns[0, : cells[0]]
    assert (i[0], j[0], i[-1], j[-1]) == (n - 1, m - 1, 0, 0)
    steps = set(zip(-np.diff(i), -np.diff(j), strict=True))
    assert steps <= {(1, 1), (1, 0), (0, 1)}
    assert cost[0, i, j].sum() == cheapest(cost[0])


def test_padding_does_not_change_a_pairs_path():
    rng = np.random.default_rng(1)
    cost = rng.uniform(size=(2, 5, 6))
    both = cheapest_paths(cost, np.array([5, 3]), np.array([6, 2]))
    alone = cheapest_paths(cost[1:, :3, :2], np.array([3]), np.array([2]))
    cells = alone[2][0]
    assert both[2][1] == cells
    np.testing.assert_array_equal(both[0][1, :cells], alone[0][0, :cells])
    np.testing.assert_array_equal(both[1][1, :cells], alone[1][0, :cells])


def test_of_equally_cheap_predecessors_the_diagonal_one_is_taken_then_the_one_above():
    free = np.zeros((1, 3, 3))
    rows, columns, cells = cheapest_paths(free, np.array([3]), np.array([3]))
    assert rows[0, : cells[0]].tolist() == columns[0, : cells[0]].tolist() == [2, 1, 0]
    no_diagonal = np.array([[[0.0, 1, 1], [1, 9, 1], [1, 1, 0]]])
    rows, columns, cells = cheapest_paths(no_diagonal, np.array([3]), np.array([3]))
    assert (rows[0, : cells[0]].tolist(), columns[0, : cells[0]].tolist()) == (
        [2, 1, 0, 0],
        [2, 2, 1, 0],
    )
