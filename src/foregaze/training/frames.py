"""Views of an image in training: mirrored, cropped, recolored; everything on it moves along.

A `Frame` is the one place that knows where a view's pixels come from: picture, fixations, history,
center bias and segments are all brought to the view through it. `H W` pixels of the image.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from torchvision.transforms.v2 import functional as colors  # type: ignore[import-untyped]

from foregaze.ops.logdensity import normalize, pool, resample
from foregaze.ops.preprocess import to_working_size
from foregaze.ops.working_size import size_of_area
from foregaze.training.recipe import DataConfig
from foregaze.types import ImageArray, Size


class View(NamedTuple):
    """An image as it is shown in training."""

    image: int
    mirrored: bool
    draw: tuple[int, ...] = ()
    """Seed of the fixations that are predicted from those before it."""
    variant: int = 0
    """0: as it is; others are cropped and recolored, each in its own way."""
    weight: float = 1.0
    """Of its loss."""


@dataclass(frozen=True)
class Frame:
    """What a view shows of its image."""

    top: int
    left: int
    height: int
    width: int
    """Of the part that is shown, in pixels of the image."""
    size: Size
    """(H, W) at which the network sees that part."""
    mirrored: bool
    color: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factors of brightness, contrast and saturation."""

    @property
    def made(self) -> str:
        """What distinguishes the view's picture from others of the image."""
        part = "" if self.is_whole else f" {self.top} {self.left} {self.height} {self.width}"
        color = "" if self.color == (1.0, 1.0, 1.0) else f" {self.color}"
        return f"{self.size} {'mirrored' if self.mirrored else 'plain'}{part}{color}"

    is_whole: bool = True
    """Whether all of the image is shown."""

    def picture(self, image: ImageArray) -> Float[Tensor, "3 h w"]:
        """Pixels in 0..255 as the network sees them."""
        pixels = to_working_size(self._cut(image), self.size)
        if self.color != (1.0, 1.0, 1.0):
            scaled = pixels / 255
            brightness, contrast, saturation = self.color
            scaled = colors.adjust_brightness(scaled, brightness)
            scaled = colors.adjust_contrast(scaled, contrast)
            pixels = (colors.adjust_saturation(scaled, saturation) * 255).round()
        return pixels.flip(-1) if self.mirrored else pixels

    def labels(self, segments: Shaped[np.ndarray, "H W"]) -> Shaped[np.ndarray, "_ _"]:
        """Segments of the shown part, pixel by pixel of the image."""
        part = self._cut(segments)
        return np.ascontiguousarray(part[:, ::-1] if self.mirrored else part)

    def positions(self, xy: Float[np.ndarray, "*N 2"]) -> Float[np.ndarray, "*N 2"]:
        """Positions in pixels of `size`; what the view does not show lies outside of it."""
        scale = np.array([self.size[1] / self.width, self.size[0] / self.height])
        moved: Float[np.ndarray, "*N 2"] = (xy - np.array([self.left, self.top])) * scale
        if self.mirrored:
            moved[..., 0] = self.size[1] - moved[..., 0]
        return moved

    def shown(self, xy: Float[np.ndarray, "*N 2"]) -> Bool[np.ndarray, "*N"]:
        """Whether positions in pixels of the image lie in the view."""
        inside = xy - np.array([self.left, self.top])
        found = (inside >= 0) & (inside < np.array([self.width, self.height]))
        return np.asarray(found.all(-1))

    def prior(self, log_density: Float[np.ndarray, "H W"], grid: Size) -> Float[Tensor, "h w"]:
        """A center bias of the image, as a density over the cells of the view."""
        part = normalize(torch.from_numpy(self._cut(log_density).copy())[None])
        finer = part.shape[-2] >= grid[0] and part.shape[-1] >= grid[1]
        density = (pool if finer else resample)(part, grid)[0].float()
        return density.flip(-1) if self.mirrored else density

    def _cut(self, array: Shaped[np.ndarray, "H W *C"]) -> Shaped[np.ndarray, "_ _ *C"]:
        part: Shaped[np.ndarray, "_ _ *C"] = array[
            self.top : self.top + self.height, self.left : self.left + self.width
        ]
        return part


def frame_of(view: View, size: Size, name: str, data: DataConfig, input_size: Size) -> Frame:
    """What a view shows.

    Variants follow from the image's name and their number alone.

    Args:
        view: The view.
        size: (H, W) of its image.
        name: Of its image.
        data: How variants are made.
        input_size: (H, W) to whose area images are brought.
    """
    working = size_of_area(input_size, size)
    if not view.variant:
        return Frame(0, 0, *size, working, view.mirrored)
    seed = hashlib.sha256(f"{view.variant}/{name}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(seed[:8], "little"))
    share = math.sqrt(generator.uniform(data.crop_area, 1))
    height, width = (max(1, round(side * share)) for side in size)
    top, left = (
        int(generator.integers(0, side - part + 1))
        for side, part in zip(size, (height, width), strict=True)
    )
    color = generator.uniform(1 - data.color, 1 + data.color, 3).round(4)
    brightness, contrast, saturation = map(float, color)
    return Frame(
        top,
        left,
        height,
        width,
        working,
        view.mirrored,
        (brightness, contrast, saturation),
        is_whole=(height, width) == size,
    )
