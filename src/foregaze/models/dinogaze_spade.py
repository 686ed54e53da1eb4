"""DinoGaze-SPADE: DinoGaze whose norms know which patches belong together.

Morello's thesis (2025). Each segment is painted with the mean feature of its patches, from the last
tap of the model's own Vision Transformer (`foregaze.ops.painting`), and this map modulates norms
through SPADE (`foregaze.ops.spade`): those of the saliency network in variant A, of saliency
network and fixation selection in B, of saliency and scanpath network in C.

Differences from its code: prototypes are weighted by area; the map is painted at the readout grid;
the fixation selection of variant B takes saliency and scanpath features in every phase.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from foregaze.models.deepgaze_config import BackboneConfig
from foregaze.models.guided import DINOV2, OwnPaintingConfig, PaintedHead, Place, SegmentModel

VARIANTS: dict[str, tuple[Place, ...]] = {
    "A": ("saliency",),
    "B": ("saliency", "selection"),
    "C": ("saliency", "scanpath"),
}
"""Networks with SPADE."""


class DinoGazeSpadeConfig(OwnPaintingConfig):
    """DinoGaze-SPADE as in the thesis."""

    backbones: tuple[BackboneConfig, ...] = (DINOV2,)
    readout_factor: float | None = Field(None, gt=0)
    variant: Literal["A", "B", "C"] = "A"


class DinoGazeSpadeHead(PaintedHead):
    """Painted with the network's own features."""

    def __init__(
        self, config: DinoGazeSpadeConfig, channels: Sequence[int], components: int
    ) -> None:
        places = VARIANTS[config.variant]
        super().__init__(config, channels, components, channels[config.semantic_tap], places)
        self.semantic_tap = config.semantic_tap


class DinoGazeSpade(SegmentModel):
    """The whole model."""

    Config = DinoGazeSpadeConfig
    Head = DinoGazeSpadeHead
