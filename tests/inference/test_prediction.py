import numpy as np
import pytest

from foregaze.errors import UnknownNameError
from foregaze.inference.prediction import Prediction


def corner_prediction() -> Prediction:
    density = np.full((20, 30), 0.1 / 599)
    density[2, 27] = 0.9
    return Prediction(np.log(density).astype(np.float32))


def test_samples_follow_the_density_and_the_seed():
    prediction = corner_prediction()
    x, y = prediction.sample(10_000, seed=3).T
    share = np.mean((np.floor(x) == 27) & (np.floor(y) == 2))
    assert share == pytest.approx(0.9, abs=0.01)
    np.testing.assert_array_equal(prediction.sample(5, seed=1), prediction.sample(5, seed=1))
    assert not np.array_equal(prediction.sample(5, seed=1), prediction.sample(5, seed=2))


def test_nss_map_is_the_density_and_auc_map_has_its_order():
    prediction = corner_prediction()
    density = prediction.saliency_map("nss")
    assert density.sum() == pytest.approx(1)
    assert density[2, 27] == pytest.approx(0.9, rel=1e-6)
    ranks = np.argsort(prediction.saliency_map("AUC"), axis=None, kind="stable")
    np.testing.assert_array_equal(ranks, np.argsort(density, axis=None, kind="stable"))


def test_cc_map_is_blurred():
    blurred = corner_prediction().saliency_map("cc")
    assert 0.001 < blurred[2, 25] < blurred[2, 27] < 0.9


def test_an_unknown_metric_names_the_known_ones():
    with pytest.raises(UnknownNameError, match="unknown metric 'emd'; known: auc, cc, ig"):
        corner_prediction().saliency_map("emd")
