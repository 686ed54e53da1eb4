"""DinoGaze: DeepGaze III's networks on a frozen Vision Transformer.

Morello's thesis (2025): the last three blocks of DINOv2's ViT-L/14 (Oquab et al. 2023,
arXiv:2304.07193), each behind the final norm, in place of DenseNet's layers. Any other Vision
Transformer of timm will do, such as those with registers or DINOv3's, and convolutional networks.

Differences from its code, after its defects: tokens stay where their patches are, images are
normalized as the network was trained, and brought to whole patches instead of being padded; a
past fixation that is missing adds nothing.
"""

from collections.abc import Sequence

from pydantic import Field

from foregaze.models.deepgaze_config import BackboneConfig
from foregaze.models.guided import DINOV2, GuidedConfig, GuidedHead, GuidedModel


class DinoGazeConfig(GuidedConfig):
    """DinoGaze as in the thesis."""

    backbones: tuple[BackboneConfig, ...] = (DINOV2,)
    readout_factor: float | None = Field(None, gt=0)


class DinoGazeHead(GuidedHead):
    """Nothing but features and past fixations."""

    def __init__(self, config: DinoGazeConfig, channels: Sequence[int], components: int) -> None:
        super().__init__(config, channels, components)


class DinoGaze(GuidedModel):
    """The whole model."""

    Config = DinoGazeConfig
    Head = DinoGazeHead
