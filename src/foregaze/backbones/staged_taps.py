"""Stages of a timm backbone as taps, for models that read a frozen network's layers by name."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from foregaze.backbones.staged import PixelScaling, create_backbone, default_weights
from foregaze.errors import ConfigError


class StagedTaps(nn.Module):
    """The outputs of some stages of a timm backbone, for images in 0..255.

    Args:
        name: A convolutional model of timm.
        taps: Numbers of stages, as text, in the order in which outputs come back.
        weights: A source (see `foregaze.backbones.weights`), or `random:SEED`; the backbone's own
            default where None.

    Raises:
        ConfigError: If a tap is no stage.
        WeightsError: If the weights are not there or do not fit strictly.
    """

    def __init__(self, name: str, taps: Sequence[str], weights: str | None) -> None:
        super().__init__()
        backbone = create_backbone(name, weights or default_weights(name))
        if not all(tap.isdecimal() for tap in taps):
            raise ConfigError(f"taps of {name!r} are numbers of stages, not {list(taps)}")
        self.taps = tuple(int(tap) for tap in taps)
        backbone.check_stages(self.taps)
        self.stages = nn.ModuleList(list(backbone.stages)[: max(self.taps) + 1])
        self.channels = tuple(backbone.channels[tap] for tap in self.taps)
        self.scaling = PixelScaling(backbone)

    def train(self, mode: bool = True) -> "StagedTaps":
        """Stay in evaluation mode: what is frozen keeps its statistics."""
        return super().train(False)

    def forward(self, pixels: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Taps in the order asked, each (B, C, h, w)."""
        x = self.scaling(pixels)
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return [outputs[tap] for tap in self.taps]
