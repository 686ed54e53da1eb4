"""The networks with SPADE norms, one component at a time by the plain layers."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foregaze.models.deepgaze_networks import SaliencyNetworks, history_offsets
from foregaze.models.spade_networks import (
    SpadeConvolution,
    SpadeFixationSelectionNetworks,
    SpadeSaliencyNetworks,
    SpadeScanpathNetworks,
)
from foregaze.ops.nearest import CompactGrid, nearest_index
from tests.models.plain_deepgaze import encode_scanpath
from tests.models.plain_layers import resize_nearest
from tests.models.plain_spade import PlainLayer
from tests.models.toy_guided import trained
from tests.models.toy_heads import assert_close, numbers

K, G, HIDDEN, H, W, B = 3, 4, 5, 6, 7, 2
SIZE = (H, W)
IMAGE = (51, 61)
CELLS = tuple(map(nearest_index, IMAGE, SIZE))


def drawn(module: nn.Module) -> nn.Module:
    """In float64, with other parameters than it begins with."""
    module.double()
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            if parameter.requires_grad:
                parameter.add_(0.1 * numbers(number, *parameter.shape))
    return module


def saliency_networks(**changes: bool) -> SpadeSaliencyNetworks:
    options = {"starts_plain": False} | changes
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SpadeSaliencyNetworks(K, 9, G, HIDDEN, **options)


@pytest.fixture
def guidance() -> Tensor:
    return numbers(40, B, K, G, H, W)


@torch.inference_mode()
def test_saliency_networks_are_the_plain_layers(guidance):
    ours, x = drawn(saliency_networks()), 1 + numbers(41, B, 9, H, W)
    found = ours(x, guidance)
    for k in range(K):
        theirs = x
        for layer in ours.layers:
            theirs = F.softplus(PlainLayer(layer, k, "bilinear")(theirs, guidance[:, k]))
        assert_close(found[:, k, None], theirs, atol=1e-12)


@torch.inference_mode()
def test_selection_networks_are_the_plain_layers(guidance):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ours = drawn(SpadeFixationSelectionNetworks(K, 16, G, HIDDEN, starts_plain=False))
    saliency, scanpath = numbers(42, B, K, H * W), numbers(43, B, K, 16, H * W)
    found = ours(saliency, scanpath, ours.modulations(guidance))
    for k in range(K):
        x = torch.cat([saliency[:, k, None], scanpath[:, k]], 1).unflatten(-1, SIZE)
        theirs = PlainLayer(ours.layer0, k, "bilinear")(x, None)
        for layer in ours.layers:
            theirs = PlainLayer(layer, k, "bilinear")(F.softplus(theirs), guidance[:, k])
        assert_close(found[:, k], theirs.flatten(1), atol=1e-12)


def scanpath_networks() -> SpadeScanpathNetworks:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SpadeScanpathNetworks(K, 2, G, HIDDEN, starts_plain=False)


@torch.inference_mode()
def test_scanpath_networks_are_the_plain_layers(guidance):
    ours = drawn(scanpath_networks())
    x_hist, y_hist = 60 * numbers(44, B, 2).sigmoid(), 50 * numbers(45, B, 2).sigmoid()
    found = ours(history_offsets(x_hist, y_hist, *CELLS), ours.modulations(guidance))
    encoded = resize_nearest(encode_scanpath(x_hist, y_hist, IMAGE), SIZE)
    for k in range(K):
        theirs = torch.zeros(B, 128, H, W, dtype=torch.float64)
        for slot in range(2):
            weight = ours.encoding[k, :, slot]
            theirs += F.conv2d(encoded[:, slot::2], weight[:, :3, None, None], weight[:, 3])
        theirs = F.softplus(theirs)
        for layer in ours.layers:
            theirs = F.softplus(PlainLayer(layer, k, "bilinear")(theirs, guidance[:, k]))
        assert_close(found[:, k], theirs.flatten(2), atol=1e-11)


@torch.inference_mode()
def test_without_any_fixation_rounding_does_not_become_scanpath_features(guidance):
    """The norm of a constant: its rounding, divided by the square root of 1e-12."""
    ours = scanpath_networks()
    missing = torch.full((B, 2), torch.nan)
    offsets = history_offsets(missing, missing, *CELLS)
    found = ours(offsets, ours.modulations(guidance.float()))
    exact = ours.double()(offsets.double(), ours.modulations(guidance))
    assert_close(found.double(), exact, atol=1e-5)


def test_without_any_fixation_gradients_are_finite(guidance):
    ours = drawn(scanpath_networks())
    missing = torch.full((B, 2), torch.nan, dtype=torch.float64)
    offsets = history_offsets(missing, missing, *CELLS)
    found = (numbers(46, B, K, 16, H * W) * ours(offsets, ours.modulations(guidance))).sum()
    gradients = torch.autograd.grad(found, list(ours.parameters()))
    assert all(x.isfinite().all() for x in gradients)
    assert gradients[0].abs().max().item() == 0  # of the encoding, which nothing went through


@torch.inference_mode()
def test_a_plain_start_is_the_network_without_spade(guidance):
    spade, plain = saliency_networks(starts_plain=True).double(), SaliencyNetworks(K, 9).double()
    for ours, theirs in zip(spade.layers, plain.layers, strict=True):
        ours.bias.copy_(0.2 * numbers(0, *ours.bias.shape))
        theirs.weight.copy_(ours.weight)
        theirs.bias.copy_(ours.bias)
    x = numbers(41, B, 9, H, W)
    assert_close(spade(x, guidance), plain([x], CompactGrid.of([SIZE], SIZE)), atol=1e-12)


@torch.inference_mode()
def test_one_map_serves_all_components(guidance):
    ours, x = drawn(saliency_networks()), numbers(41, B, 9, H, W)
    one = guidance[:, :1]
    assert_close(ours(x, one), ours(x, one.expand(-1, K, -1, -1, -1)), atol=1e-13)


def test_parameters_begin_as_those_of_pytorchs_convolutions():
    """Uniform between bounds of one over the root of the fan-in."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ours = SpadeConvolution(2, 300, 20, 30, 40, starts_plain=False)
        theirs = {
            "shared": nn.Conv2d(30, 40, 3),
            "gamma": nn.Conv2d(40, 300, 3),
            "beta": nn.Conv2d(40, 300, 3),
        }
    for name, convolution in theirs.items():
        pairs = [(f"{name}", convolution.weight), (f"{name}_bias", convolution.bias)]
        for key, expected in pairs:
            found, bound = getattr(ours, key), 1 / math.sqrt(convolution.weight[0].numel())
            assert found.shape[1:] == expected.shape
            assert found.abs().max().item() <= bound
            assert found.abs().max().item() == pytest.approx(bound, rel=0.1)
            assert found.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.15)
    assert ours.weight.std().item() == pytest.approx(1 / math.sqrt(300 * 3), rel=0.1)
    assert (ours.bias == 0).all()


def test_a_bias_that_would_cancel_is_not_trained():
    ours = SpadeFixationSelectionNetworks(K, 16, G, HIDDEN, starts_plain=False)
    assert [layer.bias.requires_grad for layer in ours.layers] == [True, False]
    assert trained(ours) == sum(x.numel() for x in ours.parameters()) - K
