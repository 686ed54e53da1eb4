import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foregaze.metrics import auc


def test_values_per_fixation_match_pysaliency(golden):
    values = [auc(image.log_density, image.x, image.y) for image in golden.images()]
    np.testing.assert_allclose(
        np.concatenate(values), golden.values["AUC_per_fixation_uniform"], rtol=1e-14
    )
    average = np.mean([value.mean() for value in values])
    assert average == pytest.approx(golden.values["AUC_image_average"], rel=1e-14)


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


@given(st.integers(0, 2**32 - 1))
def test_negated_map_mirrors_the_area_about_one_half(seed):
    values = np.random.default_rng(seed).integers(0, 6, (4, 5)).astype(np.float64)
    x, y = np.array([0, 4, 2]), np.array([3, 1, 2])
    np.testing.assert_allclose(auc(values, x, y) + auc(-values, x, y), 1, rtol=1e-14)


def test_single_precision_map_ties_with_itself():
    values = np.random.default_rng(0).random((4, 5)).astype(np.float32)
    y, x = np.indices(values.shape).reshape(2, -1)
    assert auc(values, x, y).mean() == pytest.approx(0.5, abs=1e-15)
