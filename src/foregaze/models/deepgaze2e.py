"""DeepGaze IIE: four frozen networks, thirty readouts on each, the mean of all densities.

Linardos, Kümmerer, Press & Bethge (2021), "DeepGaze IIE: calibrated prediction in and out-of-domain
for state-of-the-art saliency modeling", ICCV, arXiv:2105.12441. Each component was trained on one
of ten cross-validation folds with one of three seeds.

`B` batch, `K` components, `h w` and `P` cells of a compact grid, `u v` cells of the density's grid.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from foregaze.models.deepgaze import DeepGaze, Head
from foregaze.models.deepgaze_config import DENSENET_TAPS, BackboneConfig, DeepGazeConfig
from foregaze.models.deepgaze_networks import (
    Finalizers,
    FixationSelectionNetworks,
    SaliencyNetworks,
    Views,
    published_networks,
)
from foregaze.ops.finalizer import FinerGrid

BACKBONES = (
    BackboneConfig(  # "ShapeNet C": trained on stylized and plain ImageNet
        name="resnet50",
        taps=(
            "layer3.0.conv2",
            "layer3.3.conv2",
            "layer3.5.conv1",
            "layer3.5.conv2",
            "layer4.1.conv2",
            "layer4.2.conv2",
        ),
    ),
    BackboneConfig(
        name="efficientnet_b5",
        taps=(
            "_blocks.24._depthwise_conv",
            "_blocks.26._depthwise_conv",
            "_blocks.35._project_conv",
        ),
    ),
    BackboneConfig(name="densenet201", taps=DENSENET_TAPS),
    BackboneConfig(
        name="resnext50_32x4d",
        taps=("layer3.5.conv1", "layer3.5.conv2", "layer3.4.conv2", "layer4.2.conv2"),
    ),
)


class DeepGaze2EConfig(DeepGazeConfig):
    """DeepGaze IIE as published."""

    backbones: tuple[BackboneConfig, ...] = BACKBONES
    components: int = Field(30, ge=1)
    """On each backbone."""
    readout_factor: float = Field(16.0, gt=0)
    saliency_map_factor: float = Field(2.0, ge=1)


class DeepGaze2EHead(Head):
    """The mixture on one backbone: saliency, fixation selection, finalizer.

    Nothing but features goes in, so everything before the blur stays on the compact grid.
    """

    def __init__(self, config: DeepGaze2EConfig, channels: Sequence[int], components: int) -> None:
        super().__init__(config, channels, components)
        self.saliency = SaliencyNetworks(components, sum(channels))
        self.fixation_selection = FixationSelectionNetworks(components, 0)
        self.finalizers = Finalizers(components, config.blur_sigma)

    def forward(
        self,
        features: Sequence[Tensor],
        grid: FinerGrid,
        centerbias: Float[Tensor, "B u v"],
        *history: Tensor,
    ) -> Iterator[Float[Tensor, "B k u v"]]:
        """See `Head`."""
        readout_grid = self.readout_grid(features, grid.image_size)
        saliency = self.saliency(features, readout_grid)  # (B, K, h, w)
        counts = readout_grid.counts(saliency).flatten()
        readout = self.fixation_selection(saliency.flatten(-2), None, counts)
        readout = torch.unflatten(readout, -1, saliency.shape[-2:])
        parts: Iterator[Tensor] = self.finalizers(readout, readout_grid, grid, centerbias)
        return parts

    def published(self) -> Views:
        """See `Head`."""
        return published_networks(
            self.components,
            saliency_networks=self.saliency,
            fixation_selection_networks=self.fixation_selection,
            finalizers=self.finalizers,
        )


class DeepGaze2E(DeepGaze):
    """The whole model."""

    Config = DeepGaze2EConfig
    Head = DeepGaze2EHead
    published_as = (
        ("models.0.", "models.0.features.features.1.module."),
        *((f"models.{n}.", f"models.{n}.features.features.1.") for n in (1, 2, 3)),
    )
