"""Networks of several components against those of the plain models, one component at a time."""

import pytest
import torch
from torch import Tensor, nn

from foregaze.models.deepgaze_networks import (
    Convolution,
    Finalizers,
    FixationSelectionNetworks,
    SaliencyNetworks,
    ScanpathNetworks,
    first_layer,
    history_offsets,
    layers_of,
    published_networks,
)
from foregaze.ops.nearest import CompactGrid, nearest_index
from tests.models.plain_deepgaze import (
    FixationSelectionNetwork,
    FlexibleScanpathEncoding,
    SaliencyNetwork,
    ScanpathNetwork,
    assemble,
    encode_scanpath,
)
from tests.models.plain_layers import resize_nearest
from tests.models.release_files import fill, load_golden
from tests.models.toy_heads import (
    CASES,
    DTYPES,
    assert_close,
    centerbias_of,
    density,
    features_of,
    history_of,
    mixture_pair,
    numbers,
)

K = 3


@pytest.fixture(autouse=True)
def inference_mode():
    with torch.inference_mode():
        yield


def give_same_numbers(fused: nn.Module, plain: list[nn.Module]) -> None:
    """Other numbers in every component."""
    fused.double()
    names = [f"{k}.{key}" for k in range(len(plain)) for key in plain[0].state_dict()]
    shapes = {n: tuple(plain[0].state_dict()[n.partition(".")[2]].shape) for n in names}
    tensors = fill(shapes)
    for k, network in enumerate(plain):
        views = fused.published("", k)
        own = {key: tensors[f"{k}.{key}"].double() for key in network.state_dict()}
        assert views.keys() == own.keys()
        network.double().load_state_dict(own)
        for key, view in views.items():
            assert view.shape == own[key].shape, key
            view.copy_(own[key])


def test_saliency_networks_are_the_plain_ones():
    sizes, target = ((5, 7), (11, 15)), (9, 12)
    fused, plain = SaliencyNetworks(K, 9), [SaliencyNetwork(9) for _ in range(K)]
    give_same_numbers(fused, plain)
    maps = [numbers(n, 2, c, *size) for n, (c, size) in enumerate(zip((5, 4), sizes, strict=True))]
    grid = CompactGrid.of(sizes, target)
    ours = grid.expand(fused(maps, grid))
    theirs = torch.cat([network(assemble(maps, target)) for network in plain], 1)
    assert_close(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("scanpath_channels", [0, 16])
def test_fixation_selection_networks_are_the_plain_ones(scanpath_channels):
    fused = FixationSelectionNetworks(K, scanpath_channels)
    plain = [FixationSelectionNetwork(scanpath_channels) for _ in range(K)]
    give_same_numbers(fused, plain)
    saliency = numbers(0, 2, K, 7, 9)
    scanpath = numbers(1, 2, K, 16, 7, 9) if scanpath_channels else None
    flat = None if scanpath is None else scanpath.flatten(-2)
    ours = fused(saliency.flatten(-2), flat, None).reshape(2, K, 7, 9)
    theirs = [
        network(saliency[:, k, None], None if scanpath is None else scanpath[:, k])
        for k, network in enumerate(plain)
    ]
    assert_close(ours, torch.cat(theirs, 1), atol=1e-12)


def histories() -> tuple[Tensor, Tensor]:
    x_hist, y_hist = 30 * numbers(0, 3, 4).abs(), 20 * numbers(1, 3, 4).abs()
    for hist in (x_hist, y_hist):
        hist[1, 1:] = torch.nan
        hist[2] = torch.nan
    return x_hist, y_hist


def sampled(size, readout):
    """The pixels that the published models take for cells."""
    return map(nearest_index, size, readout)


def test_scanpath_networks_are_the_plain_ones():
    fused, plain = ScanpathNetworks(K, 4), [ScanpathNetwork() for _ in range(K)]
    give_same_numbers(fused, plain)
    size, readout = (45, 61), (12, 16)
    x_hist, y_hist = histories()
    ours = fused(history_offsets(x_hist, y_hist, *sampled(size, readout))).reshape(
        3, K, 16, *readout
    )
    encoded = resize_nearest(encode_scanpath(x_hist, y_hist, size), readout)
    theirs = torch.stack([network(encoded) for network in plain], 1)
    assert_close(ours, theirs, atol=1e-9)


@DTYPES
def test_scanpath_encoding_is_that_of_the_reference(dtype):
    parameters, arrays = load_golden("scanpath_encoding")
    fused = ScanpathNetworks(1, 4).to(dtype)
    views = fused.published("", 0)
    for key, tensor in parameters.items():
        views[f"encoding0.{key}"].copy_(tensor)
    size, readout = (tuple(arrays[key].tolist()) for key in ("size", "readout_shape"))
    given = (arrays["x_hist"].to(dtype), arrays["y_hist"].to(dtype))
    offsets = history_offsets(*given, *sampled(size, readout))
    encoded = torch.cat([offsets[:, :, i].reshape(3, 4, *readout) for i in range(3)], 1)
    theirs = arrays["encoded"].nan_to_num(0)
    torch.testing.assert_close(encoded, theirs.to(dtype), rtol=2e-7, atol=0)
    ours = torch.einsum("qti,btip->bqp", fused.encoding[0], offsets).reshape(3, 128, *readout)
    assert_close(ours, arrays["out"], atol=2e-4)  # measured 9.2e-5 on values up to 429
    encoding = FlexibleScanpathEncoding(4, 128).double()
    encoding.load_state_dict(parameters)
    exact = encoding(arrays["encoded"].double())
    assert (ours - exact).abs().max() < (1e-6 if dtype == torch.float32 else 2e-7) * 429


def test_offsets_lead_from_the_fixation_to_the_sampled_pixels():
    x_hist, y_hist = torch.tensor([[10.5, torch.nan]]), torch.tensor([[4.0, torch.nan]])
    dx, dy, distance, present = history_offsets(x_hist, y_hist, *sampled((8, 12), (2, 3)))[0, 0]
    assert dx.tolist() == [-10.5, -6.5, -2.5] * 2  # columns 0, 4 and 8
    assert dy.tolist() == [-4.0] * 3 + [0.0] * 3  # rows 0 and 4
    assert torch.equal(distance, torch.hypot(dx, dy))
    assert present.tolist() == [1.0] * 6


@pytest.mark.parametrize("y", [torch.nan, 7.0])
def test_where_there_is_no_fixation_everything_is_zero(y):
    x_hist, y_hist = torch.tensor([[3.0, torch.nan]]), torch.tensor([[5.0, y]])
    offsets = history_offsets(x_hist, y_hist, *sampled((8, 12), (2, 3)))
    assert torch.equal(offsets[0, 1], torch.zeros(4, 6))
    assert offsets[0, 0, 3].tolist() == [1.0] * 6


def test_first_layer_is_one_convolution_of_the_joined_maps():
    sizes, target = ((5, 7), (11, 15)), (9, 12)
    convolution = Convolution(K, 9, 4, norm=False).double()
    convolution.bias.copy_(numbers(5, K, 4))
    maps = [numbers(n, 2, c, *size) for n, (c, size) in enumerate(zip((5, 4), sizes, strict=True))]
    grid = CompactGrid.of(sizes, target)
    ours = grid.expand(first_layer(convolution.layer, maps, grid))
    joined = assemble(maps, target)
    for k in range(K):
        weight = convolution.weight[k][..., None, None]
        theirs = torch.conv2d(joined, weight, convolution.bias[k])
        assert_close(ours[:, k], theirs, atol=1e-12)


def test_layers_of_a_network_are_its_parameters():
    network = SaliencyNetworks(K, 9)
    first, _, last = layers_of(network.layers)
    assert first.weight is network.layers[0].weight
    assert last.norm_bias is network.layers[2].norm_bias


def test_views_of_all_components_cover_every_parameter_once():
    networks = {
        "saliency_networks": SaliencyNetworks(K, 9),
        "scanpath_networks": ScanpathNetworks(K, 4),
        "fixation_selection_networks": FixationSelectionNetworks(K, 16),
        "finalizers": Finalizers(K, 8.0),
    }
    views = published_networks(K, **networks)
    parameters = [p for network in networks.values() for p in network.parameters()]
    assert sum(x.numel() for x in views.values()) == sum(p.numel() for p in parameters)
    for view in views.values():
        view.fill_(7.0)
    assert all((p == 7).all() for p in parameters)


def test_finalizers_begin_with_the_given_width_and_the_whole_center_bias():
    finalizers = Finalizers(K, 8.0)
    assert finalizers.sigma.tolist() == [8.0] * K
    assert finalizers.center_bias_weight.tolist() == [1.0] * K


@pytest.mark.parametrize("slots", [0, 4])
def test_saliency_far_below_zero_keeps_its_digits(slots):
    """A norm divides the map by its spread, which is tiny where softplus is."""
    case = CASES["dividing"]
    head, plain = mixture_pair(case, slots=slots)
    history = history_of(case) if slots else ()
    features, centerbias = features_of(case), centerbias_of(case)
    with torch.no_grad():
        for component in range(case.components):
            key = f"saliency_networks.{component}.bias2.bias"
            head.published()[key].add_(-10.0)
            plain.get_parameter(key).add_(-10.0)
        exact = plain.forward_features(features, case.image_size, centerbias, *history)[:, 0]
        given = [x.float() for x in (centerbias, *history)]
        single = density(head.float(), [x.float() for x in features], *given)
    assert_close(single, exact, 2e-5)
