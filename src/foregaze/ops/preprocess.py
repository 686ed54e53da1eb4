"""Images of any size brought to a model's working size."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from foregaze.types import ImageArray, Size

RESIZING = "bilinear-antialiased-uint8"
"""Names the rule below wherever its results are stored."""


def to_working_size(image: ImageArray, size: Size) -> Float[Tensor, "3 h w"]:
    """An image resized with an antialiased triangle filter, in whole gray values 0..255.

    Equal to Pillow's bilinear filter but for a gray value here and there, at a fifth of its time.
    """
    pixels = torch.tensor(image).permute(2, 0, 1)[None]
    resized = F.interpolate(pixels, size=size, mode="bilinear", antialias=True, align_corners=False)
    return resized[0].float()
