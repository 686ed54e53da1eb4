import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid

from foregaze.metrics import ConstantMapError, NoFixationError, auc_borji
from tests.metrics.pysaliency_sets import VARIED, golden_set


def scaled_to_one(saliency_map: np.ndarray) -> np.ndarray:
    return (saliency_map - saliency_map.min()) / (saliency_map.max() - saliency_map.min())


def area_of_the_matlab_code(
    positives: np.ndarray, negatives: np.ndarray, false_alarms_out_of: int
) -> float:
    """One split of AUC_Borji.m and AUC_shuffled.m, line by line."""
    largest = max(positives.max(), negatives.max())
    thresholds = [k * 0.1 for k in range(11) if k * 0.1 <= largest + 1e-12][::-1]
    tp, fp = [0.0], [0.0]
    for threshold in thresholds:
        tp.append(sum(value >= threshold for value in positives) / len(positives))
        fp.append(sum(value >= threshold for value in negatives) / false_alarms_out_of)
    tp.append(1.0)
    fp.append(1.0)
    return float(trapezoid(tp, fp))


def borji_of_the_matlab_code(
    saliency_map: np.ndarray, x: np.ndarray, y: np.ndarray, rng: np.random.Generator, splits: int
) -> float:
    fixation_map = np.zeros(saliency_map.shape, dtype=bool)
    fixation_map[y, x] = True
    scaled = scaled_to_one(saliency_map)
    positives, n = scaled[fixation_map], int(fixation_map.sum())
    areas = []
    for _ in range(splits):
        drawn = scaled.ravel()[rng.integers(scaled.size, size=n)]
        areas.append(area_of_the_matlab_code(positives, drawn, n))
    return float(np.mean(areas))


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("name", VARIED)
def test_value_is_that_of_the_matlab_definition(name, kind):
    golden = golden_set(name)
    for i, saliency_map in enumerate(golden.maps):
        x, y = golden.column[golden.image == i], golden.row[golden.image == i]
        expected = borji_of_the_matlab_code(saliency_map, x, y, np.random.default_rng(i), splits=20)
        arguments = (saliency_map, x, y)
        if kind == "torch":
            arguments = tuple(map(torch.from_numpy, arguments))
        value = auc_borji(*arguments, rng=np.random.default_rng(i), splits=20)
        assert value.item() == pytest.approx(expected, rel=1e-9)


def test_perfect_map_of_a_few_pixels_approaches_one():
    saliency_map = np.zeros((100, 100))
    saliency_map[:2, :2] = 1
    y, x = np.indices((2, 2)).reshape(2, -1)
    value = auc_borji(saliency_map, x, y, rng=np.random.default_rng(0))
    assert value.item() == pytest.approx(1 - 4 / 10_000 / 2, abs=1e-3)


def test_same_generator_gives_the_same_value():
    saliency_map = np.random.default_rng(0).random((6, 7))
    x, y = np.array([0, 3, 5]), np.array([1, 4, 2])
    first, second = (auc_borji(saliency_map, x, y, rng=np.random.default_rng(1)) for _ in range(2))
    assert first == second


def test_one_fixated_pixel_is_not_enough():
    twice = np.array([1, 1]), np.array([0, 0])
    with pytest.raises(NoFixationError, match="AUC-Borji needs two fixated pixels"):
        auc_borji(np.eye(2), *twice, rng=np.random.default_rng(0))


def test_constant_map_is_an_error():
    x, y = np.array([0, 1]), np.array([0, 1])
    with pytest.raises(ConstantMapError, match="AUC-Borji is not defined for a constant map"):
        auc_borji(np.ones((2, 2)), x, y, rng=np.random.default_rng(0))
