import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from sklearn.metrics import roc_auc_score

from foregaze.metrics import ConstantMapError, NoFixationError, auc_judd
from tests.metrics.pysaliency_sets import VARIED, golden_set


def judd_of_the_matlab_code(saliency_map: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """AUC_Judd.m after its jitter, line by line."""
    fixation_map = np.zeros(saliency_map.shape, dtype=bool)
    fixation_map[y, x] = True
    scaled = (saliency_map - saliency_map.min()) / (saliency_map.max() - saliency_map.min())
    thresholds = sorted(scaled[fixation_map], reverse=True)
    fixated, pixels = len(thresholds), scaled.size
    tp, fp = [0.0], [0.0]
    for i, threshold in enumerate(thresholds, start=1):
        above = int((scaled >= threshold).sum())
        tp.append(i / fixated)
        fp.append((above - i) / (pixels - fixated))
    tp.append(1.0)
    fp.append(1.0)
    return float(trapezoid(tp, fp))


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("name", VARIED)
def test_value_is_that_of_the_matlab_definition(name, kind):
    golden = golden_set(name)
    for i, saliency_map in enumerate(golden.maps):
        x, y = golden.column[golden.image == i], golden.row[golden.image == i]
        arguments = (saliency_map, x, y)
        if kind == "torch":
            arguments = tuple(map(torch.from_numpy, arguments))
        expected = judd_of_the_matlab_code(saliency_map, x, y)
        assert auc_judd(*arguments).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", VARIED)
def test_value_with_noise_is_that_of_the_matlab_definition(name):
    golden = golden_set(name)
    for i, saliency_map in enumerate(golden.maps):
        x, y = golden.column[golden.image == i], golden.row[golden.image == i]
        noise = np.random.default_rng(i).random(saliency_map.shape) * 1e-7
        expected = judd_of_the_matlab_code(saliency_map + noise, x, y)
        value = auc_judd(saliency_map, x, y, rng=np.random.default_rng(i))
        assert value.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["random", "osie"])
def test_value_without_ties_or_noise_is_pysaliencys(name):
    """With ties among fixated pixels pysaliency departs from the MATLAB code."""
    golden = golden_set(name)
    values = []
    for i, saliency_map in enumerate(golden.maps):
        here = golden.image == i
        assert len(np.unique(saliency_map)) > 0.999 * saliency_map.size
        values.append(auc_judd(saliency_map, golden.column[here], golden.row[here]).item())
    np.testing.assert_allclose(values, golden.out("AUC_Judd of distinct pixels"), rtol=1e-9)


def test_thresholds_at_fixated_values_only_add_half_a_step_to_scikit_learns_area():
    rng = np.random.default_rng(0)
    saliency_map = rng.random((20, 30))
    fixation_map = rng.random((20, 30)) < 0.05
    y, x = np.nonzero(fixation_map)
    area = roc_auc_score(fixation_map.ravel(), saliency_map.ravel())
    smallest = saliency_map[fixation_map].min()
    false_alarms = (saliency_map[~fixation_map] > smallest).mean()
    expected = area + false_alarms / (2 * len(x))
    assert auc_judd(saliency_map, x, y).item() == pytest.approx(expected, rel=1e-9)


def test_pixel_fixated_twice_counts_once():
    saliency_map = np.random.default_rng(0).random((6, 7))
    once = auc_judd(saliency_map, np.array([2, 5]), np.array([3, 1]))
    assert auc_judd(saliency_map, np.array([2, 5, 2]), np.array([3, 1, 3])) == once


def test_fixated_pixels_that_are_the_largest_have_an_area_of_one():
    saliency_map = np.array([[4.0, 3.0], [1.0, 0.0]])
    assert auc_judd(saliency_map, np.array([0, 1]), np.array([0, 0])).item() == 1


def test_image_with_every_pixel_fixated_is_an_error():
    y, x = np.indices((2, 2)).reshape(2, -1)
    with pytest.raises(NoFixationError, match="AUC-Judd needs unfixated pixels"):
        auc_judd(np.eye(2), x, y)


def test_constant_map_is_an_error_without_noise():
    one = np.array([0]), np.array([0])
    with pytest.raises(ConstantMapError, match="AUC-Judd is not defined for a constant map"):
        auc_judd(np.ones((2, 2)), *one)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_map_with_ties_scores_too_low_without_noise_and_right_with_it(kind):
    rng = np.random.default_rng(0)
    unrelated = rng.integers(0, 2, (40, 50)).astype(np.float64)
    y, x = rng.integers(0, 40, 60), rng.integers(0, 50, 60)
    arguments = (unrelated, x, y)
    if kind == "torch":
        arguments = tuple(map(torch.from_numpy, arguments))
    assert auc_judd(*arguments).item() < 0.4  # chance is 0.5
    values = [auc_judd(*arguments, rng=np.random.default_rng(seed)).item() for seed in range(20)]
    fixated = np.zeros(unrelated.shape, dtype=bool)
    fixated[y, x] = True
    expected = roc_auc_score(fixated.ravel(), unrelated.ravel())  # ties count half
    assert np.mean(values) == pytest.approx(expected, abs=0.02)
