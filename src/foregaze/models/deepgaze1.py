"""DeepGaze I: one linear readout of AlexNet's last convolution, blur, center bias, softmax.

Kümmerer, Theis & Bethge (2015), "Deep Gaze I: boosting saliency prediction with feature maps
trained on ImageNet", arXiv:1411.1045. This is the version that was published for PyTorch
(https://github.com/matthias-k/DeepGaze), which was retrained and is not the paper's model: one
layer instead of all convolutional ones, and no sparsity penalty.

`B` batch, `K` components (1 as published), `u v` cells of the density's grid.
"""

from collections.abc import Iterator, Sequence

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from foregaze.models.deepgaze import DeepGaze, Head
from foregaze.models.deepgaze_config import BackboneConfig, DeepGazeConfig
from foregaze.models.deepgaze_networks import Convolution, Finalizers, Views, first_layer
from foregaze.ops.finalizer import FinerGrid


class DeepGaze1Config(DeepGazeConfig):
    """DeepGaze I as published."""

    backbones: tuple[BackboneConfig, ...] = (BackboneConfig(name="alexnet", taps=("features.10",)),)
    components: int = Field(1, ge=1)
    readout_factor: float = Field(4.0, gt=0)
    saliency_map_factor: float = Field(4.0, ge=1)


class DeepGaze1Head(Head):
    """A linear map of the features, and its finalizer."""

    def __init__(self, config: DeepGaze1Config, channels: Sequence[int], components: int) -> None:
        super().__init__(config, channels, components)
        self.readout = Convolution(components, sum(channels), 1, norm=False, bias=False)
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
        readout = first_layer(self.readout.layer, features, readout_grid)[:, :, 0]  # (B, K, h, w)
        parts: Iterator[Tensor] = self.finalizers(readout, readout_grid, grid, centerbias)
        return parts

    def published(self) -> Views:
        """See `Head`; the published state dict holds one component."""
        return {
            "readout_network.conv0.weight": self.readout.weight[0, :, :, None, None],
            **self.finalizers.published("finalizer.", 0),
        }


class DeepGaze1(DeepGaze):
    """The whole model."""

    Config = DeepGaze1Config
    Head = DeepGaze1Head
    published_as = (("", "features.features.1."),)
