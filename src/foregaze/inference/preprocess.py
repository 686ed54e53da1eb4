"""Images of any size brought to a model's working size."""

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from foregaze.types import ImageArray, Size

RESIZING = "pil-bilinear-uint8"
"""Names the rule below wherever its results are stored."""


def to_working_size(image: ImageArray, size: Size) -> Float[Tensor, "3 h w"]:
    """An image resized with an antialiased triangle filter, in whole gray values 0..255."""
    height, width = size
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).float()
