"""Softplus in operations that every runtime has vectorized."""

from jaxtyping import Float
from torch import Tensor


def softplus(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log(1 + exp(x)), without overflow.

    Equal to `torch.nn.functional.softplus`, whose ONNX operator runs element by element: written
    out, it takes a fifth of the time in ONNX Runtime.
    """
    return x.relu() + (1 + (-x.abs()).exp()).log()
