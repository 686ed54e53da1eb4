"""Trunk mixture: one frozen trunk, K tuned branches, a mixture of K densities.

Our own model, in the line of DeepGaze II and IIE (Kümmerer et al. 2016, arXiv:1610.01563;
Linardos et al. 2021, arXiv:2105.12441). With trunk features f = T(I), computed once,

    p(x | I) = 1/K sum_k softmax_x( G_sigma_k * r_k(U_k(f)) + w_k log b(x) ),

where U_k are the remaining stages of the backbone, tuned for this branch (or left frozen, where
`tuned_from` lies past the last stage), r_k is a readout of pointwise layers on features of several
strides, G_sigma_k a Gaussian blur with learned width, b the center bias and w_k its learned weight.

Differences from DeepGaze: the later backbone stages are tuned; branches share what is frozen;
features of each stride are normalized and reduced at their own resolution and joined by bilinear
upsampling; the density lives on a grid of `density_stride` input pixels until the very end.

`B` batch, `C` channels, `H W` input pixels, `h w` density grid, `K` branches.
"""

import copy
import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from foregaze.backbones.staged import (
    Features,
    PixelScaling,
    StagedBackbone,
    create_backbone,
    default_weights,
)
from foregaze.config import Config
from foregaze.ops.blur import gaussian_blur
from foregaze.ops.logdensity import mix, normalize
from foregaze.ops.softplus import softplus
from foregaze.ops.working_size import WorkingGrid, size_of_area
from foregaze.types import Size


class BranchConfig(Config):
    """What defines one component, but for its weights."""

    tuned_from: int = Field(5, ge=0)
    """First stage that the branch has a tuned copy of; it shares the frozen ones before."""
    taps: tuple[int, ...] = (2, 3, 4, 5, 6)
    """Stages that the readout sees, finest first."""
    readout: tuple[int, int] = (64, 32)
    """Channels of the two hidden pointwise layers."""
    dropout: float = Field(0.3, ge=0, lt=1)
    """Share of feature channels that are dropped in training."""
    blur_sigma_px: float = Field(6.0, gt=0)
    """Initial width of the blur, in input pixels."""

    @model_validator(mode="after")
    def _taps_ascend(self) -> "BranchConfig":
        if not self.taps or list(self.taps) != sorted(set(self.taps)):
            raise ValueError(f"taps must be different stages in ascending order, not {self.taps}")
        return self

    @property
    def frozen_inputs(self) -> set[int]:
        """Frozen stages whose outputs the branch needs: its taps, and what its own go on from.

        Stage -1 is the normalized image.
        """
        inputs = {tap for tap in self.taps if tap < self.tuned_from}
        if self.tuned_from <= self.taps[-1]:
            inputs.add(self.tuned_from - 1)
        return inputs


class TrunkMixtureConfig(Config):
    """What defines a trunk mixture, but for its weights."""

    backbone: str = "tf_efficientnet_lite2"
    """A convolutional model of timm."""
    backbone_weights: str | None = None
    """Source of the frozen weights; the backbone's own default where None."""
    input_size: tuple[int, int] = (576, 768)
    """Height and width to which a 4:3 image is brought; others get the same area."""
    density_stride: int = 4
    """Input pixels per cell of the density grid."""
    branches: tuple[BranchConfig, ...] = Field((BranchConfig(),), min_length=1)

    @property
    def resolved_weights(self) -> str:
        """Source of the trunk's weights."""
        return self.backbone_weights or default_weights(self.backbone)

    @property
    def frozen_weights(self) -> tuple[str, ...]:
        """Sources of weights that are not part of a checkpoint."""
        return (self.resolved_weights,)

    @property
    def trunk_outputs(self) -> tuple[int, ...]:
        """Frozen stages whose outputs some branch needs, in ascending order."""
        return tuple(sorted(set().union(*(branch.frozen_inputs for branch in self.branches))))


def working_size(config: TrunkMixtureConfig, size: Size) -> Size:
    """Input size for an image of a given size."""
    return size_of_area(config.input_size, size)


class Trunk(nn.Module):
    """The frozen stages, which run once per image."""

    def __init__(self, config: TrunkMixtureConfig, backbone: StagedBackbone) -> None:
        super().__init__()
        for branch in config.branches:
            backbone.check_stages(branch.taps)
        self.outputs = config.trunk_outputs
        self.channels = backbone.channels
        self.strides = backbone.strides
        self.stages = nn.ModuleList(list(backbone.stages)[: self.outputs[-1] + 1])
        self.scaling = PixelScaling(backbone)

    def train(self, mode: bool = True) -> "Trunk":
        """Stay in evaluation mode: what is frozen keeps its statistics."""
        return super().train(False)

    def forward(self, pixels: Float[Tensor, "B 3 H W"]) -> Features:
        """Features of the stages that branches need; `pixels` are in 0..255."""
        x = self.scaling(pixels)
        features = {-1: x}
        for number, stage in enumerate(self.stages):
            x = features[number] = stage(x)
        return {number: features[number] for number in self.outputs}


class Branch(nn.Module):
    """One component: tuned stages, readout, blur and center bias."""

    def __init__(self, config: BranchConfig, backbone: StagedBackbone, density_stride: int) -> None:
        super().__init__()
        self.config = config
        tuned = range(config.tuned_from, config.taps[-1] + 1)
        self.stages = nn.ModuleDict({str(n): copy.deepcopy(backbone.stages[n]) for n in tuned})
        for parameter in self.stages.parameters():
            parameter.requires_grad_(True)
        wide, narrow = config.readout
        channels = [backbone.channels[tap] for tap in config.taps]
        self.strides = [backbone.strides[tap] for tap in config.taps]
        self.norm0 = nn.ModuleList(nn.GroupNorm(1, c) for c in channels)
        self.conv0 = nn.ModuleList(nn.Conv2d(c, wide, 1, bias=False) for c in channels)
        self.bias0 = nn.Parameter(torch.zeros(wide, 1, 1))
        self.norm1 = nn.GroupNorm(1, wide)
        self.conv1 = nn.Conv2d(wide, narrow, 1)
        self.norm2 = nn.GroupNorm(1, narrow)
        self.conv2 = nn.Conv2d(narrow, 1, 1)
        self.dropout = nn.Dropout2d(config.dropout)
        sigma_cells = config.blur_sigma_px / density_stride
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma_cells)))
        self.blur_radius = math.ceil(4 * sigma_cells)
        self.centerbias_weight = nn.Parameter(torch.tensor(1.0))

    def train(self, mode: bool = True) -> "Branch":
        """Training mode, but for batch norms: they keep the statistics of ImageNet."""
        super().train(mode)
        self.stages.train(False)
        return self

    def forward(
        self, features: Features, centerbias: Float[Tensor, "B h w"]
    ) -> Float[Tensor, "B h w"]:
        """Log density in nats on the density grid; `exp` sums to one over (h, w)."""
        x = self.readout(self.tapped(features))  # (B, 1, h', w') at the finest tap
        x = F.interpolate(x, size=centerbias.shape[-2:], mode="bilinear", align_corners=False)
        x = gaussian_blur(x, self.log_sigma.exp(), self.blur_radius)  # (B, 1, h, w)
        return normalize(x.squeeze(1) + self.centerbias_weight * centerbias)

    def tapped(self, features: Features) -> list[Tensor]:
        """Features of every tap, the branch's own stages in place of the frozen ones."""
        by_stage = {n: x for n, x in features.items() if n < self.config.tuned_from}
        for number, stage in self.stages.items():
            by_stage[int(number)] = stage(by_stage[int(number) - 1])
        return [by_stage[tap] for tap in self.config.taps]

    def readout(self, taps: list[Tensor]) -> Float[Tensor, "B 1 h w"]:
        """Pointwise layers; the first one acts on each tap at its own resolution."""
        of_grid: dict[int, Tensor] = {}
        for tap, norm, conv, stride in zip(taps, self.norm0, self.conv0, self.strides, strict=True):
            x = conv(self.dropout(norm(tap)))
            of_grid[stride] = of_grid[stride] + x if stride in of_grid else x
        finest, *coarser = of_grid.values()
        joined = finest + self.bias0
        for x in coarser:
            joined = joined + F.interpolate(
                x, size=finest.shape[-2:], mode="bilinear", align_corners=False
            )
        x = softplus(joined)
        x = softplus(self.conv1(self.norm1(x)))
        out: Tensor = self.conv2(self.norm2(x))
        return out


class TrunkMixture(nn.Module):
    """The whole model: trunk, branches, and the center bias that it was trained with."""

    Config = TrunkMixtureConfig

    def __init__(self, config: TrunkMixtureConfig) -> None:
        super().__init__()
        backbone = create_backbone(config.backbone, config.resolved_weights)
        self.config = config
        self.trunk = Trunk(config, backbone)
        self.branches = nn.ModuleList(
            Branch(branch, backbone, config.density_stride) for branch in config.branches
        )
        self.centerbias: Tensor
        self.register_buffer("centerbias", torch.zeros(grid_size(config, config.input_size)))

    def forward(
        self, pixels: Float[Tensor, "B 3 H W"], centerbias: Float[Tensor, "B h w"]
    ) -> Float[Tensor, "B h w"]:
        """Log density in nats on the density grid.

        Args:
            pixels: Images at their working size, 0..255.
            centerbias: Log density on the density grid (see `grid_size`).
        """
        return self.of_features(self.trunk(pixels), centerbias)

    def of_features(
        self, features: Features, centerbias: Float[Tensor, "B h w"]
    ) -> Float[Tensor, "B h w"]:
        """`forward` where the trunk has run."""
        return mix(torch.stack([branch(features, centerbias) for branch in self.branches]))

    def trained_tensors(self) -> dict[str, Tensor]:
        """State that training made: all but the trunk, whose weights come from elsewhere."""
        return {k: v for k, v in self.state_dict().items() if not k.startswith("trunk.")}


def grid_size(config: WorkingGrid, input_size: Size) -> Size:
    """Size of the density grid for an input size."""
    return input_size[0] // config.density_stride, input_size[1] // config.density_stride
