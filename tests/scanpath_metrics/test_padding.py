import numpy as np
import pytest
from scipy.spatial.distance import cdist

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics.padding import distances, pad, pad_codes, require_pairs
from tests.scanpath_metrics.scanpaths import path, random_path


def test_short_rows_are_filled_up_at_their_ends():
    padded = pad([np.array([1.0, 2.0]), np.array([]), np.array([3.0])], np.nan)
    np.testing.assert_array_equal(padded, [[1, 2], [np.nan] * 2, [3, np.nan]])
    np.testing.assert_array_equal(pad_codes([np.array([1]), np.array([4, 5])], 9), [[1, 9], [4, 5]])


def test_distances_are_scipys_and_filled_up():
    rng = np.random.default_rng(0)
    a, b, c, d = (random_path(rng, n) for n in (4, 2, 1, 5))
    apart = distances([a, b], [c, d], fill=-1.0)
    assert apart.shape == (2, 4, 5)
    for found, first, second in zip(apart, (a, b), (c, d), strict=True):
        expected = cdist(*(np.stack([s.x, s.y], axis=1) for s in (first, second)))
        n, m = expected.shape
        np.testing.assert_allclose(found[:n, :m], expected, rtol=1e-14)
        assert (found[n:] == -1).all()
        assert (found[:, m:] == -1).all()


def test_lists_that_make_no_pairs_are_refused():
    with pytest.raises(ShapeError, match="2 first and 1 second scanpaths"):
        require_pairs([path((1, 1))] * 2, [path((1, 1))])
