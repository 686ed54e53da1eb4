"""The fused finalizer against the plain one and what the reference returned."""

import math

import pytest
import torch
from torch import Tensor

from foregaze.errors import ShapeError
from foregaze.ops import finalizer
from foregaze.ops.finalizer import FinerGrid, blur_matrix, component_log_densities, mean_density
from foregaze.ops.nearest import CompactGrid, nearest_downsample, nearest_index
from tests.models.plain_layers import Finalizer, blur, resize_nearest
from tests.models.release_files import load_golden

DTYPES = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64], ids=["float32", "float64"]
)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def randn(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def assert_close(ours: Tensor, theirs: Tensor, atol: float) -> None:
    torch.testing.assert_close(ours, theirs.to(ours.dtype), rtol=0, atol=atol)


def fused(
    readout: Tensor, centerbias: Tensor, sigma: Tensor, weight: Tensor, factor: float
) -> Tensor:
    """Log densities of all components at the pixels, (B, K, H, W)."""
    h, w, height, width = (*readout.shape[-2:], *centerbias.shape[-2:])
    grid = FinerGrid.of_blocks((height, width), factor)
    everywhere = CompactGrid.of([(h, w)], (h, w))
    sampled = nearest_downsample(centerbias, factor)
    parts = list(component_log_densities(readout, everywhere, grid, sampled, sigma, weight))
    return torch.stack([grid.repeated(x) for part in parts for x in part.unbind(1)], 1)


def plain(
    readout: Tensor, centerbias: Tensor, sigma: Tensor, weight: Tensor, factor: float
) -> Tensor:
    outputs = []
    for k in range(len(sigma)):
        module = Finalizer(factor)
        del module.gauss.sigma, module.center_bias_weight
        module.gauss.sigma, module.center_bias_weight = sigma[k], weight[k, None]
        outputs.append(module(readout[:, k, None], centerbias))
    return torch.stack(outputs, 1)


@DTYPES
@pytest.mark.parametrize("size", ["even", "odd"])
def test_density_is_that_of_the_reference(size, dtype):
    parameters, arrays = load_golden(f"finalizer_{size}")
    sigma, weight = (parameters[key].to(dtype) for key in ("gauss.sigma", "center_bias_weight"))
    readout, centerbias = arrays["readout"].to(dtype), arrays["centerbias"].to(dtype)
    ours = fused(readout, centerbias, sigma[None], weight, float(arrays["saliency_map_factor"]))
    assert_close(ours[:, 0], arrays["out"], atol=4e-6)  # measured 1.9e-6


@pytest.mark.parametrize("sigma", [0.1, 0.3, 1.0, 8.0 / 3, 10.0, 40.0])
def test_matrix_is_the_published_blur_of_repeated_cells(sigma, generator):
    x = randn(generator, 1, 1, 5, 7)
    widths = torch.tensor([sigma, 2.5], dtype=torch.float64)
    rows, columns = nearest_index(5, 13), nearest_index(7, 11)
    vertical, horizontal = blur_matrix(widths, rows, 5), blur_matrix(widths, columns, 7)
    for k, width in enumerate(widths):
        theirs = blur(resize_nearest(x, (13, 11)), width)[0, 0]
        assert_close(vertical[k] @ x[0, 0] @ horizontal[k].T, theirs, atol=1e-13)


@pytest.mark.parametrize("sigma", [0.0, -0.5])
def test_a_width_that_training_takes_to_zero_leaves_cells_as_they_are(sigma):
    width = torch.tensor([sigma, 1.0], dtype=torch.float64)
    matrix = blur_matrix(width, nearest_index(5, 10), 5)
    assert_close(matrix[0], torch.eye(5).double().repeat_interleave(2, 0), atol=1e-13)


def test_matrix_keeps_constants():
    widths = torch.tensor([0.2, 3.0, 50.0], dtype=torch.float64)
    matrix = blur_matrix(widths, nearest_index(4, 30), 4)
    assert_close(matrix.sum(-1), torch.ones(3, 30), atol=1e-12)


CASES = {
    "dividing": ((12, 16), (96, 128), 4.0),
    "odd": ((13, 17), (101, 131), 2.0),
    "readout finer than the density": ((40, 51), (60, 82), 3.0),
    "every pixel": ((5, 7), (23, 31), 1.0),
    "a factor that is no whole number": ((9, 7), (50, 41), 1.5),
}
EVERY_CASE = pytest.mark.parametrize(("readout_size", "size", "factor"), CASES.values(), ids=CASES)


@EVERY_CASE
def test_densities_and_gradients_are_those_of_the_plain_finalizer(
    readout_size, size, factor, generator
):
    readout = (3 * randn(generator, 2, 3, *readout_size)).requires_grad_()
    sigma = torch.tensor([0.3, 4.0, 40.0], dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([1.0, -0.4, 2.0], dtype=torch.float64, requires_grad=True)
    centerbias = randn(generator, 2, *size)
    ours = fused(readout, centerbias, sigma, weight, factor)
    theirs = plain(readout, centerbias, sigma, weight, factor)
    assert_close(ours, theirs, atol=1e-11)
    assert ours.logsumexp((-2, -1)).abs().max().item() < 1e-12
    functional = randn(generator, *ours.shape)
    for mine, other in zip(
        torch.autograd.grad((ours * functional).sum(), (readout, sigma, weight)),
        torch.autograd.grad((theirs * functional).sum(), (readout, sigma, weight)),
        strict=True,
    ):
        assert_close(mine / other.abs().max(), other / other.abs().max(), atol=1e-10)


def test_components_that_come_some_at_a_time_are_the_same(generator, monkeypatch):
    readout, centerbias = randn(generator, 2, 5, 6, 7), randn(generator, 2, 40, 44)
    sigma, weight = 1 + torch.arange(5.0).double(), torch.ones(5, dtype=torch.float64)
    together = fused(readout, centerbias, sigma, weight, 2.0)
    monkeypatch.setattr(finalizer, "_CELLS_AT_ONCE", 2 * 2 * 20 * 22)
    grid = FinerGrid.of_blocks((40, 44), 2.0)
    everywhere = CompactGrid.of([(6, 7)], (6, 7))
    sampled = nearest_downsample(centerbias, 2.0)
    parts = list(component_log_densities(readout, everywhere, grid, sampled, sigma, weight))
    assert [part.shape[1] for part in parts] == [2, 2, 1]
    assert_close(fused(readout, centerbias, sigma, weight, 2.0), together, atol=1e-13)
    mixed = grid.repeated(mean_density(parts))
    assert_close(mixed, together.exp().mean(1).log(), atol=1e-12)


def test_mean_density_neither_overflows_nor_vanishes():
    log_densities = torch.tensor([-2000.0, -2001.0, -3000.0, -2000.5]).double()
    parts = [log_densities[None, :3, None, None], log_densities[None, 3:, None, None]]
    expected = -2000 + math.log((1 + math.exp(-1) + math.exp(-0.5)) / 4)
    assert mean_density(parts).item() == pytest.approx(expected, abs=1e-12)


def test_mean_density_is_zero_only_where_all_components_are():
    impossible, certain = torch.full((1, 2, 1, 1), -torch.inf), torch.zeros(1, 2, 1, 1)
    assert mean_density([impossible, impossible]).item() == -torch.inf
    assert mean_density([impossible, certain]).item() == pytest.approx(-math.log(2))


def test_density_is_zero_where_the_center_bias_forbids_fixations(generator):
    readout, centerbias = randn(generator, 1, 2, 5, 6), randn(generator, 1, 20, 24)
    centerbias[:, :8, 4:16] = -torch.inf
    widths = torch.tensor([1.0, 5.0], dtype=torch.float64)
    ours = fused(readout, centerbias, widths, torch.ones(2).double(), 4.0)
    assert ours[:, :, :8, 4:16].isneginf().all()
    assert ours.isneginf().sum().item() == 2 * 8 * 12
    assert ours.logsumexp((-2, -1)).abs().max().item() < 1e-12


@pytest.mark.parametrize("factor", [1.0, 1.5, 2.0, 3.0, 4.0, 7.0, 49.0])
def test_grid_has_one_cell_for_each_sample_of_the_center_bias(factor):
    for height in range(98, 250, 7):
        grid = FinerGrid.of_blocks((height, 2 * height + 1), factor)
        sampled = nearest_downsample(torch.zeros(height, 2 * height + 1), factor)
        assert grid.size == tuple(sampled.shape)
        pixels = grid.log_pixels(torch.zeros(0, dtype=torch.float64)).exp()
        assert pixels.sum().item() == pytest.approx(height * (2 * height + 1))


def test_an_image_smaller_than_a_cell_is_refused():
    with pytest.raises(ShapeError, match="image of 40x3 pixels is too small"):
        FinerGrid.of_blocks((3, 40), 4.0)
