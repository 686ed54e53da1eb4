import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance_nd
from torch.nn.functional import interpolate

from foregaze.errors import ShapeError
from foregaze.metrics import emd
from foregaze.metrics.emd import REDUCTION, _reduced


def cells(size: tuple[int, int], *positions: tuple[int, int]) -> np.ndarray:
    """A map with mass on blocks of 32x32 pixels at (row, column)."""
    saliency_map = np.zeros((size[0] * REDUCTION, size[1] * REDUCTION))
    for row, column in positions:
        saliency_map[
            row * REDUCTION : (row + 1) * REDUCTION, column * REDUCTION : (column + 1) * REDUCTION
        ] += 1
    return saliency_map


def reduced_by_torch(saliency_map: np.ndarray) -> np.ndarray:
    """PyTorch's antialiased bicubic of the mirrored map: MATLAB mirrors, PyTorch does not."""
    short = [-length % REDUCTION for length in saliency_map.shape]
    edges = [(2 * REDUCTION, 2 * REDUCTION + more) for more in short]
    mirrored = np.pad(saliency_map, edges, mode="symmetric")
    size = tuple(length // REDUCTION for length in mirrored.shape)
    small = interpolate(
        torch.from_numpy(mirrored)[None, None], size=size, mode="bicubic", antialias=True
    )[0, 0, 2:-2, 2:-2]
    small = small.clamp(min=0).numpy()
    return small / small.sum()


@pytest.mark.parametrize("size", [(128, 192), (600, 800), (100, 150), (97, 129)])
def test_reduction_is_pytorchs_antialiased_bicubic(size):
    saliency_map = np.random.default_rng(0).random(size) ** 8
    saliency_map /= saliency_map.sum()
    np.testing.assert_allclose(
        _reduced(saliency_map), reduced_by_torch(saliency_map), rtol=1e-9, atol=1e-15
    )


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("size", [(160, 192), (130, 200)])
def test_distance_is_scipys_wasserstein_distance_of_the_reduced_maps(size, kind):
    rng = np.random.default_rng(1)
    maps = [rng.random(size) ** 12 for _ in range(2)]
    small = [reduced_by_torch(values) for values in maps]
    places = np.indices(small[0].shape).reshape(2, -1).T
    expected = wasserstein_distance_nd(places, places, *[values.ravel() for values in small])
    if kind == "torch":
        maps = [torch.from_numpy(values) for values in maps]
    value = emd(*maps)
    assert isinstance(value, torch.Tensor) == (kind == "torch")
    assert value.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("rows", "columns", "distance"), [(0, 1, 1), (0, 3, 3), (3, 4, 5)])
def test_mass_moved_by_some_cells_costs_their_distance(rows, columns, distance):
    size = (10, 12)
    value = emd(cells(size, (3, 3)), cells(size, (3 + rows, 3 + columns)))
    assert value.item() == pytest.approx(distance, rel=1e-9)


def test_half_of_the_mass_moved_costs_half_of_the_distance():
    size = (12, 12)
    value = emd(cells(size, (5, 3), (5, 5)), cells(size, (5, 3), (5, 7)))
    # the shorter way: both halves of the mass are moved by at most two cells
    assert value.item() == pytest.approx(1, abs=0.01)
    assert emd(cells(size, (3, 3)), cells(size, (3, 3), (3, 9))).item() == pytest.approx(3, abs=0.1)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_distance_is_symmetric_and_satisfies_the_triangle_inequality(seed):
    first, second, third = np.random.default_rng(seed).random((3, 96, 128)) ** 6
    assert emd(first, second) == pytest.approx(emd(second, first), rel=1e-9)
    assert emd(first, third) <= emd(first, second) + emd(second, third) + 1e-12
    assert emd(first, first) == pytest.approx(0, abs=1e-12)


def test_scale_of_the_maps_does_not_matter():
    first, second = np.random.default_rng(0).random((2, 96, 128))
    assert emd(7 * first, second / 3) == pytest.approx(emd(first, second), rel=1e-9)


def test_image_smaller_than_a_cell_has_no_distance_to_go():
    first, second = np.random.default_rng(0).random((2, 20, 30))
    assert emd(first, second) == 0


def test_map_of_zeros_is_uniform():
    saliency_map = cells((4, 4), (1, 1))
    assert emd(np.zeros((128, 128)), saliency_map) == pytest.approx(
        emd(np.ones((128, 128)), saliency_map), rel=1e-9
    )


@pytest.mark.usefixtures("no_shape_checks")
def test_maps_of_different_sizes_are_an_error():
    with pytest.raises(ShapeError, match=r"EMD: shapes are \(64, 64\) and \(64, 96\)"):
        emd(np.ones((64, 64)), np.ones((64, 96)))
