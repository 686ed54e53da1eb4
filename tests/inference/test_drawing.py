import math

import numpy as np
import pytest

from foregaze.errors import ConfigError
from foregaze.inference.conditional import Extent
from foregaze.inference.drawing import Sampling, draw_viewings
from foregaze.scanpath_metrics import most_typical
from tests.cli.viewer import Viewer

SIZE = (60, 80)
NOWHERE = np.empty((0, 2))


def positions(viewings):
    return [tuple(one.x) for one in viewings]


def test_without_a_share_samples_are_those_of_the_model():
    expected = Viewer(SIZE).viewings(NOWHERE, 5, Extent(3), 7)
    found = draw_viewings(Viewer(SIZE), NOWHERE, Sampling(5, Extent(3), 7), SIZE)
    assert positions(found) == positions(expected)


def test_with_a_share_the_most_typical_of_more_samples_are_kept():
    drawn = Viewer(SIZE).viewings(NOWHERE, 20, Extent(3), 7)
    found = draw_viewings(Viewer(SIZE), NOWHERE, Sampling(5, Extent(3), 7, typical=0.25), SIZE)
    assert positions(found) == positions(most_typical(drawn, 5, SIZE))


@pytest.mark.parametrize(
    ("n", "share", "drawn"), [(10, 0.1, 100), (3, 0.3, 10), (1, 0.7, 2), (4, 1.0, 4)]
)
def test_as_many_are_drawn_as_the_share_asks_for(n, share, drawn):
    assert Sampling(n, Extent(3), typical=share).drawn == drawn


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n is 0, expected a whole number from 1"),
        ({"seed": -1}, "seed is -1, expected a whole number from 0$"),
        ({"typical": 1.5}, "typical is 1.5, expected a share above 0, such as 0.1, and at most 1"),
        ({"typical": math.nan}, "typical is nan, expected a share above 0"),
        ({"temperature": math.inf}, "temperature is inf, expected a positive number"),
        ({"typical": 1e-9}, "the most typical 1e-09 of scanpaths are 2 only if 2000000000 are"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        Sampling(**({"n": 2, "extent": Extent(3)} | options))
