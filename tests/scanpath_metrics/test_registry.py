import inspect

import numpy as np
import pytest

from foregaze.scanpath_metrics import SCANPATH_METRICS
from tests.scanpath_metrics.scanpaths import SIZE, random_path

INPUTS = {"size": SIZE, "radius_px": 20.0, "centers": np.array([[10.0, 10], [70, 10], [40, 50]])}


def scores(name, first, second):
    metric = SCANPATH_METRICS[name]
    asked = inspect.signature(metric.pairs).parameters
    found = metric.pairs(
        [first], [second], **{key: value for key, value in INPUTS.items() if key in asked}
    )[0]
    return found[list(metric.columns)].mean() if metric.columns else found


@pytest.mark.parametrize("name", SCANPATH_METRICS)
def test_every_metric_asks_only_for_inputs_that_a_comparison_has(name):
    known = {"first", "second", "setting", "cells", *INPUTS}
    assert inspect.signature(SCANPATH_METRICS[name].pairs).parameters.keys() <= known


@pytest.mark.parametrize("name", SCANPATH_METRICS)
def test_a_metric_that_calls_itself_symmetric_is(name):
    rng = np.random.default_rng(12)
    pairs = [(random_path(rng, 9), random_path(rng, 7)) for _ in range(20)]
    forth = np.array([scores(name, a, b) for a, b in pairs])
    back = np.array([scores(name, b, a) for a, b in pairs])
    assert np.allclose(forth, back, atol=1e-9, equal_nan=True) == SCANPATH_METRICS[name].symmetric


@pytest.mark.parametrize(
    "name", sorted(SCANPATH_METRICS.keys() - {"REC", "LAM"})
)  # these count dwelling
def test_a_scanpath_is_never_less_like_itself_than_like_others(name):
    rng = np.random.default_rng(13)
    sign = 1 if SCANPATH_METRICS[name].larger_is_better else -1
    for _ in range(10):
        a, b = random_path(rng, 8), random_path(rng, 8)
        like_others = scores(name, a, b)
        if not np.isnan(like_others):
            assert sign * scores(name, a, a) >= sign * like_others - 1e-12


@pytest.mark.parametrize("name", SCANPATH_METRICS)
def test_only_metrics_that_say_so_need_durations(name):
    rng = np.random.default_rng(14)
    a, b = random_path(rng, 9), random_path(rng, 9)
    without = [type(s).without_durations(s.x, s.y) for s in (a, b)]
    assert np.isnan(scores(name, *without)) == SCANPATH_METRICS[name].needs_durations
