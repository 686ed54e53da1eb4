import numpy as np
import pytest

from foregaze.errors import ConfigError
from foregaze.scanpath_metrics import Scanpath, most_typical, multimatch, scanmatch
from foregaze.scanpath_metrics import typical as module
from foregaze.scanpath_metrics.typical import typicality

SIZE = (60, 80)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def scanpath(rng, fixations, around=None, spread=20.0):
    around = rng.uniform(10, 50, (fixations, 2)) if around is None else around
    x, y = np.clip(around + rng.normal(0, spread, around.shape), 0, 59).T
    return Scanpath(x, y, rng.uniform(100, 400, len(x)))


def crowd(rng, count=12, fixations=6):
    return [scanpath(rng, fixations) for _ in range(count)]


def untimed(scanpaths):
    return [Scanpath.without_durations(one.x, one.y) for one in scanpaths]


def plain(scanpaths):
    """The definition, pair by pair."""
    found = []
    for measure in (
        lambda a, b: scanmatch(a, b, SIZE),
        lambda a, b: float(np.mean(multimatch(a, b, SIZE))),
    ):
        means = np.array(
            [
                np.mean([measure(one, other) for other in scanpaths if other is not one])
                for one in scanpaths
            ]
        )
        found.append((means - means.mean()) / means.std())
    return found[0] + found[1]


def test_typicality_is_the_sum_of_standardized_mean_similarities(rng):
    scanpaths = crowd(rng)
    np.testing.assert_allclose(typicality(scanpaths, SIZE), plain(scanpaths), atol=1e-9)


def test_what_is_unlike_all_others_is_left_out(rng):
    way = np.array([[10, 10], [40, 20], [20, 50], [55, 15], [30, 30.0]])
    alike = [scanpath(rng, 5, way, spread=2.0) for _ in range(8)]
    odd = scanpath(rng, 5, way[::-1] * [0.3, 1] + [40, 0], spread=2.0)
    kept = most_typical([*alike[:3], odd, *alike[3:]], 8, SIZE)
    assert kept == alike


@pytest.mark.parametrize("make", [list, untimed], ids=["timed", "untimed"])
def test_those_kept_are_the_most_typical_in_the_order_given(rng, make):
    scanpaths = make(crowd(rng))
    rank = np.argsort(-typicality(scanpaths, SIZE))
    expected = [scanpaths[i] for i in sorted(rank[:4])]
    assert most_typical(scanpaths, 4, SIZE) == expected


def test_durations_count_only_where_all_are_known(rng):
    scanpaths = crowd(rng)
    without = typicality(untimed(scanpaths), SIZE)
    some = [untimed(scanpaths)[0], *scanpaths[1:]]
    np.testing.assert_array_equal(typicality(some, SIZE), without)
    assert not np.allclose(typicality(scanpaths, SIZE), without)


def test_scanpaths_too_short_for_a_measure_are_its_least_typical(rng):
    longer = crowd(rng)
    short = Scanpath(longer[0].x[:2], longer[0].y[:2], longer[0].duration_ms[:2])
    found = typicality([*longer, short], SIZE)
    assert np.isfinite(found).all()
    assert short not in most_typical([*longer, short], 6, SIZE)


@pytest.mark.parametrize("fixations", [1, 2])
def test_scanpaths_that_are_all_short_are_told_apart_by_the_other_measure(rng, fixations):
    found = typicality(crowd(rng, fixations=fixations), SIZE)
    assert np.isfinite(found).all()
    assert len(np.unique(found)) > 1


def test_equal_scanpaths_are_equally_typical(rng):
    one = scanpath(rng, 4)
    assert typicality([one, one, one], SIZE) == pytest.approx(0)
    assert most_typical([one], 1, SIZE) == [one]


def test_many_scanpaths_are_compared_with_the_first_ones(rng, monkeypatch):
    scanpaths = crowd(rng, 20)
    whole = typicality(scanpaths, SIZE)
    monkeypatch.setattr(module, "COMPARED", 15)
    some = typicality(scanpaths, SIZE)
    assert not np.array_equal(some, whole)
    assert np.corrcoef(some, whole)[0, 1] > 0.8


@pytest.mark.parametrize("count", [0, 4])
def test_a_count_that_cannot_be_kept_is_refused(rng, count):
    with pytest.raises(ConfigError, match=f"^count is {count}, expected 1 to 3"):
        most_typical(crowd(rng, 3), count, SIZE)
