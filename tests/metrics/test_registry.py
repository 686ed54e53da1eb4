import inspect

from foregaze.metrics import METRICS


def test_every_metric_asks_only_for_inputs_that_an_evaluation_has():
    known = {"log_density", "baseline_log_density", "x", "y"}
    for name, metric in METRICS.items():
        assert inspect.signature(metric).parameters.keys() <= known, name
