"""DeepGaze III's networks with SPADE in place of their layer norms.

Morello's thesis (2025). Which network has SPADE is its variant: A the saliency network, B that and
fixation selection, C saliency and scanpath network. All mixture components lie side by side, as in
`foregaze.models.deepgaze_networks`.

`B` batch, `K` components, `C` channels, `G` channels of the guidance map, `h w` and `P` cells of
the readout grid, `T` history.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from foregaze.models.deepgaze_networks import HIDDEN, NARROW, SALIENCY, Convolution
from foregaze.ops.spade import Modulation, SpadeWeights, modulation, spade_convolution

SCANPATH = (64, 32, NARROW)
"""Channels of the scanpath network's layers behind its encoding, with SPADE."""


class SpadeConvolution(nn.Module):
    """A SPADE norm and the 1x1 convolution behind it, of each component.

    Args:
        components: Members of the mixture.
        inputs: Channels of the norm.
        outputs: Channels of the convolution.
        guidance: Channels of the guidance map.
        hidden: Channels between guidance map and modulation.
        starts_plain: Begin with gamma and beta zero everywhere, as a plain norm.
        bias: Whether the convolution has one.
    """

    def __init__(
        self,
        components: int,
        inputs: int,
        outputs: int,
        guidance: int,
        hidden: int,
        *,
        starts_plain: bool,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.weight = _uniform(inputs, components, outputs, inputs)
        self.bias = nn.Parameter(torch.zeros(components, outputs), requires_grad=bias)
        self.shared = _uniform(9 * guidance, components, hidden, guidance, 3, 3)
        self.shared_bias = _uniform(9 * guidance, components, hidden)
        self.gamma = _uniform(9 * hidden, components, inputs, hidden, 3, 3)
        self.gamma_bias = _uniform(9 * hidden, components, inputs)
        self.beta = _uniform(9 * hidden, components, inputs, hidden, 3, 3)
        self.beta_bias = _uniform(9 * hidden, components, inputs)
        if starts_plain:
            for parameter in (self.gamma, self.gamma_bias, self.beta, self.beta_bias):
                nn.init.zeros_(parameter)

    @property
    def weights(self) -> SpadeWeights:
        """The parameters as `foregaze.ops.spade` takes them."""
        return SpadeWeights(
            self.shared,
            self.shared_bias,
            self.gamma,
            self.gamma_bias,
            self.beta,
            self.beta_bias,
            self.weight,
            self.bias,
        )

    def modulation(self, guidance: Float[Tensor, "B _ G h w"]) -> Modulation:
        """What a guidance map makes of the norm."""
        return modulation(guidance, self.weights)

    def forward(
        self, x: Float[Tensor, "B _ C P"], modulated: Modulation
    ) -> Float[Tensor, "B K O P"]:
        """No activation."""
        return spade_convolution(x, self.weight, modulated)


def _uniform(fan_in: int, *shape: int) -> nn.Parameter:
    """As PyTorch's convolutions begin."""
    bound = 1 / math.sqrt(fan_in)
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


class _SpadeLayers(nn.Module):
    """Several layers of SPADE norm and convolution."""

    def __init__(
        self,
        components: int,
        widths: Sequence[int],
        guidance: int,
        hidden: int,
        *,
        starts_plain: bool,
        last_bias: bool = True,
    ) -> None:
        super().__init__()
        inputs, outputs = widths[:-1], widths[1:]
        self.layers = nn.ModuleList(
            SpadeConvolution(
                components,
                i,
                o,
                guidance,
                hidden,
                starts_plain=starts_plain,
                bias=last_bias or number < len(outputs) - 1,
            )
            for number, (i, o) in enumerate(zip(inputs, outputs, strict=True))
        )

    def modulations(self, guidance: Float[Tensor, "B _ G h w"]) -> tuple[Modulation, ...]:
        """What a guidance map makes of each layer."""
        return tuple(layer.modulation(guidance) for layer in self._layers)

    @property
    def first(self) -> SpadeConvolution:
        """The layer that sees the network's input."""
        return self._layers[0]

    @property
    def _layers(self) -> list[SpadeConvolution]:
        return [layer for layer in self.layers if isinstance(layer, SpadeConvolution)]


class SpadeSaliencyNetworks(_SpadeLayers):
    """Features to one map per component, segments telling what belongs together."""

    def __init__(
        self, components: int, channels: int, guidance: int, hidden: int, *, starts_plain: bool
    ) -> None:
        widths = (channels, *SALIENCY)
        super().__init__(components, widths, guidance, hidden, starts_plain=starts_plain)

    def forward(
        self, features: Float[Tensor, "B C h w"], guidance: Float[Tensor, "B _ G h w"]
    ) -> Float[Tensor, "B K h w"]:
        """Maps on the readout grid."""
        return self.last(self.hidden(features, guidance), guidance)

    def hidden(
        self, features: Float[Tensor, "B C h w"], guidance: Float[Tensor, "B _ G h w"]
    ) -> Float[Tensor, "B K O h w"]:
        """What the last layer sees."""
        x = features[:, None]
        for layer in self._layers[:-1]:
            x = _apply_to_maps(layer, x, guidance)
        return x

    def last(
        self, hidden: Float[Tensor, "B K O h w"], guidance: Float[Tensor, "B _ G h w"]
    ) -> Float[Tensor, "B K h w"]:
        """What the last layer makes of `hidden`."""
        return _apply_to_maps(self._layers[-1], hidden, guidance)[:, :, 0]


def _apply_to_maps(
    layer: SpadeConvolution, x: Float[Tensor, "B _ I h w"], guidance: Float[Tensor, "B _ G h w"]
) -> Float[Tensor, "B K O h w"]:
    out = softplus(layer(x.flatten(-2), layer.modulation(guidance)))
    return torch.unflatten(out, -1, x.shape[-2:])


class SpadeScanpathNetworks(_SpadeLayers):
    """Past fixations to features of each component, through four layers in place of two."""

    def __init__(
        self, components: int, history: int, guidance: int, hidden: int, *, starts_plain: bool
    ) -> None:
        widths = (HIDDEN, *SCANPATH)
        super().__init__(components, widths, guidance, hidden, starts_plain=starts_plain)
        self.encoding = _uniform(3, components, HIDDEN, history, 4)

    def forward(
        self, offsets: Float[Tensor, "B T 4 P"], modulations: Sequence[Modulation]
    ) -> Float[Tensor, "B K 16 P"]:
        """Features at the cells of `foregaze.models.deepgaze_networks.history_offsets`."""
        x = softplus(self.encoding.flatten(-2) @ offsets.flatten(1, 2)[:, None])
        # Without any fixation x is constant, and the norm would enlarge its rounding a million
        # times; any shift leaves the norm what it is.
        x = x - x[..., :1, :1].detach()
        for layer, modulated in zip(self._layers, modulations, strict=True):
            x = softplus(layer(x, modulated))
        return x


class SpadeFixationSelectionNetworks(_SpadeLayers):
    """Saliency map and scanpath features to one map per component."""

    def __init__(
        self,
        components: int,
        scanpath_channels: int,
        guidance: int,
        hidden: int,
        *,
        starts_plain: bool,
    ) -> None:
        super().__init__(
            components,
            (HIDDEN, NARROW, 1),
            guidance,
            hidden,
            starts_plain=starts_plain,
            last_bias=False,  # a constant on the whole map cancels in the density
        )
        self.layer0 = Convolution(components, 1 + scanpath_channels, HIDDEN, norm=False)

    def forward(
        self,
        saliency: Float[Tensor, "B K P"],
        scanpath: Float[Tensor, "B K S P"] | None,
        modulations: Sequence[Modulation],
    ) -> Float[Tensor, "B K P"]:
        """Maps at the same cells."""
        x = saliency[:, :, None]
        if scanpath is not None:
            x = torch.cat([x, scanpath], 2)
        layer0 = self.layer0.layer
        x = layer0.weight @ x + layer0.folded_bias[..., None]
        for layer, modulated in zip(self._layers, modulations, strict=True):
            x = layer(softplus(x), modulated)
        return x[:, :, 0]
