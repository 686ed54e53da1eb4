import numpy as np
import pytest

from foregaze.errors import ShapeError
from foregaze.evaluation.maps import EmpiricalMaps, PredictedMaps
from foregaze.ops.best_maps import auc_map, blurred_map, density_map, shuffled_auc_map, sim_map

SIZE = (30, 40)
EMPIRICAL = EmpiricalMaps(3.0, 20)


@pytest.fixture
def log_density():
    score = np.random.default_rng(0).standard_normal(SIZE)
    return score - np.log(np.exp(score).sum())


def test_each_metric_gets_its_own_map_of_a_density(log_density):
    maps = PredictedMaps(log_density)
    uniform = np.full(SIZE, -np.log(1200))
    expected = {
        "density": density_map(log_density),
        "auc": log_density,
        "auc_equalized": auc_map(log_density),
        "shuffled_auc": shuffled_auc_map(log_density, uniform),
        "shuffled_auc_equalized": auc_map(shuffled_auc_map(log_density, uniform)),
        "blurred": blurred_map(log_density, 3.0),
        "sim": sim_map(log_density, 3.0, 20),
    }
    for kind, values in expected.items():
        np.testing.assert_array_equal(maps.best(kind, EMPIRICAL, uniform), values)
    assert maps.best("sim", EMPIRICAL, None) is maps.best("sim", EMPIRICAL, None)


def test_without_center_bias_there_is_no_map_for_shuffled_auc(log_density):
    assert PredictedMaps(log_density).best("shuffled_auc", EMPIRICAL, None) is None


def test_a_saliency_map_serves_every_metric(log_density):
    maps = PredictedMaps(log_density, saliency_map=log_density**2)
    for kind in ("density", "auc", "shuffled_auc", "blurred", "sim"):
        assert maps.best(kind, EMPIRICAL, None) is maps.saliency_map


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {"log_density": p.T}, r"log density has shape \(40, 30\), the image has"),
        (lambda p: {"log_density": p + 0.01}, "sums to 1.01005 instead of 1"),
        (lambda p: {"log_density": np.where(p > 1, p, -np.inf)}, "must be positive everywhere"),
        (lambda p: {"saliency_map": p[:4]}, r"saliency map has shape \(4, 40\)"),
        (lambda p: {"saliency_map": np.where(p < -9, np.nan, p)}, "values of the saliency map"),
    ],
)
def test_what_is_no_prediction_of_the_image_is_refused(log_density, change, message):
    with pytest.raises(ShapeError, match=f"m on 1: .*{message}"):
        PredictedMaps(**change(log_density)).check(SIZE, "m on 1")
