import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from foregaze.metrics import auc
from tests.metrics.pysaliency_sets import KINDS, SETS, VARIED, golden_set, per_fixation


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SETS)
def test_values_per_fixation_are_pysaliencys(name, kind):
    golden = golden_set(name)
    values = per_fixation(auc, golden, kind, golden.maps)
    np.testing.assert_allclose(values, golden.out("AUC"), rtol=1e-12)


@pytest.mark.parametrize("name", SETS)
def test_mean_over_an_images_fixations_is_pysaliencys_area_under_its_curve(name):
    golden = golden_set(name)
    values = per_fixation(auc, golden, "numpy", golden.maps)
    of_images = [values[golden.image == i].mean() for i in range(len(golden.maps))]
    np.testing.assert_allclose(of_images, golden.out("AUC per image"), rtol=1e-9)
    assert np.mean(of_images) == pytest.approx(golden.out("AUC image average").item(), rel=1e-9)


def test_values_are_those_of_pysaliencys_development_version(golden):
    values = [auc(image.log_density, image.x, image.y) for image in golden.images()]
    np.testing.assert_allclose(
        np.concatenate(values), golden.values["AUC_per_fixation_uniform"], rtol=1e-14
    )
    average = np.mean([value.mean() for value in values])
    assert average == pytest.approx(golden.values["AUC_image_average"], rel=1e-14)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("name", VARIED)
def test_mean_over_an_images_fixations_is_scikit_learns_area(name, kind):
    golden = golden_set(name)
    values = per_fixation(auc, golden, kind, golden.maps)
    for i, saliency_map in enumerate(golden.maps):
        here = golden.image == i
        fixated = saliency_map[golden.row[here], golden.column[here]]
        scores = np.concatenate([fixated, saliency_map.ravel()])
        labels = np.arange(len(scores)) < len(fixated)
        assert values[here].mean() == pytest.approx(roc_auc_score(labels, scores), rel=1e-9)


def test_constant_map_is_at_chance():
    assert auc(np.zeros((3, 4)), np.array([0, 3]), np.array([2, 1])).tolist() == [0.5, 0.5]


def test_ties_count_half_and_the_fixated_pixel_is_a_negative():
    log_density = np.array([[0.0, 1.0, 1.0, 2.0]])
    values = auc(log_density, np.array([0, 1, 3]), np.array([0, 0, 0]))
    assert values.tolist() == [0.5 / 4, (1 + 1) / 4, 3.5 / 4]


@given(
    st.lists(st.integers(-5, 5), min_size=12, max_size=12),
    st.sampled_from([np.exp, np.cbrt, lambda v: 3 * v - 7, lambda v: v**3 + v]),
)
def test_increasing_functions_of_the_map_change_nothing(levels, increasing):
    values = np.array(levels, dtype=np.float64).reshape(3, 4)
    y, x = np.indices(values.shape).reshape(2, -1)
    np.testing.assert_array_equal(auc(increasing(values), x, y), auc(values, x, y))


@given(st.integers(0, 2**32 - 1), st.sampled_from([np.exp, np.arctan, np.sinh]))
def test_increasing_functions_change_nothing_on_maps_counted_in_buckets(seed, increasing):
    rng = np.random.default_rng(seed)
    values = rng.integers(-200, 200, (80, 90)) / 64  # far enough apart to stay distinct
    y, x = rng.integers(0, 80, 30), rng.integers(0, 90, 30)
    np.testing.assert_array_equal(auc(increasing(values), x, y), auc(values, x, y))


@given(st.integers(0, 2**32 - 1))
def test_negated_map_mirrors_the_area_about_one_half(seed):
    values = np.random.default_rng(seed).integers(0, 6, (4, 5)).astype(np.float64)
    x, y = np.array([0, 4, 2]), np.array([3, 1, 2])
    np.testing.assert_allclose(auc(values, x, y) + auc(-values, x, y), 1, rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_map_of_low_precision_ties_with_itself(dtype):
    values = np.random.default_rng(0).random((80, 90)).astype(dtype)
    y, x = np.indices(values.shape).reshape(2, -1)
    assert auc(values, x, y).mean() == pytest.approx(0.5, abs=1e-15)
    tensors = map(torch.from_numpy, (values, x, y))
    np.testing.assert_array_equal(auc(*tensors).numpy(), auc(values, x, y))


def test_mean_over_sampled_fixations_is_the_expectation_under_the_density():
    rng = np.random.default_rng(0)
    density = rng.random((8, 9)) ** 4
    density /= density.sum()
    y, x = np.unravel_index(rng.choice(density.size, 40_000, p=density.ravel()), density.shape)
    flat = density.ravel()
    below = (flat < flat[:, None]).mean(1) + (flat == flat[:, None]).mean(1) / 2
    values = auc(density, x, y)
    assert values.mean() == pytest.approx(flat @ below, abs=4 * values.std() / 200)
