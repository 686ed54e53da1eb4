import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foregaze.errors import ForegazeError
from foregaze.metrics import ConstantMapError, nss


def test_values_per_fixation_match_pysaliency(golden):
    values = [nss(np.log(image.saliency_map), image.x, image.y) for image in golden.images()]
    np.testing.assert_allclose(
        np.concatenate(values), golden.values["NSS_per_fixation"], rtol=1e-11, atol=1e-12
    )


def test_standard_deviation_is_that_of_the_population():
    density = np.array([[0.1, 0.2], [0.3, 0.4]])
    value = nss(np.log(density), np.array([1]), np.array([1])).item()
    assert value == pytest.approx(0.15 / np.sqrt(0.0125))


def test_values_of_all_pixels_have_mean_zero_and_variance_one():
    density = np.random.default_rng(0).random((6, 5))
    y, x = np.indices(density.shape).reshape(2, -1)
    values = nss(np.log(density), x, y)
    assert values.mean() == pytest.approx(0, abs=1e-12)
    assert values.var() == pytest.approx(1)


@given(st.floats(-2000, 2000))
def test_scale_of_the_density_does_not_matter(shift_nats):
    log_density = np.log(np.random.default_rng(0).random((6, 5)))
    x, y = np.array([0, 4]), np.array([5, 1])
    np.testing.assert_allclose(
        nss(log_density + shift_nats, x, y), nss(log_density, x, y), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_map_is_an_error_even_with_rounding_noise(dtype):
    uniform = np.full((20, 30), -np.log(600), dtype=dtype)
    uniform[3, 4] = np.nextafter(uniform[3, 4], dtype(0))
    with pytest.raises(ConstantMapError, match="NSS is not defined for a constant map"):
        nss(uniform, np.array([4]), np.array([3]))
    assert issubclass(ConstantMapError, ForegazeError)
