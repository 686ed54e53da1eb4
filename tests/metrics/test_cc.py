import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foregaze.errors import ShapeError
from foregaze.metrics import ConstantMapError, cc
from foregaze.ops.best_maps import blurred_map
from tests.metrics.pysaliency_sets import DENSITIES, KINDS, VARIED, golden_set, per_image


def random_maps(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((2, 5, 6))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", VARIED)
def test_values_are_pysaliencys(name, kind):
    golden = golden_set(name)
    values = per_image(cc, golden, kind, golden.maps, golden.empirical_maps)
    np.testing.assert_allclose(values, golden.out("CC"), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", DENSITIES)
def test_values_of_blurred_densities_are_pysaliencys(name):
    golden = golden_set(name)
    maps = [blurred_map(values, golden.sigma_px) for values in golden.log_densities]
    values = per_image(cc, golden, "numpy", maps, golden.empirical_maps)
    np.testing.assert_allclose(values, golden.out("blurred CC"), rtol=1e-9, atol=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_correlation_is_numpys(seed):
    first, second = random_maps(seed)
    expected = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert cc(first, second) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_correlation_is_symmetric_and_bounded(seed):
    first, second = random_maps(seed)
    value = cc(first, second)
    assert value == cc(second, first)
    assert abs(value) <= 1
    assert cc(first, first) == pytest.approx(1, abs=1e-14)
    assert cc(first, -first) == pytest.approx(-1, abs=1e-14)


@given(st.integers(0, 2**32 - 1), st.floats(-100, 100), st.floats(-1e3, 1e3))
def test_scale_and_offset_change_nothing_but_rounding(seed, log_scale, offset_in_scales):
    first, second = random_maps(seed)
    moved = 10.0**log_scale * (first + offset_in_scales)
    assert cc(moved, second) == pytest.approx(cc(first, second), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_constant_map_on_either_side_is_an_error_and_never_zero(kind):
    varied, constant = random_maps(0)[0], np.full((5, 6), 1 / 3)
    if kind == "torch":
        varied, constant = torch.from_numpy(varied), torch.from_numpy(constant)
    for maps in ((varied, constant), (constant, varied), (constant, constant)):
        with pytest.raises(ConstantMapError, match="CC is not defined for a constant map"):
            cc(*maps)


@pytest.mark.usefixtures("no_shape_checks")
def test_maps_of_different_sizes_are_an_error():
    with pytest.raises(ShapeError, match=r"CC: shapes are \(5, 6\) and \(6, 5\), expected equal"):
        cc(random_maps(0)[0], random_maps(0)[0].T)
