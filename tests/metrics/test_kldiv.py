import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from foregaze.metrics import kldiv
from tests.metrics.pysaliency_sets import KINDS, SETS, golden_set, per_image


def random_maps(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((2, 5, 6)) + 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SETS)
def test_values_are_pysaliencys_with_the_benchmarks_constants(name, kind):
    golden = golden_set(name)
    values = per_image(kldiv, golden, kind, golden.maps, golden.empirical_maps)
    np.testing.assert_allclose(values, golden.out("KLDiv"), rtol=1e-9)


@given(st.integers(0, 2**32 - 1))
def test_divergence_is_scipys_relative_entropy_of_the_empirical_map(seed):
    predicted, empirical = random_maps(seed)
    expected = entropy(empirical.ravel(), predicted.ravel())
    assert kldiv(predicted, empirical) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 8, 64]))
def test_divergence_is_not_negative_beyond_the_constants_rounding(seed, power):
    """At least -e H W by Jensen's inequality, and the rounding of a sum of H W terms."""
    predicted, empirical = random_maps(seed) ** power
    assert kldiv(predicted, empirical) >= -1e-14
    assert kldiv(predicted, predicted) == pytest.approx(0, abs=1e-14)


def test_map_with_negative_values_is_shifted_up_to_zero():
    predicted, empirical = random_maps(0)
    shifted = predicted - predicted.min()
    assert kldiv(shifted - 3.0, empirical) == pytest.approx(kldiv(shifted, empirical), rel=1e-9)
    positive = predicted + 5.0  # is not shifted
    assert kldiv(positive, empirical) != pytest.approx(kldiv(predicted, empirical), rel=1e-2)


def test_map_of_zeros_is_uniform():
    _, empirical = random_maps(0)
    zeros = np.zeros_like(empirical)
    assert kldiv(zeros, empirical) == kldiv(np.ones_like(empirical), empirical)
    assert kldiv(empirical, zeros) == kldiv(empirical, np.ones_like(empirical))


def test_prediction_of_zero_where_people_looked_costs_the_constants_logarithm():
    predicted, empirical = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert kldiv(predicted, empirical) == pytest.approx(-np.log(2.2204e-16), rel=1e-9)
