"""DeepGaze MSDB: two large networks at ten image scales, with parameters for each data set.

Kümmerer, Khanuja & Bethge (2025), "Modeling saliency dataset bias", ICCV, arXiv:2505.10169; the
version that was published at https://github.com/matthias-k/DeepGaze. An image is seen at five
resolutions in pixels per degree and at five sizes. With f_s the features at scale s and d the data
set,

    f = sum_s exp(v_sd) f_s / sum_s exp(v_sd),    z = a_d G_(sigma_d p / 2) * r(f) + w_d c,

where r is a readout of five pointwise layers, p the image's pixels per degree, sigma_d in degrees,
and c the center bias. Without a data set, all its parameters are means over data sets.

`B` batch, `H W` pixels, `h w` readout grid, `u v` grid of the density, `D` data sets, `J` scales.
"""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from foregaze.models.deepgaze import (
    add_centerbias,
    create_frozen,
    run_frozen,
    stored_tensors,
)
from foregaze.models.deepgaze_config import PUBLISHED, BackboneConfig, DeepGazeConfig
from foregaze.models.deepgaze_networks import SaliencyNetworks, Views
from foregaze.ops.finalizer import FinerGrid, blur_matrix
from foregaze.ops.logdensity import normalize
from foregaze.ops.nearest import CompactGrid, nearest_index, select
from foregaze.types import Size

READOUT = (8, 16, 1, 128, 1)
"""Channels of the readout's layers."""
_EXTRACTORS = "features.backbone.feature_extractors."


class DeepGazeMSDBConfig(DeepGazeConfig):
    """DeepGaze MSDB as published; its networks come from their own sources."""

    backbones: tuple[BackboneConfig, ...] = (
        BackboneConfig(name="clip_rn50x64", taps=("layer4.2.conv2",), weights=PUBLISHED),
        BackboneConfig(name="dinov2_vitb14", taps=("blocks.10", "blocks.6"), weights=PUBLISHED),
    )
    downsample: float = Field(1.0, ge=1)
    readout_factor: float = Field(8.0, gt=0)
    saliency_map_factor: float = Field(2.0, ge=1)
    px_per_dva: float | None = Field(None, gt=0)
    scales_px_per_dva: tuple[float, ...] = (5.0, 10.0, 17.5, 24.0, 30.0)
    """Resolutions at which the image is seen."""
    scales_px: tuple[int, ...] = (128, 256, 512, 768, 1024)
    """Lengths of the longer side at which it is seen as well."""
    datasets: tuple[str, ...] = ("MIT1003", "CAT2000", "COCO-FreeView", "DAEMONS", "FIGRIM")
    """Data sets that it has parameters for, in their order."""


class MultiScaleFeatures(nn.Module):
    """Weights of the scales, for each data set."""

    def __init__(self, config: DeepGazeMSDBConfig) -> None:
        super().__init__()
        self.config = config
        n = len(config.datasets)
        self.pixel_per_dva_weights = nn.Parameter(torch.zeros(len(config.scales_px_per_dva), n))
        self.size_weights = nn.Parameter(torch.zeros(len(config.scales_px), n))

    def forward(self, dataset: Int[Tensor, " B"] | None) -> Float[Tensor, "B J"]:
        """Weights of all scales, which sum to one."""
        weights = torch.cat([self.pixel_per_dva_weights, self.size_weights]).exp()  # (J, D)
        chosen = weights.mean(1, keepdim=True) if dataset is None else weights[:, dataset]
        return (chosen / chosen.sum(0)).T

    def sizes(self, size: Size, px_per_dva: float) -> list[Size]:
        """(H, W) of an image at every scale."""
        height, width = size
        sizes = [
            (math.ceil(height * scale / px_per_dva), math.ceil(width * scale / px_per_dva))
            for scale in self.config.scales_px_per_dva
        ]
        factors = [scale / max(size) for scale in self.config.scales_px]
        return sizes + [(math.ceil(height * f), math.ceil(width * f)) for f in factors]


class DatasetFinalizer(nn.Module):
    """Blur, priority scaling and center bias, for each data set."""

    def __init__(self, config: DeepGazeMSDBConfig) -> None:
        super().__init__()
        self.config = config
        n = len(config.datasets)
        self.sigma_dva = nn.Parameter(torch.ones(n))
        self.center_bias_weights = nn.Parameter(torch.ones(n))
        self.priority_scalings = nn.Parameter(torch.zeros(n))

    def forward(
        self,
        readout: Float[Tensor, "B u v"],
        centerbias: Float[Tensor, "B H W"],
        px_per_dva: Float[Tensor, " B"],
        dataset: Int[Tensor, " B"] | None,
    ) -> Float[Tensor, "B H W"]:
        """Log density in nats at the image's pixels."""
        u, v = readout.shape[-2:]
        size = (centerbias.shape[-2], centerbias.shape[-1])
        if dataset is None:
            sigma, weight = self.sigma_dva.mean(), self.center_bias_weights.mean()
            priority = torch.ones_like(weight)
        else:
            sigma, weight = self.sigma_dva[dataset], self.center_bias_weights[dataset]
            scalings = self.priority_scalings - self.priority_scalings.mean()
            priority = scalings[dataset].exp()
        sigma_cells = sigma * px_per_dva.to(sigma) / self.config.saliency_map_factor
        vertical = blur_matrix(sigma_cells, torch.arange(u), u)
        horizontal = blur_matrix(sigma_cells, torch.arange(v), v)
        z = (vertical @ readout) @ horizontal.mT * priority.view(-1, 1, 1)
        sampled = select(centerbias, nearest_index(size[0], u), nearest_index(size[1], v))
        z = z + weight.view(-1, 1, 1) * sampled
        return normalize(FinerGrid(size, (u, v)).repeated(z))

    def published(self) -> Views:
        """Parameters by their published names."""
        return {
            "dataset_center_bias_weights": self.center_bias_weights,
            "dataset_priority_scalings": self.priority_scalings,
            "gauss.dataset_sigmas": self.sigma_dva,
        }


class DeepGazeMSDB(nn.Module):
    """The whole model."""

    Config = DeepGazeMSDBConfig
    published_as = (
        ("", f"{_EXTRACTORS}CLIP.features.1."),
        ("", f"{_EXTRACTORS}DINOv2.features.1."),
    )
    """See `DeepGaze`; the published file holds the head alone, a state dict of the published model
    the networks too."""
    published_twice: ClassVar[dict[str, str]] = {
        f"{_EXTRACTORS}DINOv2.output_dimension_providing_layer.{key}": (
            f"{_EXTRACTORS}DINOv2.features.1.patch_embed.proj.{key}"
        )
        for key in ("weight", "bias")
    }
    """Keys under which such a state dict repeats tensors of a network, and those tensors' own."""
    sees_history = False
    precision: torch.dtype | None = None
    """What the networks compute in where it is not their weights' precision."""

    def __init__(self, config: DeepGazeMSDBConfig) -> None:
        super().__init__()
        self.config = config
        add_centerbias(self, config)
        backbones = [create_frozen(b) for b in config.backbones]
        self.backbones = nn.ModuleList(backbones)
        channels = sum(sum(backbone.channels) for backbone in backbones)
        self.scales = MultiScaleFeatures(config)
        self.saliency = SaliencyNetworks(1, channels, READOUT)
        self.finalizer = DatasetFinalizer(config)

    def forward(
        self,
        pixels: Float[Tensor, "B 3 H W"],
        centerbias: Float[Tensor, "B H W"],
        px_per_dva: Float[Tensor, " B"],
        dataset: Int[Tensor, " B"] | None = None,
    ) -> Float[Tensor, "B H W"]:
        """Log density in nats; `exp` sums to one over (H, W).

        Args:
            pixels: Images in 0..255.
            centerbias: Log density over the pixels.
            px_per_dva: Pixels per degree of visual angle of each image, best in float64: sizes at
                the scales are rounded up, also those that would be whole but for an error of 1e-7.
            dataset: Number of the data set whose parameters are to be used for each image.

        Raises:
            ShapeError: If an image is too small at one of the scales.
        """
        size: Size = (pixels.shape[-2], pixels.shape[-1])
        weights: Tensor = self.scales(dataset)
        features = self.mixed_features(pixels, px_per_dva, weights)
        return self.head(features, size, centerbias, px_per_dva, dataset)

    def trained_tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds."""
        return stored_tensors(self, self.config)

    def mixed_features(
        self,
        pixels: Float[Tensor, "B 3 H W"],
        px_per_dva: Float[Tensor, " B"],
        weights: Float[Tensor, "_ J"],
    ) -> Float[Tensor, "B C h w"]:
        """Features of all scales on the readout grid, weighted and summed.

        Images of different resolution are seen one by one, scales of one size once.
        """
        size: Size = (pixels.shape[-2], pixels.shape[-1])
        factor = self.config.readout_factor
        readout = (math.ceil(size[0] / factor), math.ceil(size[1] / factor))
        images = []
        for number, resolution in enumerate(px_per_dva.tolist()):
            image = pixels[number, None]
            weight_of: dict[Size, Tensor] = {}
            own = weights[min(number, len(weights) - 1)]
            for scaled, weight in zip(self.scales.sizes(size, resolution), own, strict=True):
                weight_of[scaled] = weight_of.get(scaled, torch.zeros_like(weight)) + weight
            total: Tensor | None = None
            for scaled, weight in weight_of.items():
                seen = F.interpolate(image, size=scaled, mode="bicubic", align_corners=False)
                part = weight * self._features(seen, readout)
                total = part if total is None else total + part
            assert total is not None
            images.append(total)
        return torch.cat(images)

    def _features(
        self, pixels: Float[Tensor, "1 3 _ _"], readout: Size
    ) -> Float[Tensor, "1 C h w"]:
        taps = [
            tap
            for backbone in self.backbones
            for tap in run_frozen(backbone, pixels, self.precision)
        ]
        resized = [
            F.interpolate(tap, size=readout, mode="bilinear", align_corners=False) for tap in taps
        ]
        return torch.cat(resized, 1)

    def head(
        self,
        features: Float[Tensor, "B C h w"],
        size: Size,
        centerbias: Float[Tensor, "B H W"],
        px_per_dva: Float[Tensor, " B"],
        dataset: Int[Tensor, " B"] | None,
    ) -> Float[Tensor, "B H W"]:
        """Log density from mixed features."""
        h, w = features.shape[-2:]
        grid = CompactGrid.of([(h, w)], (h, w))
        readout = self.saliency([features], grid)  # (B, 1, h, w)
        factor = self.config.saliency_map_factor
        finer = (math.ceil(size[0] / factor), math.ceil(size[1] / factor))
        readout = F.interpolate(readout, size=finer, mode="bilinear", align_corners=False)[:, 0]
        log_density: Tensor = self.finalizer(readout, centerbias, px_per_dva, dataset)
        return log_density

    def published(self) -> Views:
        """Parameters by their published names."""
        return {
            "features.pixel_per_dva_weights": self.scales.pixel_per_dva_weights,
            "features.size_weights": self.scales.size_weights,
            **self.saliency.published("saliency_network.", 0),
            **{f"finalizer.{key}": view for key, view in self.finalizer.published().items()},
        }
