"""Gaussian blur with a width that can be learned."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def gaussian_blur(
    x: Float[Tensor, "B 1 h w"], sigma: Float[Tensor, ""], radius: int
) -> Float[Tensor, "B 1 h w"]:
    """Separable Gaussian blur; edges repeat the outermost cell.

    Args:
        x: One channel.
        sigma: Standard deviation in cells; gradients flow to it.
        radius: Cells on each side that the kernel covers, fixed so that the graph is.
    """
    offsets = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    x = F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))
    return F.conv2d(F.pad(x, (0, 0, radius, radius), mode="replicate"), kernel.view(1, 1, -1, 1))
