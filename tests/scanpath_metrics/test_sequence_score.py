from functools import cache

import numpy as np
import pytest
from hypothesis import given
from sklearn.cluster import MeanShift

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics import Scanpath, mean_shift, sequence_score
from foregaze.scanpath_metrics.sequence_score import nearest_center, sequence_score_pairs
from tests.scanpath_metrics.conftest import GoldenPair
from tests.scanpath_metrics.scanpaths import path, random_path, scanpaths

CENTERS = np.array([[10.0, 10], [70, 10], [10, 50], [70, 50]])


def test_the_score_is_the_published_codes_to_its_single_precision(golden: GoldenPair):
    row, column = np.divmod(np.arange(12), 4)
    centers = np.stack([100.0 + 200 * column, 100.0 + 200 * row], axis=1)  # of 4x3 cells
    assert nearest_center(golden.a, centers).tolist() == golden.values["string_a_4x3"]
    score = sequence_score(golden.a, golden.b, centers)
    assert float(np.float32(score)) == golden.values["sequence_score_nw"]


def longest_common_subsequence(a, b):
    @cache
    def length(i, j):
        if 0 in (i, j):
            return 0
        if a[i - 1] == b[j - 1]:
            return length(i - 1, j - 1) + 1
        return max(length(i - 1, j), length(i, j - 1))

    return length(len(a), len(b))


@given(scanpaths(), scanpaths())
def test_the_score_is_the_longest_common_subsequence_over_the_longer_length(a, b):
    common = longest_common_subsequence(
        tuple(nearest_center(a, CENTERS).tolist()), tuple(nearest_center(b, CENTERS).tolist())
    )
    score = sequence_score(a, b, CENTERS)
    assert score == pytest.approx(common / max(len(a), len(b)), abs=1e-12)
    assert sequence_score(b, a, CENTERS) == score
    assert sequence_score(a, a, CENTERS) == 1


def test_pairs_scored_together_score_as_alone():
    rng = np.random.default_rng(10)
    first = [random_path(rng, n) for n in (1, 5, 9)]
    second = [random_path(rng, n) for n in (7, 2, 3)]
    alone = [sequence_score(a, b, CENTERS) for a, b in zip(first, second, strict=True)]
    np.testing.assert_array_equal(sequence_score_pairs(first, second, CENTERS), alone)


def test_without_a_cluster_there_is_no_score():
    with pytest.raises(ShapeError, match="at least one cluster center"):
        sequence_score(path((0, 0)), path((0, 0)), np.empty((0, 2)))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("bandwidth_px", [10.0, 48.0, 150.0])
def test_mean_shift_finds_scikit_learns_clusters(seed, bandwidth_px):
    rng = np.random.default_rng(seed)
    targets = rng.uniform(0, 600, size=(5, 2))
    points = targets[rng.integers(5, size=90)] + rng.normal(0, 25, size=(90, 2))
    oracle = MeanShift(bandwidth=bandwidth_px).fit(points)
    centers = mean_shift(points[:, 0], points[:, 1], bandwidth_px)
    np.testing.assert_allclose(centers, oracle.cluster_centers_, atol=1e-9)
    fixations = Scanpath.without_durations(points[:, 0], points[:, 1])
    np.testing.assert_array_equal(nearest_center(fixations, centers), oracle.labels_)


def test_two_tight_groups_are_two_clusters_the_larger_one_first():
    x, y = np.array([0.0, 1, 2, 100, 101, 102, 101]), np.zeros(7)
    np.testing.assert_allclose(mean_shift(x, y, 10.0), [[101, 0], [1, 0]])


def test_a_bandwidth_of_nothing_is_refused():
    with pytest.raises(ShapeError, match=r"bandwidth of 0\.0 px"):
        mean_shift(np.zeros(3), np.zeros(3), 0.0)
