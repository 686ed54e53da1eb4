import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foregaze.errors import ShapeError
from foregaze.metrics import ConstantMapError, sim, sim_mit
from foregaze.ops.best_maps import blurred_map
from tests.metrics.pysaliency_sets import DENSITIES, KINDS, SETS, VARIED, golden_set, per_image


def random_maps(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((2, 5, 6))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SETS)
def test_values_are_pysaliencys(name, kind):
    golden = golden_set(name)
    values = per_image(sim, golden, kind, golden.maps, golden.empirical_maps)
    np.testing.assert_allclose(values, golden.out("SIM"), rtol=1e-9)


@pytest.mark.parametrize("name", DENSITIES)
def test_values_of_blurred_densities_are_pysaliencys(name):
    golden = golden_set(name)
    maps = [blurred_map(values, golden.sigma_px) for values in golden.log_densities]
    values = per_image(sim, golden, "numpy", maps, golden.empirical_maps)
    np.testing.assert_allclose(values, golden.out("blurred SIM"), rtol=1e-9)


@given(st.integers(0, 2**32 - 1))
def test_similarity_is_symmetric_and_bounded(seed):
    first, second = random_maps(seed)
    value = sim(first, second)
    assert value == sim(second, first)
    assert 0 <= value <= 1 + 1e-15
    assert sim(first, first) == pytest.approx(1, abs=1e-15)


@given(st.integers(0, 2**32 - 1))
def test_similarity_is_one_less_half_the_distance_of_the_distributions(seed):
    first, second = random_maps(seed)
    distance = np.abs(first / first.sum() - second / second.sum()).sum()
    assert sim(first, second) == pytest.approx(1 - distance / 2, rel=1e-9)


def test_maps_without_shared_mass_have_none():
    assert sim(np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]])) == 0


def test_map_with_negative_values_is_shifted_up_to_zero():
    first, second = random_maps(0)
    shifted = first - first.min()
    assert sim(shifted - 3.0, second) == pytest.approx(sim(shifted, second), rel=1e-9)


def test_map_of_zeros_is_uniform():
    _, second = random_maps(0)
    assert sim(np.zeros_like(second), second) == sim(np.ones_like(second), second)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", VARIED)
def test_mit_value_is_that_of_maps_scaled_from_zero_to_one(name, kind):
    golden = golden_set(name)
    expected = []
    for maps in zip(golden.maps, golden.empirical_maps, strict=True):
        scaled = [(values - values.min()) / (values.max() - values.min()) for values in maps]
        expected.append(sum(np.minimum(*[values / values.sum() for values in scaled]).ravel()))
    values = per_image(sim_mit, golden, kind, golden.maps, golden.empirical_maps)
    np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_mit_value_of_a_constant_map_does_not_exist():
    varied, constant = random_maps(0)[0], np.full((5, 6), 0.25)
    for maps in ((varied, constant), (constant, varied)):
        with pytest.raises(ConstantMapError, match="SIM is not defined for a constant map"):
            sim_mit(*maps)


@pytest.mark.usefixtures("no_shape_checks")
def test_maps_of_different_sizes_are_an_error():
    with pytest.raises(ShapeError, match=r"SIM: shapes are \(5, 6\) and \(4, 6\), expected equal"):
        sim(random_maps(0)[0], random_maps(0)[0][:4])
