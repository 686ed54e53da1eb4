import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foregaze.errors import ForegazeError
from foregaze.metrics import ConstantMapError, nss, nss_mit
from tests.metrics.pysaliency_sets import DENSITIES, KINDS, VARIED, golden_set, per_fixation


def random_map(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((6, 5))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", VARIED)
def test_values_per_fixation_are_pysaliencys(name, kind):
    golden = golden_set(name)
    values = per_fixation(nss, golden, kind, golden.maps)
    np.testing.assert_allclose(values, golden.out("NSS"), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DENSITIES)
def test_values_of_densities_are_pysaliencys(name, kind):
    golden = golden_set(name)
    densities = [np.exp(values) for values in golden.log_densities]
    values = per_fixation(nss, golden, kind, densities)
    np.testing.assert_allclose(values, golden.out("density NSS"), rtol=1e-9, atol=1e-9)


def test_values_are_those_of_pysaliencys_development_version(golden):
    values = [nss(image.saliency_map, image.x, image.y) for image in golden.images()]
    np.testing.assert_allclose(
        np.concatenate(values), golden.values["NSS_per_fixation"], rtol=1e-11, atol=1e-12
    )


def test_standard_deviation_is_that_of_the_population():
    density = np.array([[0.1, 0.2], [0.3, 0.4]])
    value = nss(density, np.array([1]), np.array([1])).item()
    assert value == pytest.approx(0.15 / np.sqrt(0.0125))


def test_values_of_all_pixels_have_mean_zero_and_variance_one():
    y, x = np.indices((6, 5)).reshape(2, -1)
    values = nss(random_map(0), x, y)
    assert values.mean() == pytest.approx(0, abs=1e-12)
    assert values.var() == pytest.approx(1)


@given(st.integers(0, 2**32 - 1), st.floats(-100, 100), st.floats(-1e3, 1e3))
def test_scale_and_offset_change_nothing_but_rounding(seed, log_scale, offset_in_scales):
    """Digits that an offset takes from the map's spread are lost: at 1000 spreads, three."""
    saliency_map, scale = random_map(seed), 10.0**log_scale
    x, y = np.array([0, 4, 2]), np.array([5, 1, 3])
    np.testing.assert_allclose(
        nss(scale * (saliency_map + offset_in_scales), x, y),
        nss(saliency_map, x, y),
        rtol=1e-9,
        atol=1e-9,
    )


@given(st.integers(0, 2**32 - 1), st.integers(-300, 300))
def test_scale_of_a_power_of_two_changes_not_a_bit(seed, exponent):
    saliency_map = random_map(seed)
    x, y = np.array([0, 4]), np.array([5, 1])
    np.testing.assert_array_equal(
        nss(np.ldexp(saliency_map, exponent), x, y), nss(saliency_map, x, y)
    )


@given(st.integers(0, 2**32 - 1))
def test_negated_map_has_the_negated_values(seed):
    x, y = np.array([0, 4]), np.array([5, 1])
    np.testing.assert_allclose(nss(-random_map(seed), x, y), -nss(random_map(seed), x, y))


def test_mean_over_sampled_fixations_is_the_expectation_under_the_density():
    density = random_map(3) ** 4
    density /= density.sum()
    rng = np.random.default_rng(0)
    y, x = np.unravel_index(rng.choice(density.size, 40_000, p=density.ravel()), density.shape)
    values = nss(density, x, y)
    expected = (density * (density - density.mean())).sum() / density.std()
    assert values.mean() == pytest.approx(expected, abs=4 * values.std() / 200)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_map_is_an_error_even_with_rounding_noise(dtype):
    uniform = np.full((20, 30), -np.log(600), dtype=dtype)
    uniform[3, 4] = np.nextafter(uniform[3, 4], dtype(0))
    with pytest.raises(ConstantMapError, match="NSS is not defined for a constant map"):
        nss(uniform, np.array([4]), np.array([3]))
    assert issubclass(ConstantMapError, ForegazeError)


def test_constant_map_in_a_batch_of_others_is_an_error():
    maps = np.stack([random_map(0), np.full((6, 5), 0.25)])
    with pytest.raises(ConstantMapError, match="NSS is not defined for a constant map"):
        nss(maps, np.array([0]), np.array([0]), np.array([0]))


def test_single_precision_map_is_averaged_in_double():
    saliency_map = np.full((400, 500), 1e4, dtype=np.float32)
    saliency_map[0, 0] += 1
    value = nss(torch.from_numpy(saliency_map), torch.tensor([0]), torch.tensor([0])).item()
    n = saliency_map.size
    assert value == pytest.approx(np.sqrt(n - 1), rel=1e-6)


def nss_of_the_matlab_code(saliency_map: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    fixation_map = np.zeros(saliency_map.shape, dtype=bool)
    fixation_map[y, x] = True
    standardized = (saliency_map - saliency_map.mean()) / saliency_map.std(ddof=1)
    return float(standardized[fixation_map].mean())


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("name", VARIED)
def test_mit_value_is_that_of_the_matlab_definition(name, kind):
    golden = golden_set(name)
    for i, saliency_map in enumerate(golden.maps):
        x, y = golden.column[golden.image == i], golden.row[golden.image == i]
        expected = nss_of_the_matlab_code(saliency_map, x, y)
        if kind == "torch":
            value = nss_mit(*map(torch.from_numpy, (saliency_map, x, y)))
        else:
            value = nss_mit(saliency_map, x, y)
        assert value.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)
