import numpy as np
import pytest
from hypothesis import given

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics import (
    Scanpath,
    TooShortError,
    scaled_time_delay_similarity,
    time_delay_distance,
)
from foregaze.scanpath_metrics.time_delay import (
    scaled_time_delay_distance,
    scaled_time_delay_similarity_frobenius,
    scaled_time_delay_similarity_pairs,
    time_delay_distance_frobenius,
    time_delay_hausdorff,
)
from tests.scanpath_metrics.conftest import SIZE as GOLDEN_SIZE
from tests.scanpath_metrics.conftest import GoldenPair
from tests.scanpath_metrics.scanpaths import SIZE, path, random_path, scanpaths


def test_distances_are_the_published_codes(golden: GoldenPair):
    a, b, values = golden.a, golden.b, golden.values
    assert time_delay_distance(a, b) == pytest.approx(values["tde_k3_mean"], abs=1e-9)
    assert time_delay_hausdorff(a, b) == pytest.approx(values["tde_k3_hausdorff"], abs=1e-9)
    found = scaled_time_delay_similarity(a, b, GOLDEN_SIZE)
    assert found == pytest.approx(values["stde_similarity"], abs=1e-12)


def windows(scanpath: Scanpath, k: int) -> list[np.ndarray]:
    points = np.stack([scanpath.x, scanpath.y], axis=1)
    return [points[start : start + k] for start in range(len(points) - k + 1)]


def summed(w, v):
    return np.linalg.norm(w - v, axis=1).sum()


def frobenius(w, v):
    return np.linalg.norm(w - v)


def by_definition(human, simulated, k, apart):
    """Distance over k of each simulated window to the nearest human one."""
    return [min(apart(w, v) for v in windows(human, k)) / k for w in windows(simulated, k)]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("k", [1, 2, 4])
def test_both_window_distances_are_those_of_the_definition(seed, k):
    rng = np.random.default_rng(seed)
    a, b = random_path(rng, 4 + seed % 5), random_path(rng, 4 + seed % 3)
    sums = by_definition(a, b, k, summed)
    assert time_delay_distance(a, b, k) == pytest.approx(np.mean(sums), abs=1e-9)
    assert time_delay_hausdorff(a, b, k) == pytest.approx(np.max(sums), abs=1e-9)
    norms = by_definition(a, b, k, frobenius)
    assert time_delay_distance_frobenius(a, b, k) == pytest.approx(np.mean(norms), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_the_scaled_forms_average_over_all_windows_that_both_have(seed):
    rng = np.random.default_rng(seed)
    a, b = random_path(rng, 6), random_path(rng, 4 + seed)
    scaled = [Scanpath(s.x / 80, s.y / 80, s.duration_ms) for s in (a, b)]
    for apart, similarity in (
        (summed, scaled_time_delay_similarity),
        (frobenius, scaled_time_delay_similarity_frobenius),
    ):
        by_window = [
            np.mean(by_definition(*scaled, k, apart)) for k in range(1, min(len(a), len(b)) + 1)
        ]
        assert similarity(a, b, SIZE) == pytest.approx(np.mean(np.exp(np.negative(by_window))))
        if apart is summed:
            found = scaled_time_delay_distance(a, b, SIZE)
            assert found == pytest.approx(np.mean(by_window))


@given(scanpaths(), scanpaths())
def test_the_scaled_similarity_is_in_0_to_1_and_1_for_a_scanpath_with_itself(a, b):
    assert 0 < scaled_time_delay_similarity(a, b, SIZE) <= 1
    assert scaled_time_delay_similarity(a, a, SIZE) == 1
    assert scaled_time_delay_distance(a, a, SIZE) == 0


def test_the_distance_is_not_symmetric():
    long, short = path((0, 0), (10, 0), (70, 0)), path((0, 0), (10, 0))
    assert time_delay_distance(long, short, window=2) == 0
    assert time_delay_distance(short, long, window=2) == pytest.approx((0 + (10 + 60) / 2) / 2)


def test_pairs_scored_together_score_as_alone():
    rng = np.random.default_rng(10)
    first = [random_path(rng, n) for n in (1, 5, 9)]
    second = [random_path(rng, n) for n in (7, 2, 3)]
    alone = [scaled_time_delay_similarity(a, b, SIZE) for a, b in zip(first, second, strict=True)]
    together = scaled_time_delay_similarity_pairs(first, second, SIZE)
    np.testing.assert_allclose(together, alone, rtol=1e-14)


def test_a_scanpath_shorter_than_a_window_is_refused():
    with pytest.raises(TooShortError, match=r"windows of 3 needs 3 fixations .* one has 2"):
        time_delay_distance(path((0, 0), (1, 1)), path((0, 0), (1, 1), (2, 2)))
    with pytest.raises(ShapeError, match="a window of 0 fixations"):
        time_delay_distance(path((0, 0)), path((0, 0)), window=0)
