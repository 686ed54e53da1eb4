"""SPADE norms against their equations, gamma and beta built explicitly."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from foregaze.ops.spade import (
    Modulation,
    SpadeWeights,
    gamma_and_beta,
    modulation,
    spade_convolution,
)
from tests.models.toy_heads import numbers

B, K, C, OUT, G, Q, H, W = 2, 3, 5, 4, 6, 7, 8, 9
SHAPES = {
    "shared": (K, Q, G, 3, 3),
    "shared_bias": (K, Q),
    "gamma": (K, C, Q, 3, 3),
    "gamma_bias": (K, C),
    "beta": (K, C, Q, 3, 3),
    "beta_bias": (K, C),
    "weight": (K, OUT, C),
    "bias": (K, OUT),
}


@pytest.fixture
def weights() -> SpadeWeights:
    drawn = (0.4 * numbers(i, *shape) for i, shape in enumerate(SHAPES.values()))
    return SpadeWeights(*(x.requires_grad_() for x in drawn))


@pytest.fixture
def x() -> Tensor:
    """Of every component, not centered."""
    return (2 + 3 * numbers(20, B, K, C, H, W)).requires_grad_()


@pytest.fixture
def guidance() -> Tensor:
    return numbers(21, B, 1, G, H, W).requires_grad_()


def fused(x: Tensor, guidance: Tensor, weights: SpadeWeights) -> Tensor:
    out = spade_convolution(x.flatten(-2), weights.weight, modulation(guidance, weights))
    return out.unflatten(-1, (H, W))


def plain(x: Tensor, guidance: Tensor, weights: SpadeWeights) -> Tensor:
    """One component after the other."""
    parts = []
    for k in range(K):
        w = SpadeWeights(*(values[k] for values in weights))
        m = guidance[:, k % guidance.shape[1]]
        own = x[:, k % x.shape[1]]
        s = F.relu(F.conv2d(m, w.shared, w.shared_bias, padding=1))
        gamma = F.conv2d(s, w.gamma, w.gamma_bias, padding=1)
        beta = F.conv2d(s, w.beta, w.beta_bias, padding=1)
        normalized = F.layer_norm(own, own.shape[1:], eps=1e-12)
        y = normalized * (1 + gamma) + beta
        parts.append(F.conv2d(y, w.weight[..., None, None], w.bias))
    return torch.stack(parts, 1)


def assert_equal(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("inputs", [1, K], ids=["one input for all", "an input for each"])
@pytest.mark.parametrize("maps", [1, K], ids=["one map for all", "a map for each"])
def test_norm_and_convolution_are_those_of_the_equations(x, weights, inputs, maps):
    guidance = numbers(22, B, maps, G, H, W)
    assert_equal(fused(x[:, :inputs], guidance, weights), plain(x[:, :inputs], guidance, weights))


@pytest.mark.parametrize("maps", [1, K])
def test_gradients_are_those_of_the_equations(x, weights, maps):
    guidance = numbers(22, B, maps, G, H, W).requires_grad_()
    functional = numbers(23, B, K, OUT, H, W)
    given = (x, guidance, *weights)
    ours, theirs = (
        torch.autograd.grad((functional * f(x, guidance, weights)).sum(), given)
        for f in (fused, plain)
    )
    for one, other in zip(ours, theirs, strict=True):
        scale = other.abs().max().item()
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11 * scale)


def test_without_gamma_and_beta_it_is_the_plain_norm(x, guidance, weights):
    none = {key: torch.zeros(SHAPES[key]).double() for key in SHAPES if key[0] in "g"}
    none |= {key: torch.zeros(SHAPES[key]).double() for key in ("beta", "beta_bias")}
    found = fused(x, guidance, weights._replace(**none))
    for k in range(K):
        normalized = F.layer_norm(x[:, k], x.shape[2:], eps=1e-12)
        expected = F.conv2d(normalized, weights.weight[k, :, :, None, None], weights.bias[k])
        assert_equal(found[:, k], expected)


def test_gamma_alone_scales_and_beta_alone_shifts(x, guidance, weights):
    zeros = {key: torch.zeros(SHAPES[key]).double() for key in ("gamma", "beta")}
    ones = torch.ones(SHAPES["gamma_bias"]).double()
    normalized = F.layer_norm(x[:, 1], x.shape[2:], eps=1e-12)
    found = fused(x, guidance, weights._replace(**zeros, gamma_bias=ones, beta_bias=3 * ones))
    y = 2 * normalized + 3
    expected = F.conv2d(y, weights.weight[1, :, :, None, None], weights.bias[1])
    assert_equal(found[:, 1], expected)


def test_components_do_not_mix(x, guidance, weights):
    given = fused(x, guidance, weights)
    for k in range(K):
        alone = SpadeWeights(*(values[k, None] for values in weights))
        assert_equal(fused(x[:, k, None], guidance, alone), given[:, k, None])


def test_images_do_not_mix(x, guidance, weights):
    given = fused(x, guidance, weights)
    for number in range(B):
        alone = fused(x[number, None], guidance[number, None], weights)
        assert_equal(alone, given[number, None])


def test_a_modulation_serves_any_number_of_inputs(guidance, weights):
    modulated = Modulation(*(part.detach() for part in modulation(guidance, weights)))
    assert modulated.scale.shape == (B, K, C, H * W)
    assert modulated.shift.shape == (B, K, OUT, H * W)
    repeated = Modulation(*(part.repeat_interleave(4, 0) for part in modulated))
    x = numbers(24, 4 * B, K, C, H * W)
    found = spade_convolution(x, weights.weight, repeated)
    for number in range(4 * B):
        own = Modulation(*(part[number // 4, None] for part in modulated))
        alone = spade_convolution(x[number, None], weights.weight, own)
        assert_equal(alone, found[number, None])


def test_single_precision_is_close_to_double(x, guidance, weights):
    exact = fused(x, guidance, weights)
    single = SpadeWeights(*(values.float() for values in weights))
    found = fused(x.float(), guidance.float(), single)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=3e-5)


def test_the_maps_to_be_looked_at_are_those_of_the_modulation(guidance, weights):
    gamma, beta = gamma_and_beta(guidance, weights)
    modulated = modulation(guidance, weights)
    assert_equal(modulated.scale, 1 + gamma.flatten(-2))
    assert_equal(modulated.shift, weights.weight @ beta.flatten(-2) + weights.bias[..., None])
