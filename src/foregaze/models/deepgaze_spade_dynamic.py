"""DeepGaze III-SPADE, dynamic: segments painted with the convolutional network's own features.

Morello's thesis (2025). The saliency network of DeepGaze III on DenseNet-201, at the image's full
resolution, with SPADE norms that are modulated by the painted map. The thesis' text paints with
denselayer32.conv1 (128 channels), as here; its running script took denselayer31.conv2 (32), which
is `semantic_tap: 2`.
"""

from collections.abc import Sequence

from pydantic import Field

from foregaze.models.deepgaze_config import BackboneConfig
from foregaze.models.guided import DENSENET, OwnPaintingConfig, PaintedHead, SegmentModel


class DeepGazeSpadeDynamicConfig(OwnPaintingConfig):
    """The model as in the thesis."""

    backbones: tuple[BackboneConfig, ...] = (DENSENET,)
    readout_factor: float | None = Field(4.0, gt=0)
    semantic_tap: int = 1


class DeepGazeSpadeDynamicHead(PaintedHead):
    """Painted with one of the taps."""

    def __init__(
        self, config: DeepGazeSpadeDynamicConfig, channels: Sequence[int], components: int
    ) -> None:
        semantic = channels[config.semantic_tap]
        super().__init__(config, channels, components, semantic, ("saliency",))
        self.semantic_tap = config.semantic_tap


class DeepGazeSpadeDynamic(SegmentModel):
    """The whole model."""

    Config = DeepGazeSpadeDynamicConfig
    Head = DeepGazeSpadeDynamicHead
