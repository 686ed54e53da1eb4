"""Recipes that train the heads of DeepGaze models on stages of timm's networks.

The published models stand on networks whose weights are large and not always to be had; their heads
are trained here on any network of timm, as mixtures of seeds and networks. Images are brought to a
working size, as for our own models, and their frozen features come from the same store.
"""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from foregaze.models import MODELS
from foregaze.models.deepgaze_config import BackboneConfig, DeepGazeConfig
from foregaze.models.trunk_mixture import BranchConfig, TrunkMixtureConfig
from foregaze.training.recipe import BranchPlan, DensityStride, RunPlan


class HeadRecipe(BranchPlan):
    """Heads on one network."""

    backbone: str = "tf_efficientnet_lite2"
    backbone_weights: str | None = None
    taps: tuple[int, ...] = Field(min_length=1)
    """Stages of the network that the heads read, in ascending order."""

    @field_validator("taps")
    @classmethod
    def _taps_ascend(cls, taps: tuple[int, ...]) -> tuple[int, ...]:
        if list(taps) != sorted(set(taps)) or taps[0] < 0:
            raise ValueError("must be different stages from 0 on, in ascending order")
        return taps


class DeepGazeRecipe(RunPlan):
    """A training run that makes a DeepGaze model."""

    architecture: Literal["deepgaze1", "deepgaze2", "deepgaze2e", "deepgaze3"]
    branches: tuple[HeadRecipe, ...] = Field(min_length=1)
    input_size: tuple[int, int] = (576, 768)
    """Height and width to which a 4:3 image is brought; others get the same area."""
    readout_factor: int = Field(8, ge=1)
    """Pixels of the working size per cell of the readout grid."""
    density_stride: DensityStride = 4
    blur_sigma: float = Field(3.0, gt=0)
    """Initial width of the blur in cells of the density's grid."""

    @model_validator(mode="after")
    def _branches_fit_together(self) -> "DeepGazeRecipe":
        if self.sees_history and len(self.branches) > 1:
            raise ValueError(
                f"{self.architecture} stands on one network: one branch, not {len(self.branches)}"
            )
        seeds = {branch.name: len(branch.seeds) for branch in self.branches}
        if len(set(seeds.values())) > 1:
            raise ValueError(f"branches need equally many seeds, not {seeds}")
        return self

    @property
    def sees_history(self) -> bool:
        """See `RunPlan`."""
        sees: bool = MODELS[self.architecture].sees_history
        return sees

    def features_of(self, number: int) -> TrunkMixtureConfig:
        """See `RunPlan`."""
        branch = self.branches[number]
        frozen = BranchConfig(taps=branch.taps, tuned_from=branch.taps[-1] + 1)
        return TrunkMixtureConfig(
            backbone=branch.backbone,
            backbone_weights=branch.backbone_weights,
            input_size=self.input_size,
            density_stride=self.density_stride,
            branches=(frozen,),
        )

    def model_config_of(self, numbers: list[int], components: int) -> DeepGazeConfig:
        """The configuration of a model on the networks of some branches."""
        backbones = tuple(
            BackboneConfig(
                name=branch.backbone,
                taps=tuple(str(tap) for tap in branch.taps),
                weights=branch.backbone_weights,
            )
            for branch in (self.branches[number] for number in numbers)
        )
        kind: Any = MODELS[self.architecture].Config
        config: DeepGazeConfig = kind(
            backbones=backbones,
            components=components,
            downsample=1.0,
            readout_factor=float(self.readout_factor),
            saliency_map_factor=float(self.density_stride),
            blur_sigma=self.blur_sigma,
            px_per_dva=None,
            working_size=self.input_size,
            centerbias_size=tuple(side // self.density_stride for side in self.input_size),
        )
        return config
