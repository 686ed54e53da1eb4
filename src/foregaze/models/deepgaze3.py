"""DeepGaze III: where people look next, given the image and their last four fixations.

Kümmerer, Bethge & Wallis (2022), "DeepGaze III: modeling free-viewing human scanpaths with deep
learning", Journal of Vision 22(5):7. A saliency network on frozen DenseNet-201 features, a scanpath
network on offsets to past fixations, a fixation selection network that joins them, a finalizer;
ten components, one for each cross-validation fold.

`B` batch, `K` components, `T` history, `h w` and `P` cells of the readout grid, `u v` cells of the
density's grid.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor

from foregaze.models.deepgaze_config import DENSENET_TAPS, BackboneConfig, DeepGazeConfig
from foregaze.models.deepgaze_networks import (
    NARROW,
    Finalizers,
    FixationSelectionNetworks,
    SaliencyNetworks,
    ScanpathNetworks,
    Views,
    history_offsets,
    published_networks,
)
from foregaze.models.scene import Guide, Scene, SceneHead, SceneModel
from foregaze.ops.finalizer import FinerGrid
from foregaze.ops.nearest import CompactGrid, nearest_index


class DeepGaze3Config(DeepGazeConfig):
    """DeepGaze III as published."""

    backbones: tuple[BackboneConfig, ...] = (
        BackboneConfig(name="densenet201", taps=DENSENET_TAPS),
    )
    components: int = Field(10, ge=1)
    readout_factor: float = Field(4.0, gt=0)
    saliency_map_factor: float = Field(4.0, ge=1)
    history: int = Field(4, ge=1)
    """Past fixations that the scanpath network sees."""

    @field_validator("backbones")
    @classmethod
    def _one_backbone(cls, backbones: tuple[BackboneConfig, ...]) -> tuple[BackboneConfig, ...]:
        if len(backbones) != 1:
            raise ValueError(f"DeepGaze III stands on one backbone, not {len(backbones)}")
        return backbones


class DeepGaze3Head(SceneHead):
    """Saliency from features, scanpath features from the history, and what selects from both."""

    def __init__(self, config: DeepGaze3Config, channels: Sequence[int], components: int) -> None:
        super().__init__(config, channels, components)
        self.history = config.history
        self.saliency = SaliencyNetworks(components, sum(channels))
        self.scanpath = ScanpathNetworks(components, config.history)
        self.fixation_selection = FixationSelectionNetworks(components, NARROW)
        self.finalizers = Finalizers(components, config.blur_sigma)

    def saliency_maps(
        self, features: Sequence[Tensor], grid: FinerGrid
    ) -> Float[Tensor, "B K h w"]:
        """What the image alone decides, on the readout grid."""
        readout_grid = self.readout_grid(features, grid.image_size)
        return readout_grid.expand(self.saliency(features, readout_grid))

    def scene(
        self, features: Sequence[Tensor], grid: FinerGrid, guide: Guide | None = None
    ) -> Scene:
        """See `SceneHead`."""
        return Scene(self.saliency_maps(features, grid))

    def after(
        self, scene: Scene, grid: FinerGrid, centerbias: Float[Tensor, "B u v"], *history: Tensor
    ) -> Iterator[Float[Tensor, "B k u v"]]:
        """See `SceneHead`."""
        h, w = scene.saliency.shape[-2:]
        x_hist, y_hist = history
        rows, columns = map(nearest_index, grid.image_size, (h, w))
        offsets = history_offsets(x_hist, y_hist, rows, columns)
        scanpath = self.scanpath(offsets.to(scene.saliency.dtype))
        readout = self.fixation_selection(scene.saliency.flatten(-2), scanpath, None)
        everywhere = CompactGrid.of([(h, w)], (h, w))
        readout = torch.unflatten(readout, -1, (h, w))
        parts: Iterator[Tensor] = self.finalizers(readout, everywhere, grid, centerbias)
        return parts

    def published(self) -> Views:
        """See `Head`."""
        return published_networks(
            self.components,
            saliency_networks=self.saliency,
            scanpath_networks=self.scanpath,
            fixation_selection_networks=self.fixation_selection,
            finalizers=self.finalizers,
        )


class DeepGaze3(SceneModel):
    """The whole model."""

    Config = DeepGaze3Config
    Head = DeepGaze3Head
    published_as = (("", "features.features.1."),)
    sees_history = True
