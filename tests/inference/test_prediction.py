import numpy as np
import pytest

from foregaze.errors import ShapeError, UnknownNameError
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
    with pytest.raises(UnknownNameError, match="unknown metric 'mse'; known: auc, cc, emd"):
        corner_prediction().saliency_map("mse")


def test_auc_map_has_a_flat_histogram():
    log_density = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    equalized = Prediction(log_density).saliency_map("auc")
    np.testing.assert_allclose(np.sort(equalized, axis=None), (np.arange(600) + 0.5) / 600)


def test_shuffled_auc_map_is_the_density_over_the_center_bias():
    prediction = corner_prediction()
    rows, _ = np.indices((20, 30))
    centerbias = np.log(rows + 1.0) - np.log((rows + 1.0).sum())
    given = prediction.saliency_map("sauc", centerbias=centerbias)
    np.testing.assert_allclose(given, prediction.log_density - centerbias, atol=1e-6)
    own = Prediction(prediction.log_density, centerbias).saliency_map("sauc")
    np.testing.assert_allclose(own, given)


def test_shuffled_auc_map_needs_a_center_bias_of_the_image_size():
    with pytest.raises(ShapeError, match="this prediction has none: give centerbias"):
        corner_prediction().saliency_map("sauc")
    with pytest.raises(ShapeError, match=r"shape \(4, 4\), expected \(20, 30\)"):
        corner_prediction().saliency_map("sauc", centerbias=np.zeros((4, 4)))


def test_sim_map_depends_on_the_number_of_fixations():
    prediction = corner_prediction()
    few = prediction.saliency_map("sim", sigma_px=2.0, fixations=3)
    many = prediction.saliency_map("sim", sigma_px=2.0, fixations=300)
    assert few.sum() == pytest.approx(1)
    assert many.sum() == pytest.approx(1)
    assert np.abs(few - many).sum() > 0.01
