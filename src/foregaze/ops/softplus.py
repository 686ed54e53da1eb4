"""Softplus in operations that every runtime has vectorized."""

import torch
from jaxtyping import Float
from torch import Tensor


def softplus(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log(1 + exp(x)), without overflow.

    Equal to `torch.nn.functional.softplus`, whose ONNX operator runs element by element: written
    out, it takes a fifth of the time in ONNX Runtime.
    """
    return x.relu() + (1 + (-x.abs()).exp()).log()


def precise_softplus(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log(1 + exp(x)) to a few units in the last place, far below zero too.

    DeepGaze's norms divide by spreads that may be tiny, where `softplus`, whose error is absolute,
    would lose all digits. With y = exp(-|x|) and u the rounded 1 + y, log u + (y - (u - 1)) is
    log(1 + y) with what rounding took from y given back. PyTorch's own softplus is as precise and
    takes twice the time.
    """
    y = x.abs().neg_().exp_()
    rounded = 1 + y
    lost = (rounded - 1).neg_().add_(y)
    return torch.maximum(x, torch.zeros_like(x)).add_(rounded.log().add_(lost))
