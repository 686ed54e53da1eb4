"""The networks that DeepGaze models share, with all mixture components side by side.

Every parameter has the component as its first dimension, so that one matrix product serves all
components, and a mixture is its members' parameters joined along it. Layer by layer as published:
layer norm over channels and cells, 1x1 convolution, bias, softplus (see `foregaze.ops.pointwise`).

Kümmerer, Wallis & Bethge (2016), arXiv:1610.01563; Linardos et al. (2021), arXiv:2105.12441;
Kümmerer, Bethge & Wallis (2022), Journal of Vision 22(5):7.

`B` batch, `K` components, `C` channels, `S` scanpath channels, `h w` and `P` cells of a compact
grid (see `foregaze.ops.nearest`), `T` history.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.functional import softplus

from foregaze.ops.finalizer import FinerGrid, component_log_densities
from foregaze.ops.nearest import CompactGrid
from foregaze.ops.pointwise import (
    Layer,
    apply_layer,
    hidden_layer,
    standardize,
    standardize_maps,
)

Views = dict[str, Tensor]
"""Parameters of one component by their published names, in their published shapes; writable."""

HIDDEN = 128
"""Channels of the wide layers of scanpath and fixation selection networks."""
NARROW = 16
"""Channels that follow them, and that the scanpath network hands on."""
SALIENCY = (8, 16, 1)
"""Channels of the saliency network's layers."""


class Convolution(nn.Module):
    """A 1x1 convolution of each component; norm and bias where asked for."""

    def __init__(
        self, components: int, inputs: int, outputs: int, *, norm: bool = True, bias: bool = True
    ) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        weight = torch.empty(components, outputs, inputs).uniform_(-bound, bound)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(components, outputs)) if bias else None
        self.norm_weight = nn.Parameter(torch.ones(components, inputs)) if norm else None
        self.norm_bias = nn.Parameter(torch.zeros(components, inputs)) if norm else None

    @property
    def layer(self) -> Layer:
        """The parameters as `foregaze.ops.pointwise` takes them."""
        return Layer(self.weight, self.bias, self.norm_weight, self.norm_bias)

    def published(self, prefix: str, number: int, component: int) -> Views:
        """One component's parameters as layer `number` of a published network."""
        views = {f"{prefix}conv{number}.weight": self.weight[component, :, :, None, None]}
        if self.norm_weight is not None and self.norm_bias is not None:
            views[f"{prefix}layernorm{number}.weight"] = self.norm_weight[component]
            views[f"{prefix}layernorm{number}.bias"] = self.norm_bias[component]
        if self.bias is not None:
            views[f"{prefix}bias{number}.bias"] = self.bias[component]
        return views


class SaliencyNetworks(nn.Module):
    """Features to one map per component: three pointwise layers, each with its norm."""

    def __init__(self, components: int, channels: int, widths: tuple[int, ...] = SALIENCY) -> None:
        super().__init__()
        inputs = (channels, *widths[:-1])
        self.layers = nn.ModuleList(
            Convolution(components, i, o) for i, o in zip(inputs, widths, strict=True)
        )

    def forward(
        self, features: Sequence[Float[Tensor, "B _ _ _"]], grid: CompactGrid
    ) -> Float[Tensor, "B K h w"]:
        """Maps on the compact grid of the features' common readout grid."""
        return self.last(self.hidden(features, grid), grid)

    def hidden(
        self, features: Sequence[Float[Tensor, "B _ _ _"]], grid: CompactGrid
    ) -> Float[Tensor, "B K O h w"]:
        """What the last layer sees; the first acts on each feature map at its own size."""
        first, *others, _ = layers_of(self.layers)
        x = softplus(first_layer(first, standardize_maps(features, grid), grid))  # (B, K, O, h, w)
        for layer in others:
            x = _apply_to_maps(layer, x, grid)
        return x

    def last(
        self, hidden: Float[Tensor, "B K O h w"], grid: CompactGrid
    ) -> Float[Tensor, "B K h w"]:
        """What the last layer makes of `hidden`."""
        return _apply_to_maps(layers_of(self.layers)[-1], hidden, grid)[:, :, 0]

    def published(self, prefix: str, component: int) -> Views:
        """One component's parameters by their published names."""
        views: Views = {}
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, Convolution)
            views |= layer.published(prefix, number, component)
        return views


def _apply_to_maps(
    layer: Layer, x: Float[Tensor, "B K I h w"], grid: CompactGrid
) -> Float[Tensor, "B K O h w"]:
    counts = grid.counts(x).flatten()
    return torch.unflatten(softplus(apply_layer(layer, x.flatten(-2), counts)), -1, x.shape[-2:])


def layers_of(convolutions: nn.ModuleList) -> list[Layer]:
    """The parameters of several convolutions."""
    layers = []
    for convolution in convolutions:
        assert isinstance(convolution, Convolution)
        layers.append(convolution.layer)
    return layers


def first_layer(
    layer: Layer, maps: Sequence[Float[Tensor, "B _ _ _"]], grid: CompactGrid
) -> Float[Tensor, "B K O h w"]:
    """One convolution of all components over maps of several sizes, each at its own.

    Args:
        layer: Its input channels are those of all maps, one after the other.
        maps: Features, standardized where the layer has a norm.
        grid: What the maps are resized to.
    """
    weight = layer.folded_weight  # (K, O, C)
    components, outputs = weight.shape[:2]
    parts = torch.split(weight.flatten(0, 1), [x.shape[1] for x in maps], 1)
    total: Tensor | None = None
    for number, (x, part) in enumerate(zip(maps, parts, strict=True)):
        out = torch.nn.functional.conv2d(x, part[..., None, None])
        out = grid.gather(out, number)
        total = out if total is None else total + out
    assert total is not None
    total = torch.unflatten(total, 1, (components, outputs))
    return total + layer.folded_bias[..., None, None]


class FixationSelectionNetworks(nn.Module):
    """Saliency map and scanpath features to one map per component."""

    def __init__(self, components: int, scanpath_channels: int) -> None:
        super().__init__()
        inputs = 1 + scanpath_channels
        self.layer0 = Convolution(components, inputs, HIDDEN)
        self.layer1 = Convolution(components, HIDDEN, NARROW)
        self.layer2 = Convolution(components, NARROW, 1, norm=False, bias=False)

    def forward(
        self,
        saliency: Float[Tensor, "B K P"],
        scanpath: Float[Tensor, "B K S P"] | None,
        counts: Float[Tensor, " P"] | None,
    ) -> Float[Tensor, "B K P"]:
        """Maps at the same cells, each counted as often as `counts` says in the norms."""
        parts = [saliency[:, :, None]] + ([] if scanpath is None else [scanpath])
        x = torch.cat([standardize(part, counts) for part in parts], 2)
        x = wide_layers(self.layer0.layer, self.layer1.layer, x, counts)
        out: Tensor = self.layer2.weight @ softplus(x)
        return out[:, :, 0]

    def published(self, prefix: str, component: int) -> Views:
        """One component's parameters by their published names.

        The first layer's are published in two parts, for the saliency map and the scanpath.
        """
        views: Views = {}
        joined = self.layer0.published("", 0, component)
        bounds = (0, 1, self.layer0.weight.shape[-1])
        for part, (start, end) in enumerate(pairwise(bounds)):
            if start < end:
                norm, conv = f"{prefix}layernorm0.layernorm_part{part}", f"{prefix}conv0.conv_part"
                views[f"{norm}.weight"] = joined["layernorm0.weight"][start:end]
                views[f"{norm}.bias"] = joined["layernorm0.bias"][start:end]
                views[f"{conv}{part}.weight"] = joined["conv0.weight"][:, start:end]
        views[f"{prefix}bias0.bias"] = joined["bias0.bias"]
        views |= self.layer1.published(prefix, 1, component)
        return views | self.layer2.published(prefix, 2, component)


class ScanpathNetworks(nn.Module):
    """Where the last fixations lie, seen from every cell, to features of each component.

    Slot t of the history contributes W_t (dx, dy, distance) + b_t where there is such a fixation
    and nothing where there is none; the sum goes through softplus, norm and a second layer.
    """

    INPUTS = 4
    """dx, dy, distance and presence."""

    def __init__(self, components: int, history: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(self.INPUTS - 1)
        encoding = torch.empty(components, HIDDEN, history, self.INPUTS).uniform_(-bound, bound)
        self.encoding = nn.Parameter(encoding)
        self.layer1 = Convolution(components, HIDDEN, NARROW)

    def forward(self, offsets: Float[Tensor, "B T 4 P"]) -> Float[Tensor, "B K 16 P"]:
        """Scanpath features at the cells that `history_offsets` was asked for."""
        components = len(self.encoding)
        weight = self.encoding.flatten(-2)  # (K, Q, T * 4)
        bias = weight.new_zeros(weight.shape[:2])
        x = offsets.flatten(1, 2)[:, None].expand(-1, components, -1, -1)
        first = Layer(weight, bias, None, None)
        return softplus(wide_layers(first, self.layer1.layer, x, None))

    def published(self, prefix: str, component: int) -> Views:
        """One component's parameters by their published names."""
        views: Views = {}
        for slot, encoding in enumerate(self.encoding[component].unbind(1)):
            name = f"{prefix}encoding0.convolutions.{slot}"
            views[f"{name}.weight"] = encoding[:, :-1, None, None]
            views[f"{name}.bias"] = encoding[:, -1]
        return views | self.layer1.published(prefix, 1, component)


def wide_layers(
    first: Layer, second: Layer, x: Float[Tensor, "B K C P"], counts: Float[Tensor, " P"] | None
) -> Float[Tensor, "B K O P"]:
    """Two layers with a softplus between them and none behind, for images and components."""
    batch, components = x.shape[:2]

    def repeated(parameter: Tensor | None) -> Tensor:
        assert parameter is not None
        return parameter.expand(batch, *parameter.shape).flatten(0, 1)

    out = hidden_layer(
        repeated(first.folded_weight),
        repeated(first.folded_bias),
        x.flatten(0, 1),
        repeated(second.folded_weight),
        repeated(second.folded_bias),
        counts,
    )
    return torch.unflatten(out, 0, (batch, components))


def history_offsets(
    x_hist: Float[Tensor, "B T"],
    y_hist: Float[Tensor, "B T"],
    rows: Shaped[Tensor, " h"],
    columns: Shaped[Tensor, " w"],
) -> Float[Tensor, "B T 4 P"]:
    """For every cell of the readout grid: dx, dy, distance and presence of each past fixation.

    Offsets are in pixels of the image, from the fixation to the cell; where there is no fixation
    (`x_hist` is NaN), everything is zero, presence too.

    Args:
        x_hist: Most recent first.
        y_hist: Likewise.
        rows: Where the cells of the readout grid lie in the image, from the top, in pixels.
        columns: From the left. P is the number of cells.
    """
    dx = columns.to(x_hist) - x_hist[..., None]  # (B, T, w)
    dy = rows.to(y_hist) - y_hist[..., None]  # (B, T, h)
    h, w = len(rows), len(columns)
    dx, dy = dx[:, :, None].expand(-1, -1, h, w), dy[..., None].expand(-1, -1, h, w)
    present = ~x_hist.isnan()[..., None, None]
    distance = (dx.square() + dy.square()).sqrt()
    offsets = torch.stack([dx, dy, distance, present.to(dx).expand_as(dx)], 2)
    return offsets.where(present[:, :, None], 0.0).flatten(-2)


class Finalizers(nn.Module):
    """Blur, center bias and density of each component (see `foregaze.ops.finalizer`)."""

    def __init__(self, components: int, sigma: float) -> None:
        super().__init__()
        self.sigma = nn.Parameter(torch.full((components,), sigma))
        self.center_bias_weight = nn.Parameter(torch.ones(components))

    def forward(
        self,
        readout: Float[Tensor, "B K h w"],
        readout_grid: CompactGrid,
        grid: FinerGrid,
        centerbias: Float[Tensor, "B u v"],
    ) -> Iterator[Float[Tensor, "B k u v"]]:
        """Log densities per pixel on the finer grid, some components at a time."""
        return component_log_densities(
            readout, readout_grid, grid, centerbias, self.sigma, self.center_bias_weight
        )

    def published(self, prefix: str, component: int) -> Views:
        """One component's parameters by their published names."""
        return {
            f"{prefix}center_bias_weight": self.center_bias_weight[component, None],
            f"{prefix}gauss.sigma": self.sigma[component],
        }


def published_networks(
    components: int,
    **networks: SaliencyNetworks | ScanpathNetworks | FixationSelectionNetworks | Finalizers,
) -> Views:
    """All components of several networks, each under its name and the component's number."""
    views: Views = {}
    for name, network in networks.items():
        for k in range(components):
            views |= network.published(f"{name}.{k}.", k)
    return views
