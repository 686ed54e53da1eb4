"""What the configurations of the DeepGaze models have in common."""

from pydantic import Field

from foregaze.backbones.staged import default_weights
from foregaze.backbones.tapped import TAPPED
from foregaze.config import Config

PUBLISHED = "published"
"""As a source of weights: those that the published model was trained on."""


class BackboneConfig(Config):
    """A frozen network and the layers that are read."""

    name: str
    """From `foregaze.backbones.tapped.TAPPED`, or a convolutional network or Vision Transformer of
    timm."""
    taps: tuple[str, ...] = Field(min_length=1)
    """Layers in the order in which their channels are joined; for timm's, numbers of stages of
    convolutional networks and of blocks of Vision Transformers, counted from 0, such as "21"."""
    weights: str | None = None
    """Source of its weights (see `foregaze.backbones.weights`), or "published". Where None, those
    of a published model are part of the checkpoint, and timm's networks have their own default."""

    @property
    def source(self) -> str | None:
        """Where the weights come from; None where they are part of the checkpoint."""
        if self.name in TAPPED:
            return TAPPED[self.name].weights if self.weights == PUBLISHED else self.weights
        return self.weights or default_weights(self.name)


class DeepGazeConfig(Config):
    """What defines a DeepGaze model, but for its weights."""

    downsample: float = Field(2.0, ge=1)
    """The backbone sees every n-th pixel."""
    readout_factor: float | None = Field(gt=0)
    """Pixels of the backbone's input per cell of the readout grid; None for the first tap's grid,
    where a model can."""
    saliency_map_factor: float = Field(ge=1)
    """Pixels of the image per cell on which blur and center bias are applied."""
    blur_sigma: float = Field(8.0, gt=0)
    """Initial width of the blur in cells of that grid."""
    px_per_dva: float | None = Field(35.0, gt=0)
    """Pixels per degree of visual angle of the images that it is made for."""
    working_size: tuple[int, int] | None = None
    """(H, W) to whose area images are brought, whatever their pixels per degree."""
    centerbias_size: tuple[int, int] | None = None
    """(H, W) of the center bias in the checkpoint, if it has one."""
    backbones: tuple[BackboneConfig, ...] = Field(min_length=1)

    @property
    def frozen_weights(self) -> tuple[str, ...]:
        """Sources of weights that are not part of the checkpoint."""
        return tuple(b.source for b in self.backbones if b.source is not None)


DENSENET_TAPS = (
    "features.denseblock4.denselayer32.norm1",
    "features.denseblock4.denselayer32.conv1",
    "features.denseblock4.denselayer31.conv2",
)
"""Layers of DenseNet-201 that DeepGaze IIE and III read."""
