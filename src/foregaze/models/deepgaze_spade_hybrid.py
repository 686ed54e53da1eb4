"""DeepGaze III-SPADE, hybrid: one network's saliency, painted with another's features.

Morello's thesis (2025). As `deepgaze-spade-dynamic`, but segments are painted with the last block
of DINOv2. The second network gives nothing else.
"""

from collections.abc import Sequence

from pydantic import Field, field_validator
from torch import nn

from foregaze.models.deepgaze_config import BackboneConfig
from foregaze.models.guided import DENSENET, DINOV2, PaintedHead, SegmentModel, SpadeConfig

_PAINTING = DINOV2.model_copy(update={"taps": ("23",)})


class DeepGazeSpadeHybridConfig(SpadeConfig):
    """The model as in the thesis."""

    backbones: tuple[BackboneConfig, ...] = (DENSENET, _PAINTING)
    """The saliency network's, and the one that paints, with one tap."""
    readout_factor: float | None = Field(4.0, gt=0)

    @field_validator("backbones")
    @classmethod
    def _one_backbone(cls, backbones: tuple[BackboneConfig, ...]) -> tuple[BackboneConfig, ...]:
        if len(backbones) != 2 or len(backbones[1].taps) != 1:
            raise ValueError(
                "expected two backbones, for the saliency network and for painting, the second "
                "with one tap"
            )
        return backbones


class DeepGazeSpadeHybridHead(PaintedHead):
    """Painted with features of another network than its own."""

    def __init__(
        self,
        config: DeepGazeSpadeHybridConfig,
        channels: Sequence[int],
        components: int,
        semantic_channels: int,
    ) -> None:
        super().__init__(config, channels, components, semantic_channels, ("saliency",))


class DeepGazeSpadeHybrid(SegmentModel):
    """The whole model."""

    Config = DeepGazeSpadeHybridConfig
    semantic_backbone = 1

    def make_heads(
        self, config: DeepGazeSpadeHybridConfig, channels: Sequence[tuple[int, ...]]
    ) -> nn.ModuleList:
        """One head, on the first network."""
        own, (semantic,) = channels
        return nn.ModuleList([DeepGazeSpadeHybridHead(config, own, config.components, semantic)])
