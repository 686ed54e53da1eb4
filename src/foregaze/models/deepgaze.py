"""What all DeepGaze models are: frozen networks, a head for each, one mixture of densities.

A head turns the taps of its network into log densities of its components on a grid of one cell per
m x m pixels; the model's density is the mean over all components of all heads, repeated to the
image's pixels.

`B` batch, `K` components, `H W` pixels, `u v` cells of the density's grid.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from foregaze.backbones.staged_taps import StagedTaps
from foregaze.backbones.tapped import TAPPED, TappedBackbone, create_tapped
from foregaze.backbones.vit_taps import VitTaps, is_vit
from foregaze.models.deepgaze_config import BackboneConfig, DeepGazeConfig
from foregaze.models.deepgaze_networks import Views
from foregaze.ops.finalizer import FinerGrid, mean_density
from foregaze.ops.nearest import CompactGrid, nearest_downsample
from foregaze.types import Size


class Head(nn.Module):
    """All behind one frozen network.

    Args:
        config: Of the model.
        channels: Of the network's taps.
        components: Members of the mixture.
    """

    def __init__(self, config: DeepGazeConfig, channels: Sequence[int], components: int) -> None:
        super().__init__()
        self.config = config
        self.components = components

    def readout_grid(self, features: Sequence[Tensor], image_size: Size) -> CompactGrid:
        """The grid that taps are resized to, without its repetitions."""
        config = self.config
        assert config.readout_factor is not None
        height, width = (
            math.ceil(side / config.downsample / config.readout_factor) for side in image_size
        )
        sizes = [(x.shape[-2], x.shape[-1]) for x in features]
        return CompactGrid.of(sizes, (height, width))

    def forward(
        self,
        features: Sequence[Tensor],
        grid: FinerGrid,
        centerbias: Float[Tensor, "B u v"],
        *history: Tensor,
    ) -> Iterator[Float[Tensor, "B k u v"]]:
        """Log density per pixel of every component, some components at a time.

        Args:
            features: Taps for the images, each (B, C, h, w).
            grid: Where densities are made.
            centerbias: Log density of the center bias on `grid`.
            history: Columns `x_hist` and `y_hist`, each (B, T), for models that see them.
        """
        raise NotImplementedError

    def published(self) -> Views:
        """Parameters by their published names."""
        raise NotImplementedError

    def member(self, component: int) -> "Head":
        """One component as a head of its own, on copies of its parameters."""
        single = copy.deepcopy(self)
        single.components = 1
        for module in single.modules():
            for name, parameter in module.named_parameters(recurse=False):
                own = nn.Parameter(parameter.detach()[component, None].clone(), False)
                setattr(module, name, own)
        return single


class DeepGaze(nn.Module):
    """Frozen networks, heads and their mixture."""

    Config: ClassVar[type[Any]]
    Head: ClassVar[type[Head]]
    published_as: ClassVar[tuple[tuple[str, str], ...]] = ()
    """For each head, what precedes its names and those of its network in the published state dict;
    empty where none is published."""
    sees_history: bool = False
    """Whether the density depends on the last fixations."""
    precision: torch.dtype | None = None
    """What the networks compute in where it is not their weights' precision."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        add_centerbias(self, config)
        backbones = [create_frozen(b) for b in config.backbones]
        self.backbones = nn.ModuleList(backbones)
        self.heads = self.make_heads(config, [backbone.channels for backbone in backbones])

    def make_heads(self, config: Any, channels: Sequence[tuple[int, ...]]) -> nn.ModuleList:
        """A head for each network, by the channels of its taps."""
        return nn.ModuleList(self.Head(config, own, config.components) for own in channels)

    def trained_tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds."""
        return stored_tensors(self, self.config)

    def features(self, pixels: Float[Tensor, "B 3 H W"], number: int) -> list[Tensor]:
        """Taps of network `number` for images in 0..255; one pass of it."""
        small = nearest_downsample(pixels, self.config.downsample)
        return run_frozen(self.backbones[number], small, self.precision)

    def grid(self, image_size: Size) -> FinerGrid:
        """Where densities are made."""
        return FinerGrid.of_blocks(image_size, self.config.saliency_map_factor)

    def sample_centerbias(self, centerbias: Float[Tensor, "B H W"]) -> Float[Tensor, "B u v"]:
        """The center bias on `grid`: the value at the top-left pixel of each cell."""
        return nearest_downsample(centerbias[:, None], self.config.saliency_map_factor)[:, 0]

    def forward(
        self,
        pixels: Float[Tensor, "B 3 H W"],
        centerbias: Float[Tensor, "B H W"],
        *history: Tensor,
    ) -> Float[Tensor, "B H W"]:
        """Log density in nats; `exp` sums to one over (H, W).

        Args:
            pixels: Images in 0..255.
            centerbias: Log density over the pixels.
            history: `x_hist` and `y_hist`, each (B, T) with the most recent fixation first and NaN
                where there is none, for models that see them.
        """
        grid = self.grid((pixels.shape[-2], pixels.shape[-1]))
        sampled = nearest_downsample(centerbias, self.config.saliency_map_factor)
        parts = (
            part
            for number, head in enumerate(self.heads)
            for part in head(self.features(pixels, number), grid, sampled, *history)
        )
        return grid.repeated(mean_density(parts))


def create_frozen(backbone: BackboneConfig) -> TappedBackbone | VitTaps | StagedTaps:
    """A frozen network by its configuration; undefined weights where the checkpoint has them."""
    if backbone.name in TAPPED:
        return create_tapped(backbone.name, backbone.taps, backbone.source)
    kind = VitTaps if is_vit(backbone.name) else StagedTaps
    return kind(backbone.name, backbone.taps, backbone.source)


def run_frozen(
    backbone: nn.Module, pixels: Float[Tensor, "B 3 _ _"], precision: torch.dtype | None
) -> list[Tensor]:
    """Taps of a network, computed in another precision where one is given."""
    if precision is None:
        with without_tf32(pixels.device):
            taps: list[Tensor] = backbone(pixels)
        return taps
    with torch.autocast(pixels.device.type, precision):
        return [tap.float() for tap in backbone(pixels)]


@contextmanager
def without_tf32(device: torch.device) -> Iterator[None]:
    """Single precision where it is asked for: cuDNN's convolutions would use 10 of 23 bits."""
    if device.type != "cuda":
        yield
        return
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


def stored_tensors(model: nn.Module, config: DeepGazeConfig) -> dict[str, Tensor]:
    """What a checkpoint of a DeepGaze model holds: all but frozen weights that have a source."""
    elsewhere = tuple(
        f"backbones.{number}." for number, b in enumerate(config.backbones) if b.source is not None
    )
    return {key: x for key, x in model.state_dict().items() if not key.startswith(elsewhere)}


def add_centerbias(model: nn.Module, config: DeepGazeConfig) -> None:
    """Give a model the place for the center bias that its checkpoint holds, if it holds one."""
    size = config.centerbias_size
    model.register_buffer("centerbias", None if size is None else torch.zeros(size))
