import inspect

import pytest

import foregaze.metrics
from foregaze.metrics import CLASSICAL, METRICS

KNOWN = {
    "log_density",
    "baseline_log_density",
    "saliency_map",
    "empirical_map",
    "baseline_map",
    "x",
    "y",
    "image",
    "other_x",
    "other_y",
    "other_image",
    "rng",
    "splits",
}


@pytest.mark.parametrize("name", METRICS)
def test_metric_asks_only_for_inputs_that_an_evaluation_has(name):
    parameters = inspect.signature(METRICS[name].function).parameters
    assert parameters.keys() <= KNOWN


@pytest.mark.parametrize("name", METRICS)
def test_metric_takes_a_log_density_or_has_a_best_map(name):
    parameters = inspect.signature(METRICS[name].function).parameters
    assert ("log_density" in parameters) == (METRICS[name].best_map is None)
    assert ("saliency_map" in parameters) == (METRICS[name].best_map is not None)


@pytest.mark.parametrize("name", METRICS)
def test_metric_does_not_draw_unless_it_is_given_a_generator(name):
    for parameter in inspect.signature(METRICS[name].function).parameters.values():
        if parameter.name == "rng":
            assert parameter.default in (None, inspect.Parameter.empty)


def test_only_divergences_and_distances_are_better_when_small():
    assert {name for name in METRICS if METRICS[name].less_is_better} == {"KLDiv", "EMD"}


def test_classical_metrics_are_metrics():
    assert set(CLASSICAL) < set(METRICS)


def test_public_names_are_sorted():
    names = foregaze.metrics.__all__
    by_kind = sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert names == by_kind
