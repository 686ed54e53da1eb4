"""DeepGaze II: frozen VGG-19, a readout of four pointwise layers, blur, center bias, softmax.

Kümmerer, Wallis & Bethge (2016), "DeepGaze II: reading fixations from deep features trained on
object recognition", arXiv:1610.01563; Kümmerer et al. (2017), ICCV. No weights are published for
PyTorch: it is here to be trained. The paper's network was VGG-19 in Caffe's normalization, and its
submission to the benchmark the mean density of ten models, which is ten components here.

`B` batch, `K` components, `u v` cells of the density's grid.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from foregaze.models.deepgaze import DeepGaze, Head
from foregaze.models.deepgaze_config import BackboneConfig, DeepGazeConfig
from foregaze.models.deepgaze_networks import Convolution, Finalizers, first_layer, layers_of
from foregaze.ops.finalizer import FinerGrid
from foregaze.ops.pointwise import Layer

READOUT = (16, 32, 2, 1)
"""Channels of the readout's layers."""


class DeepGaze2Config(DeepGazeConfig):
    """DeepGaze II as the paper has it, on torchvision's VGG-19."""

    backbones: tuple[BackboneConfig, ...] = (
        BackboneConfig(name="vgg19", taps=("conv5_1", "relu5_1", "relu5_2", "conv5_3", "relu5_4")),
    )
    components: int = Field(10, ge=1)
    readout_factor: float = Field(2.0, gt=0)
    """The paper brings features of stride 16 to a grid 8 times finer."""
    saliency_map_factor: float = Field(2.0, ge=1)


class DeepGaze2Head(Head):
    """Four 1x1 convolutions with rectification, and their finalizer."""

    def __init__(self, config: DeepGaze2Config, channels: Sequence[int], components: int) -> None:
        super().__init__(config, channels, components)
        inputs = (sum(channels), *READOUT[:-1])
        self.layers = nn.ModuleList(
            Convolution(components, i, o, norm=False) for i, o in zip(inputs, READOUT, strict=True)
        )
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
        first, *others = layers_of(self.layers)
        x = first_layer(first, features, readout_grid).relu()  # (B, K, 16, h, w)
        h, w = x.shape[-2:]
        x = x.flatten(-2)
        for layer in others:
            x = _convolve(layer, x).relu()
        readout = torch.unflatten(x[:, :, 0], -1, (h, w))
        parts: Iterator[Tensor] = self.finalizers(readout, readout_grid, grid, centerbias)
        return parts


def _convolve(layer: Layer, x: Float[Tensor, "B K C P"]) -> Float[Tensor, "B K O P"]:
    assert layer.bias is not None
    return layer.weight @ x + layer.bias[..., None]


class DeepGaze2(DeepGaze):
    """The whole model."""

    Config = DeepGaze2Config
    Head = DeepGaze2Head
