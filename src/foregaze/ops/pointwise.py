"""DeepGaze's pointwise layers for K mixture components at once, on grids without repetitions.

Each component has a chain of layer norm, 1x1 convolution, bias and softplus. A layer norm takes
its statistics over channels and all cells of the readout grid; with x the cells of the compact
grid and n how often each is repeated (see `foregaze.ops.nearest`),

    mean = sum n x / (C sum n),    variance = sum n (x - mean)^2 / (C sum n).

Its scale and shift are folded into the convolution that follows: W (g x' + b) = (W g) x' + W b.

`B` batch, `K` components, `N` any of both, `C` input and `O` output channels, `Q` hidden channels,
`P` cells.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from foregaze.ops.nearest import CompactGrid

EPSILON = 1e-12
"""Added to the variance of a layer norm."""
_PIECE_CELLS = 2048
"""Cells that go through a wide hidden layer at a time: their values stay in the cache."""


class Layer(NamedTuple):
    """1x1 convolution and bias of every component, and the layer norm before it."""

    weight: Float[Tensor, "K O C"]
    bias: Float[Tensor, "K O"] | None
    norm_weight: Float[Tensor, "K C"] | None
    norm_bias: Float[Tensor, "K C"] | None

    @property
    def folded_weight(self) -> Float[Tensor, "K O C"]:
        """The convolution with the norm's scale in it."""
        return self.weight if self.norm_weight is None else self.weight * self.norm_weight[:, None]

    @property
    def folded_bias(self) -> Float[Tensor, "K O"]:
        """The bias with the convolution of the norm's shift in it."""
        bias = self.weight.new_zeros(self.weight.shape[:2]) if self.bias is None else self.bias
        if self.norm_bias is None:
            return bias
        return bias + (self.weight @ self.norm_bias[..., None])[..., 0]


def standardize(
    x: Float[Tensor, "*batch C P"], counts: Float[Tensor, " P"] | None
) -> Float[Tensor, "*batch C P"]:
    """Mean 0 and variance 1 over channels and cells, each cell counted as often as it repeats.

    Args:
        x: Values.
        counts: Repetitions of each cell; None where all are counted once.
    """
    total = x.shape[-2] * (x.shape[-1] if counts is None else counts.sum())
    centered = x - _total(x, counts) / total
    return centered * (_total(centered.square(), counts) / total + EPSILON).rsqrt()


def _total(x: Float[Tensor, "*batch C P"], counts: Float[Tensor, " P"] | None) -> Tensor:
    """Sum over channels and cells, with both dimensions kept."""
    if counts is None:
        return x.sum((-2, -1), keepdim=True)
    return (x.sum(-2, keepdim=True) * counts).sum(-1, keepdim=True)


def standardize_maps(
    maps: Sequence[Float[Tensor, "B _ _ _"]], grid: CompactGrid
) -> list[Float[Tensor, "B _ _ _"]]:
    """`standardize` over several maps as if they were resized to one grid and joined."""
    counts = [grid.counts_of(number, x) for number, x in enumerate(maps)]
    total = sum(x.shape[1] for x in maps) * counts[0].sum()

    def mean(values: Sequence[Tensor]) -> Tensor:
        sums = [(x.sum(1) * n).sum((-2, -1)) for x, n in zip(values, counts, strict=True)]
        return torch.stack(sums).sum(0)[:, None, None, None] / total

    center = mean(maps)
    centered = [x - center for x in maps]
    scale = (mean([x.square() for x in centered]) + EPSILON).rsqrt()
    return [x * scale for x in centered]


def apply_layer(
    layer: Layer, x: Float[Tensor, "B K C P"], counts: Float[Tensor, " P"] | None
) -> Float[Tensor, "B K O P"]:
    """Layer norm, convolution and bias; no activation."""
    out: Tensor = layer.folded_weight @ standardize(x, counts)
    return out + layer.folded_bias[..., None]


def hidden_layer(
    first: Float[Tensor, "N Q C"],
    first_bias: Float[Tensor, "N Q"],
    x: Float[Tensor, "N C P"],
    second: Float[Tensor, "N O Q"],
    second_bias: Float[Tensor, "N O"],
    counts: Float[Tensor, " P"] | None,
) -> Float[Tensor, "N O P"]:
    """second(norm(softplus(first(x)))) without ever holding the hidden values as a whole.

    The hidden channels are many, and their norm needs them all; but norm and convolution are
    linear: with V the second convolution and h the hidden values,
    V (h - mean) / deviation = (V h - mean sum V) / deviation. So V h and the sums of h and h^2 are
    taken piece by piece, while the piece is in the cache. The sums are of h - c with c the mean of
    the first piece, so that little is lost to rounding.

    Args:
        first: Convolution of each component and image, the norm before it folded in.
        first_bias: Its bias.
        x: Standardized input.
        second: Convolution with the scale of the norm before it folded in.
        second_bias: Its bias, with that norm's shift folded in.
        counts: As in `standardize`.
    """
    together = max(1, _PIECE_CELLS // x.shape[-1])
    groups = [slice(n, n + together) for n in range(0, len(x), together)]
    return torch.cat(
        [
            _hidden_group(first[g], first_bias[g], x[g], second[g], second_bias[g], counts)
            for g in groups
        ]
    )


def _hidden_group(
    first: Tensor,
    first_bias: Tensor,
    x: Tensor,
    second: Tensor,
    second_bias: Tensor,
    counts: Tensor | None,
) -> Tensor:
    pivot: Tensor | None = None
    projected, sums, squares = [], [], []
    for start in range(0, x.shape[-1], _PIECE_CELLS):
        piece = slice(start, start + _PIECE_CELLS)
        hidden = softplus(torch.baddbmm(first_bias[..., None], first, x[..., piece]))
        if pivot is None:
            pivot = hidden.detach().mean((1, 2), keepdim=True)
        hidden = hidden - pivot
        projected.append(second @ hidden)
        weights = None if counts is None else counts[piece]
        sums.append(_total(hidden, weights))
        squares.append(_total(hidden.square(), weights))
    total = first.shape[1] * (x.shape[-1] if counts is None else counts.sum())
    mean = torch.stack(sums).sum(0) / total  # (N, 1, 1)
    variance = (torch.stack(squares).sum(0) / total - mean.square()).clamp_min(0)
    scale = (variance + EPSILON).rsqrt()
    shift = second_bias[..., None] - mean * scale * second.sum(-1, keepdim=True)
    return torch.cat(projected, -1) * scale + shift
