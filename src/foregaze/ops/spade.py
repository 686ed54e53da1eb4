"""SPADE: a norm whose scale and shift depend on the place, through a guidance map.

Park et al. (2019), arXiv:1903.07291, as Morello's thesis (2025) uses it: with x' the layer norm of
x over channels and cells and m the guidance map,

    s = ReLU(conv3x3(m)),    gamma = conv3x3(s),    beta = conv3x3(s),
    y = x' (1 + gamma) + beta.

A 1x1 convolution W and a bias b follow. W beta is one 3x3 convolution, too, whose kernel is W times
that of beta: it has as many channels as W gives, not as many as x has, and beta is never built. So

    W y + b = W (x' (1 + gamma)) + (W beta + b),

whose two parts that depend on m alone are a `Modulation`: found once per image, for any number of
past fixations.

`B` batch, `K` components side by side, `C` channels of x, `O` of W's output, `G` of the guidance,
`Q` of s, `h w` and `P` cells.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from foregaze.ops.pointwise import standardize


class Modulation(NamedTuple):
    """What a guidance map makes of one SPADE norm and the convolution behind it."""

    scale: Float[Tensor, "B K C P"]
    """1 + gamma."""
    shift: Float[Tensor, "B K O P"]
    """W beta + b."""


class SpadeWeights(NamedTuple):
    """Parameters of a SPADE norm and of the 1x1 convolution behind it."""

    shared: Float[Tensor, "K Q G 3 3"]
    shared_bias: Float[Tensor, "K Q"]
    gamma: Float[Tensor, "K C Q 3 3"]
    gamma_bias: Float[Tensor, "K C"]
    beta: Float[Tensor, "K C Q 3 3"]
    beta_bias: Float[Tensor, "K C"]
    weight: Float[Tensor, "K O C"]
    bias: Float[Tensor, "K O"]


def modulation(guidance: Float[Tensor, "B k G h w"], weights: SpadeWeights) -> Modulation:
    """Scale and shift at the cells of the norm's input.

    Args:
        guidance: A map for each component, or one for all of them.
        weights: Of the norm and the convolution.
    """
    shared = _shared(guidance, weights)
    kernel = weights.weight @ weights.beta.flatten(2)  # (K, O, Q * 9)
    kernel = torch.unflatten(kernel, -1, weights.beta.shape[2:])
    bias = (weights.weight @ weights.beta_bias[..., None])[..., 0] + weights.bias
    scale = 1 + _convolved(shared, weights.gamma, weights.gamma_bias).flatten(-2)
    return Modulation(scale, _convolved(shared, kernel, bias).flatten(-2))


def gamma_and_beta(
    guidance: Float[Tensor, "B k G h w"], weights: SpadeWeights
) -> tuple[Float[Tensor, "B K C h w"], Float[Tensor, "B K C h w"]]:
    """The maps themselves, to be looked at; arguments as in `modulation`."""
    shared = _shared(guidance, weights)
    return (
        _convolved(shared, weights.gamma, weights.gamma_bias),
        _convolved(shared, weights.beta, weights.beta_bias),
    )


def _shared(guidance: Tensor, weights: SpadeWeights) -> Tensor:
    return F.conv2d(
        guidance.flatten(1, 2),
        weights.shared.flatten(0, 1),
        weights.shared_bias.flatten(),
        padding=1,
        groups=guidance.shape[1],
    ).relu()


def _convolved(shared: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Of each component; (B, K, C, h, w)."""
    components = len(kernel)
    out = F.conv2d(shared, kernel.flatten(0, 1), bias.flatten(), padding=1, groups=components)
    return torch.unflatten(out, 1, (components, kernel.shape[1]))


def spade_convolution(
    x: Float[Tensor, "B k C P"], weight: Float[Tensor, "K O C"], modulated: Modulation
) -> Float[Tensor, "B K O P"]:
    """Norm, modulation and convolution.

    Args:
        x: Input of every component, or one for all of them.
        weight: Of the convolution.
        modulated: Of the images.
    """
    out: Tensor = weight @ (standardize(x, None) * modulated.scale)
    return out + modulated.shift
