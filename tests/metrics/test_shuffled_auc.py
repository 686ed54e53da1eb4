from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from foregaze.data import load_dataset
from foregaze.errors import ShapeError
from foregaze.metrics import ConstantMapError, NoFixationError, shuffled_auc, shuffled_auc_mit
from foregaze.ops.benchmark_kde import grid_density
from foregaze.ops.best_maps import shuffled_auc_map
from tests.metrics.pysaliency_sets import KINDS, SETS, VARIED, golden_set, per_fixation
from tests.metrics.test_auc_borji import area_of_the_matlab_code, scaled_to_one


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SETS)
def test_values_per_fixation_are_pysaliencys(name, kind):
    golden = golden_set(name)
    values = per_fixation(shuffled_auc, golden, kind, golden.maps, negatives=True)
    np.testing.assert_allclose(values, golden.out("sAUC"), rtol=1e-12)


@pytest.mark.parametrize("name", SETS)
def test_mean_over_images_is_pysaliencys_average(name):
    golden = golden_set(name)
    values = per_fixation(shuffled_auc, golden, "numpy", golden.maps, negatives=True)
    average = np.mean([values[golden.image == i].mean() for i in range(len(golden.maps))])
    assert average == pytest.approx(golden.out("sAUC image average").item(), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["random", "osie"])
def test_values_of_a_density_over_the_center_bias_of_others_are_pysaliencys(name, kind):
    golden = golden_set(name)
    maps = []
    for i, log_density in enumerate(golden.log_densities):
        others = [positions[golden.image != i] for positions in golden.relative]
        centerbias = grid_density(*others, golden.sizes[i], 0.1, 1e-3)
        maps.append(shuffled_auc_map(log_density, centerbias))
    values = per_fixation(shuffled_auc, golden, kind, maps, negatives=True)
    expected = golden.out("sAUC over CrossvalidatedBaselineModel")
    np.testing.assert_allclose(values, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("name", VARIED)
def test_mean_over_an_images_fixations_is_scikit_learns_area(name, kind):
    golden = golden_set(name)
    values = per_fixation(shuffled_auc, golden, kind, golden.maps, negatives=True)
    for i, saliency_map in enumerate(golden.maps):
        here = golden.image == i
        other_x, other_y = golden.fixations_of_others(i)
        fixated = saliency_map[golden.row[here], golden.column[here]]
        scores = np.concatenate([fixated, saliency_map[other_y, other_x]])
        labels = np.arange(len(scores)) < len(fixated)
        assert values[here].mean() == pytest.approx(roc_auc_score(labels, scores), rel=1e-9)


def test_values_are_those_of_pysaliencys_development_version(golden):
    found = []
    sizes = np.array(golden.sizes)[golden.image]
    for i, image in enumerate(golden.images()):
        elsewhere = golden.image != i
        height, width = golden.sizes[i]
        other_x = (golden.x * (width / sizes[:, 1]))[elsewhere].astype(np.int64)
        other_y = (golden.y * (height / sizes[:, 0]))[elsewhere].astype(np.int64)
        found.append(shuffled_auc(image.saliency_map, image.x, image.y, other_x, other_y))
    np.testing.assert_allclose(
        np.concatenate(found), golden.values["AUC_per_fixation_shuffled"], rtol=1e-14
    )


def test_negatives_count_as_often_as_they_were_fixated():
    saliency_map = np.array([[0.0, 1.0, 2.0]])
    one = np.array([1]), np.array([0])
    other_x = np.array([0, 0, 0, 2])
    assert shuffled_auc(saliency_map, *one, other_x, 0 * other_x).tolist() == [0.75]


def test_center_bias_of_fixations_drawn_from_it_is_at_chance():
    rng = np.random.default_rng(0)
    rows, columns = np.indices((30, 40))
    centerbias = -(((rows - 14.5) / 10) ** 2 + ((columns - 19.5) / 13) ** 2) / 2
    density = np.exp(centerbias).ravel() / np.exp(centerbias).sum()
    images, each = 200, 20
    y, x = np.unravel_index(rng.choice(1200, (images, each), p=density), (30, 40))
    means = []
    for i in range(images):
        others = np.arange(images) != i
        values = shuffled_auc(centerbias, x[i], y[i], x[others].ravel(), y[others].ravel())
        means.append(values.mean())
    # the standard error is 0.29 / sqrt(4000) = 0.005
    assert np.mean(means) == pytest.approx(0.5, abs=0.02)


def test_center_bias_of_osie_from_other_images_is_at_chance(osie_root: Path):
    dataset = load_dataset("osie", osie_root)
    evidence = dataset.evidence()
    kept = evidence.where(evidence.image % 2 == 0)
    size, block = (75, 100), 8
    x, y = kept.column // block, kept.row // block
    means = []
    for image in np.unique(kept.image):
        here = kept.image == image
        others = kept.x[~here] / 800, kept.y[~here] / 600
        centerbias = grid_density(*others, size, 0.05, 1e-3)
        means.append(shuffled_auc(centerbias, x[here], y[here], x[~here], y[~here]).mean())
    assert np.std(means) / np.sqrt(len(means)) < 0.01
    assert np.mean(means) == pytest.approx(0.5, abs=0.02)


def test_map_without_negatives_is_an_error():
    nothing = np.empty(0, np.int64)
    one = np.array([0]), np.array([0])
    with pytest.raises(NoFixationError, match="sAUC needs fixations of other images"):
        shuffled_auc(np.zeros((2, 2)), *one, nothing, nothing)
    batch = np.zeros((2, 2, 2)), *one, *one, np.array([0]), np.array([0])
    with pytest.raises(NoFixationError, match="image 1 of the batch: sAUC needs fixations"):
        shuffled_auc(*batch)


def test_negatives_outside_the_map_are_an_error():
    one = np.array([0]), np.array([0])
    with pytest.raises(ShapeError, match="outside the 2x2 map, the first at column 2, row 1"):
        shuffled_auc(np.zeros((2, 2)), *one, np.array([2]), np.array([1]))


def mit_by_the_matlab_definition(
    saliency_map: np.ndarray, fixated: np.ndarray, elsewhere: np.ndarray, rng, splits: int
) -> float:
    scaled = scaled_to_one(saliency_map)
    positives, negatives = scaled[fixated], scaled[elsewhere]
    drawn = min(len(positives), len(negatives))
    areas = []
    for _ in range(splits):
        order = rng.permutation(len(negatives))
        areas.append(area_of_the_matlab_code(positives, negatives[order[:drawn]], drawn))
    return float(np.mean(areas))


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("name", VARIED)
def test_mit_value_is_that_of_the_matlab_definition(name, kind):
    golden = golden_set(name)
    for i, saliency_map in enumerate(golden.maps):
        here = golden.image == i
        own, others = np.zeros((2, *saliency_map.shape), dtype=bool)
        own[golden.row[here], golden.column[here]] = True
        other_x, other_y = golden.fixations_of_others(i)
        others[other_y, other_x] = True
        expected = mit_by_the_matlab_definition(
            saliency_map, own, others, np.random.default_rng(i), splits=20
        )
        arguments = (saliency_map, golden.column[here], golden.row[here], other_x, other_y)
        if kind == "torch":
            arguments = tuple(map(torch.from_numpy, arguments))
        value = shuffled_auc_mit(*arguments, rng=np.random.default_rng(i), splits=20)
        assert value.item() == pytest.approx(expected, rel=1e-9)


def test_mit_value_does_not_exist_for_a_constant_map_or_without_others():
    rng = np.random.default_rng(0)
    one = np.array([0]), np.array([0])
    with pytest.raises(ConstantMapError, match="AUC-shuffled is not defined for a constant map"):
        shuffled_auc_mit(np.ones((2, 2)), *one, *one, rng=rng)
    nothing = np.empty(0, np.int64)
    with pytest.raises(NoFixationError, match="AUC-shuffled needs fixations of other images"):
        shuffled_auc_mit(np.eye(2), *one, nothing, nothing, rng=rng)


def test_mit_value_of_a_batch_names_the_image_without_negatives():
    maps = np.stack([np.eye(2)] * 2)
    both, first = np.array([0, 1]), np.array([0])
    with pytest.raises(NoFixationError, match="image 1 of the batch: AUC-shuffled needs fixations"):
        shuffled_auc_mit(
            maps, both, both, first, first, both, first, rng=np.random.default_rng(0), splits=2
        )
