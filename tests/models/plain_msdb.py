"""DeepGaze MSDB, plain: multi-scale features of any backbone, readout, finalizer by dataset.

Written from shared/spec/deepgaze.md, section 11. Every scale is a backbone pass of its own.
Letters: `R S` rows and columns of the readout grid, `M N` of the finalizer grid, `D` datasets.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from tests.models.plain_layers import Bias, LayerNorm, blur, pointwise, resize_nearest

PPD_SCALES = (5.0, 10.0, 17.5, 24.0, 30.0)
"""Pixels per degree of visual angle at which the backbone sees the image."""
SIZE_SCALES_PX = (128, 256, 512, 768, 1024)
"""Longer image sides at which the backbone sees the image."""
DATASETS = 5
CHANNELS = 2560

Dataset = Int[Tensor, " B"] | None
"""Each image's dataset index, or None where the dataset is unknown."""


class MultiScaleFeatures(nn.Module):
    """A weighted mean over the scales of the backbone's maps, on the readout grid."""

    def __init__(
        self,
        backbone: nn.Module,
        *,
        ppd_scales: Sequence[float] = PPD_SCALES,
        size_scales_px: Sequence[int] = SIZE_SCALES_PX,
        datasets: int = DATASETS,
        readout_factor: int = 8,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.ppd_scales, self.size_scales_px = tuple(ppd_scales), tuple(size_scales_px)
        self.readout_factor = readout_factor
        self.pixel_per_dva_weights = nn.Parameter(torch.zeros(len(ppd_scales), datasets))
        self.size_weights = nn.Parameter(torch.zeros(len(size_scales_px), datasets))

    def forward(
        self,
        image: Shaped[Tensor, "B 3 H W"],
        pixel_per_dva: Float[Tensor, " B"],
        dataset: Dataset,
    ) -> Float[Tensor, "B C R S"]:
        image = image.to(self.size_weights.dtype)
        weights = self.scale_weights(dataset)  # (scales, B or 1)
        return torch.cat(
            [
                self._mix_one(image[i : i + 1], ppd, weights[:, i if dataset is not None else 0])
                for i, ppd in enumerate(pixel_per_dva.tolist())
            ]
        )

    def scale_weights(self, dataset: Dataset) -> Float[Tensor, "scales _"]:
        """One column per image, or a single one where the dataset is unknown; each sums to one."""
        by_ppd, by_size = self.pixel_per_dva_weights.exp(), self.size_weights.exp()
        if dataset is None:
            by_ppd, by_size = by_ppd.mean(1, keepdim=True), by_size.mean(1, keepdim=True)
        else:
            by_ppd, by_size = by_ppd[:, dataset], by_size[:, dataset]
        return torch.cat([by_ppd, by_size]) / (by_ppd.sum(0) + by_size.sum(0))

    def sizes(self, image_shape: tuple[int, int], pixel_per_dva: float) -> list[tuple[int, int]]:
        """What the image is resized to, for one scale after the other."""
        height, width = image_shape
        by_ppd = [
            (math.ceil(height * t / pixel_per_dva), math.ceil(width * t / pixel_per_dva))
            for t in self.ppd_scales
        ]
        factors = [s / max(height, width) for s in self.size_scales_px]
        return by_ppd + [(math.ceil(height * f), math.ceil(width * f)) for f in factors]

    def _mix_one(
        self,
        image: Float[Tensor, "1 3 H W"],
        pixel_per_dva: float,
        weights: Float[Tensor, " scales"],
    ) -> Float[Tensor, "1 C R S"]:
        height, width = (math.ceil(n / self.readout_factor) for n in image.shape[-2:])
        sizes = self.sizes(image.shape[-2:], pixel_per_dva)
        total = torch.zeros((), dtype=image.dtype, device=image.device)
        for weight, size in zip(weights, sizes, strict=True):
            resized = F.interpolate(image, size=size, mode="bicubic", align_corners=False)
            maps = [
                F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
                for x in self.backbone(resized)
            ]
            total = total + weight * torch.cat(maps, dim=1)
        return total


class MSDBSaliencyNetwork(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (channels, 8, 16, 1, 128, 1)
        self.layers = len(widths) - 1
        for i in range(self.layers):
            self.add_module(f"layernorm{i}", LayerNorm(widths[i]))
            self.add_module(f"conv{i}", pointwise(widths[i], widths[i + 1]))
            self.add_module(f"bias{i}", Bias(widths[i + 1]))

    def forward(self, x: Float[Tensor, "B C R S"]) -> Float[Tensor, "B 1 R S"]:
        for i in range(self.layers):
            for step in ("layernorm", "conv", "bias"):
                x = self.get_submodule(f"{step}{i}")(x)
            x = F.softplus(x)
        return x


class DatasetGaussian(nn.Module):
    """Holds the blur widths, in degrees of visual angle."""

    def __init__(self, datasets: int) -> None:
        super().__init__()
        self.dataset_sigmas = nn.Parameter(torch.ones(datasets))


class MSDBFinalizer(nn.Module):
    """Blur, priority scaling, center bias and softmax with each dataset's parameters."""

    def __init__(self, datasets: int = DATASETS) -> None:
        super().__init__()
        self.gauss = DatasetGaussian(datasets)
        self.dataset_center_bias_weights = nn.Parameter(torch.ones(datasets))
        self.dataset_priority_scalings = nn.Parameter(torch.zeros(datasets))

    def forward(
        self,
        readout: Float[Tensor, "B 1 M N"],
        centerbias: Float[Tensor, "B H W"],
        pixel_per_dva: Float[Tensor, " B"],
        dataset: Dataset,
    ) -> Float[Tensor, "B H W"]:
        """Log density in nats; `pixel_per_dva` is that of the readout's own grid."""
        batch = len(readout)
        sigmas, weights = self.gauss.dataset_sigmas, self.dataset_center_bias_weights
        scalings = self.dataset_priority_scalings
        if dataset is None:
            sigma, weight = sigmas.mean().expand(batch), weights.mean().expand(batch)
            priority = torch.ones_like(weight)
        else:
            sigma, weight = sigmas[dataset], weights[dataset]
            priority = (scalings[dataset] - scalings.mean()).exp()
        blurred = [
            blur(readout[i : i + 1], sigma[i] * ppd) for i, ppd in enumerate(pixel_per_dva.tolist())
        ]
        x = torch.cat(blurred) * priority[:, None, None, None]  # (B, 1, M, N)
        bias = resize_nearest(centerbias[:, None], readout.shape[-2:])  # (B, 1, M, N)
        x = x + weight[:, None, None, None] * bias
        x = resize_nearest(x, centerbias.shape[-2:]).squeeze(1)  # (B, H, W)
        return x - x.logsumexp((-2, -1), keepdim=True)


class PlainMSDB(nn.Module):
    """The whole model on any backbone that turns an image of 0..255 into a list of maps."""

    def __init__(
        self,
        backbone: nn.Module,
        channels: int = CHANNELS,
        *,
        ppd_scales: Sequence[float] = PPD_SCALES,
        size_scales_px: Sequence[int] = SIZE_SCALES_PX,
        datasets: int = DATASETS,
        readout_factor: int = 8,
        saliency_map_factor: int = 2,
    ) -> None:
        super().__init__()
        self.saliency_map_factor = saliency_map_factor
        self.features = MultiScaleFeatures(
            backbone,
            ppd_scales=ppd_scales,
            size_scales_px=size_scales_px,
            datasets=datasets,
            readout_factor=readout_factor,
        )
        self.saliency_network = MSDBSaliencyNetwork(channels)
        self.finalizer = MSDBFinalizer(datasets)

    def forward(
        self,
        image: Shaped[Tensor, "B 3 H W"],
        centerbias: Float[Tensor, "B H W"],
        pixel_per_dva: Float[Tensor, " B"],
        dataset: Dataset = None,
    ) -> Float[Tensor, "B H W"]:
        x = self.saliency_network(self.features(image, pixel_per_dva, dataset))  # (B, 1, R, S)
        height, width = (math.ceil(n / self.saliency_map_factor) for n in image.shape[-2:])
        x = F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
        return self.finalizer(x, centerbias, pixel_per_dva / self.saliency_map_factor, dataset)
