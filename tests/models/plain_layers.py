"""Building blocks of the plain DeepGaze models: shared/spec/deepgaze.md, sections 2 to 4.

Letters: `R S` rows and columns of the readout grid, `M N` of the finalizer grid.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


# Section 2: interpolation


def resize_nearest(
    x: Shaped[Tensor, "B C h w"], size: tuple[int, int]
) -> Shaped[Tensor, "B C H W"]:
    """PyTorch's legacy nearest, by target size."""
    if x.dtype == torch.float32:
        return F.interpolate(x, size=size, mode="nearest")
    # of another dtype, F.interpolate computes the source indices in float64: not the same ones
    ratios = [
        torch.tensor(n_in) / torch.tensor(n) for n_in, n in zip(x.shape[-2:], size, strict=True)
    ]
    return _take(x, size, ratios)


def downsample_nearest(x: Shaped[Tensor, "B C H W"], factor: float) -> Shaped[Tensor, "B C M N"]:
    """PyTorch's legacy nearest, by scale factor 1 / factor."""
    scale = 1 / factor
    if x.dtype == torch.float32:
        return F.interpolate(x, scale_factor=scale, mode="nearest")
    size = (math.floor(x.shape[-2] * scale), math.floor(x.shape[-1] * scale))
    return _take(x, size, [torch.tensor(1 / scale)] * 2)


def _take(x: Tensor, size: tuple[int, int], ratios: Sequence[Tensor]) -> Tensor:
    for dim, n, ratio in zip((-2, -1), size, ratios, strict=True):
        sources = (torch.arange(n, dtype=torch.float32) * ratio).floor().long()
        x = x.index_select(dim, sources.clamp(max=x.shape[dim] - 1).to(x.device))
    return x


# Section 3: input normalization


class Normalizer(nn.Module):
    """(image / 255 - mean) / std; the constants are float64, the image keeps its dtype."""

    mean: Tensor
    std: Tensor

    def __init__(self, constants: tuple[Sequence[float], Sequence[float]] = IMAGENET) -> None:
        super().__init__()
        for name, values in zip(("mean", "std"), constants, strict=True):
            buffer = torch.tensor(values, dtype=torch.float64).reshape(1, 3, 1, 1)
            self.register_buffer(name, buffer, persistent=False)

    def forward(self, image: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B 3 h w"]:
        x = image / 255
        x -= self.mean
        x /= self.std
        return x


# Section 4: building blocks


class LayerNorm(nn.Module):
    """Standardizes each sample over channels, rows and columns; scale and shift per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return F.group_norm(x, 1, self.weight, self.bias, eps=1e-12)


class LayerNormMultiInput(nn.Module):
    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        for i, n in enumerate(channels):
            if n:
                self.add_module(f"layernorm_part{i}", LayerNorm(n))

    def forward(self, inputs: Sequence[Tensor | None]) -> list[Tensor | None]:
        return [
            None if x is None else self.get_submodule(f"layernorm_part{i}")(x)
            for i, x in enumerate(inputs)
        ]


class Conv2dMultiInput(nn.Module):
    def __init__(self, channels: Sequence[int], out: int) -> None:
        super().__init__()
        for i, n in enumerate(channels):
            if n:
                self.add_module(f"conv_part{i}", pointwise(n, out))

    def forward(self, inputs: Sequence[Tensor | None]) -> Float[Tensor, "B out h w"]:
        parts = [
            self.get_submodule(f"conv_part{i}")(x) for i, x in enumerate(inputs) if x is not None
        ]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total


class Bias(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return x + self.bias[:, None, None]


def pointwise(channels: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out, 1, bias=False)


def blur(x: Float[Tensor, "B 1 h w"], sigma_px: Float[Tensor, ""]) -> Float[Tensor, "B 1 h w"]:
    """Gaussian filter, truncated at 3 sigma, edges replicated."""
    radius = math.ceil(3 * sigma_px.item())
    offsets = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    taps = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    taps = taps / taps.sum()
    x = F.conv2d(F.pad(x, (0, 0, radius, radius), mode="replicate"), taps[None, None, :, None])
    return F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="replicate"), taps[None, None, None, :])


class GaussianFilter(nn.Module):
    def __init__(self, sigma_px: float) -> None:
        super().__init__()
        self.sigma = nn.Parameter(torch.tensor(sigma_px))

    def forward(self, x: Float[Tensor, "B 1 h w"]) -> Float[Tensor, "B 1 h w"]:
        return blur(x, self.sigma)


class Finalizer(nn.Module):
    """Blur, center bias and softmax: a readout becomes a log density."""

    def __init__(self, saliency_map_factor: int) -> None:
        super().__init__()
        self.saliency_map_factor = saliency_map_factor
        self.center_bias_weight = nn.Parameter(torch.ones(1))
        self.gauss = GaussianFilter(8.0)

    def forward(
        self, readout: Float[Tensor, "B 1 R S"], centerbias: Float[Tensor, "B H W"]
    ) -> Float[Tensor, "B H W"]:
        bias = downsample_nearest(centerbias[:, None], self.saliency_map_factor)  # (B, 1, M, N)
        x = self.gauss(resize_nearest(readout, bias.shape[-2:]))  # (B, 1, M, N)
        x = x + self.center_bias_weight * bias
        x = resize_nearest(x, centerbias.shape[-2:]).squeeze(1)  # (B, H, W)
        return x - x.logsumexp((-2, -1), keepdim=True)
