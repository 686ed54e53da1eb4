"""Layers on compact cells against PyTorch's own on the large grid, in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from foregaze.ops import pointwise
from foregaze.ops.nearest import CompactGrid
from foregaze.ops.pointwise import (
    EPSILON,
    Layer,
    apply_layer,
    hidden_layer,
    standardize,
    standardize_maps,
)

SIZES = {
    "coarser than the grid": ((3, 4), (2, 3)),
    "finer than the grid": ((25, 31), (7, 9)),
    "much finer": ((40, 41), (20, 11)),
    "of one size": ((9, 11), (9, 11)),
}
TARGET = (9, 11)
EVERY_SIZE = pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def randn(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def resized(x: Tensor) -> Tensor:
    index = F.interpolate(
        torch.arange(float(x.shape[-2] * x.shape[-1])).reshape(1, 1, *x.shape[-2:]),
        size=TARGET,
        mode="nearest",
    )
    return x.flatten(-2)[..., index[0, 0].long()]


def normalized(x: Tensor) -> Tensor:
    return F.group_norm(x, 1, eps=EPSILON)


def assert_close(ours: Tensor, theirs: Tensor, atol: float = 1e-12) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


def random_layer(generator: torch.Generator, k: int, c: int, o: int, *, norm: bool = True) -> Layer:
    norms = [1 + randn(generator, k, c) / 4, randn(generator, k, c)] if norm else [None, None]
    return Layer(randn(generator, k, o, c), randn(generator, k, o), *norms)


def plain_layer(layer: Layer, component: int, x: Tensor) -> Tensor:
    """Norm, convolution and bias of one component, one after the other."""
    norm_weight = None if layer.norm_weight is None else layer.norm_weight[component]
    norm_bias = None if layer.norm_bias is None else layer.norm_bias[component]
    x = F.group_norm(x, 1, norm_weight, norm_bias, eps=EPSILON)
    bias = None if layer.bias is None else layer.bias[component]
    return F.conv2d(x, layer.weight[component][..., None, None], bias)


@EVERY_SIZE
def test_maps_are_standardized_as_if_resized_and_joined(sizes, generator):
    maps = [3 + randn(generator, 2, c, *size) for c, size in zip((5, 4), sizes, strict=True)]
    grid = CompactGrid.of(sizes, TARGET)
    ours = torch.cat([resized(x) for x in standardize_maps(maps, grid)], 1)
    assert_close(ours, normalized(torch.cat([resized(x) for x in maps], 1)))


@EVERY_SIZE
def test_cells_are_standardized_as_often_as_they_repeat(sizes, generator):
    grid = CompactGrid.of(sizes, TARGET)
    cells = randn(generator, 2, 3, 5, *grid.counts(torch.zeros(1)).shape)  # (B, K, C, h, w)
    counts = grid.counts(cells).flatten()
    ours = standardize(cells.flatten(-2), counts).reshape(cells.shape)
    large = grid.expand(cells).flatten(0, 1)
    assert_close(grid.expand(ours).flatten(0, 1), normalized(large))


def test_without_counts_all_cells_are_counted_once(generator):
    x = 2 + 3 * randn(generator, 2, 3, 5, 40)
    once = torch.ones(40, dtype=torch.float64)
    assert_close(standardize(x, None), standardize(x, once))
    assert_close(standardize(x, None).flatten(0, 1), normalized(x.flatten(0, 1)))


def test_a_constant_is_standardized_to_zero():
    constant = torch.full((1, 4, 6), 0.7, dtype=torch.float64)
    assert standardize(constant, None).abs().max().item() < 1e-9


@pytest.mark.parametrize("norm", [True, False])
@EVERY_SIZE
def test_layer_is_norm_convolution_and_bias(sizes, norm, generator):
    grid = CompactGrid.of(sizes, TARGET)
    layer = random_layer(generator, 3, 5, 4, norm=norm)
    cells = 1 + randn(generator, 2, 3, 5, *grid.counts(torch.zeros(1)).shape)
    ours = apply_layer(layer, cells.flatten(-2), grid.counts(cells).flatten())
    large = grid.expand(cells)
    theirs = torch.stack([plain_layer(layer, k, large[:, k]) for k in range(3)], 1)
    assert_close(grid.expand(ours.reshape(*ours.shape[:-1], *cells.shape[-2:])), theirs)


def test_a_layer_without_bias_adds_only_the_norms_shift(generator):
    full = random_layer(generator, 2, 5, 4)
    layer = full._replace(bias=None)
    shift = torch.stack([full.weight[k] @ full.norm_bias[k] for k in range(2)])
    assert_close(layer.folded_bias, shift)
    bare = layer._replace(norm_weight=None, norm_bias=None)
    assert torch.equal(bare.folded_bias, torch.zeros(2, 4, dtype=torch.float64))
    assert bare.folded_weight is bare.weight


def hidden_arguments(
    generator: torch.Generator, n: int, cells: int
) -> tuple[list[Tensor], Layer, Layer]:
    first = random_layer(generator, n, 3, 24, norm=False)
    second = random_layer(generator, n, 24, 5)
    x = randn(generator, n, 3, cells)
    given = [first.weight, first.folded_bias, x, second.folded_weight, second.folded_bias]
    return given, first, second


def plain_hidden(first: Layer, second: Layer, x: Tensor, repeats: Tensor) -> Tensor:
    """The hidden layer's norm on cells that are really repeated."""
    outputs = []
    for n in range(len(x)):
        hidden = first.weight[n] @ x[n] + first.bias[n][:, None]
        hidden = F.softplus(hidden, threshold=100).repeat_interleave(repeats, 1)
        outputs.append(plain_layer(second, n, hidden[None, :, None])[0, :, 0])
    return torch.stack(outputs)


@pytest.mark.parametrize("cells", [1, 30, 2048, 2049, 5000])
@pytest.mark.parametrize("counted", [True, False])
def test_hidden_layer_is_norm_of_softplus_in_pieces_of_any_number(cells, counted, generator):
    given, first, second = hidden_arguments(generator, 3, cells)
    repeats = torch.randint(0, 4, (cells,), generator=generator) + (torch.arange(cells) == 0).long()
    counts = repeats.double() if counted else None
    if not counted:
        repeats = torch.ones_like(repeats)
    ours = hidden_layer(*given, counts).repeat_interleave(repeats, -1)
    assert_close(ours, plain_hidden(first, second, given[2], repeats), atol=1e-11)


def test_gradients_of_the_hidden_layer_are_those_of_its_steps(generator, monkeypatch):
    monkeypatch.setattr(pointwise, "_PIECE_CELLS", 16)
    given, first, second = hidden_arguments(generator, 2, 50)
    repeats = torch.randint(1, 4, (50,), generator=generator)
    parameters = [first.weight, first.bias, given[2], *second]
    for parameter in parameters:
        parameter.requires_grad_()
    weights = randn(generator, 2, 5, int(repeats.sum()))
    ours = hidden_layer(
        first.weight,
        first.folded_bias,
        given[2],
        second.folded_weight,
        second.folded_bias,
        repeats.double(),
    ).repeat_interleave(repeats, -1)
    theirs = plain_hidden(first, second, given[2], repeats)
    for mine, other in zip(
        torch.autograd.grad((ours * weights).sum(), parameters),
        torch.autograd.grad((theirs * weights).sum(), parameters),
        strict=True,
    ):
        assert_close(mine, other, atol=1e-10)


def test_hidden_values_far_from_zero_lose_no_precision(generator):
    given, first, second = hidden_arguments(generator, 2, 300)
    first.bias.add_(3000)
    exact = plain_hidden(first, second, given[2], torch.ones(300, dtype=torch.long))
    ours = hidden_layer(*(x.float() for x in given), None)
    # the hidden values, about 3000, are rounded by 1e-4 of what they vary by
    assert_close(ours.double(), exact, atol=2e-3)
