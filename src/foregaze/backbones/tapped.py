"""Frozen networks that return the outputs of some of their layers, for images in 0..255.

The readouts of the DeepGaze family see a network through a few of its layers, the taps. A tap's
value is what its layer returned, before any activation that follows. The network is cut behind its
last tap: what lies there is neither computed nor kept.

`B` batch, `H W` image pixels, `h w` a tap's grid, `C` a tap's channels.
"""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torchvision.models as torchvision_models  # type: ignore[import-untyped]
from jaxtyping import Float
from torch import Tensor, fx, nn

from foregaze.backbones.clip_resnet import ClipResNet50x64
from foregaze.backbones.cutting import cut_traced
from foregaze.backbones.dinov2 import DinoV2, cut_blocks
from foregaze.backbones.efficientnet_b5 import EfficientNetB5
from foregaze.backbones.fusing import fuse
from foregaze.backbones.vgg19 import build_vgg19, vgg19_layer
from foregaze.backbones.weights import check_layout, read_state_dict, resolve_weights
from foregaze.errors import ConfigError, ShapeError, UnknownNameError, WeightsError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PROBE_PX = 64
"""Side of the picture that the taps' channels are measured on."""


class Normalization(nn.Module):
    """Pixels in 0..255 to a network's input: (x / 255 - mean) / std.

    Each step is rounded to the pixels' precision; the constants have float64 where the device has.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.constants = {"mean": mean, "std": std}
        for name in self.constants:
            self.register_buffer(name, None, persistent=False)
        self._place(torch.device("cpu"))

    def forward(self, pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """Normalized image in the precision of `pixels`."""
        x = pixels / 255
        x = (x - self.mean).to(x.dtype)
        return (x / self.std).to(x.dtype)

    def _place(self, device: torch.device) -> None:
        dtype = torch.float32 if device.type == "mps" else torch.float64
        for name, values in self.constants.items():
            constant = torch.tensor(values, dtype=dtype, device=device)
            setattr(self, name, constant[:, None, None])

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Normalization":
        """Follow the module to another device, but not to another precision."""
        self._place(fn(torch.empty(0, device=self.mean.device)).device)
        return self


class TappedBackbone(nn.Module):
    """A frozen network that returns the outputs of some of its layers, for images in 0..255."""

    channels: tuple[int, ...]
    """Of each tap, in the order asked."""
    published_shapes: dict[str, tuple[int, ...]]
    """Every key of the network's published state dict with its shape, in published order."""

    def __init__(
        self,
        normalization: Normalization,
        network: nn.Module,
        channels: tuple[int, ...],
        published_shapes: dict[str, tuple[int, ...]],
        smallest_side_px: int = 1,
        *,
        can_be_fused: bool = True,
    ) -> None:
        super().__init__()
        self.smallest_side_px = smallest_side_px
        self.can_be_fused = can_be_fused
        self.normalization = normalization
        self.network = network
        self.channels = channels
        self.published_shapes = published_shapes
        self.requires_grad_(False)
        self.train(False)

    def forward(self, pixels: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Taps in the order asked, each (B, C, h, w).

        Raises:
            ShapeError: If the images are smaller than the network can see.
        """
        if min(pixels.shape[-2:]) < self.smallest_side_px:
            height, width = pixels.shape[-2:]
            raise ShapeError(
                f"image of {width}x{height} pixels at the input of a backbone whose images need "
                f"sides of {self.smallest_side_px}: give a larger or less elongated image"
            )
        network_dtype = next(self.network.parameters()).dtype
        precision = torch.promote_types(pixels.dtype, network_dtype)
        precision = torch.promote_types(precision, torch.float32)
        x = self.normalization(pixels.to(precision)).to(network_dtype)
        taps: list[Tensor] = self.network(x)
        return taps

    def train(self, mode: bool = True) -> "TappedBackbone":
        """Stay in evaluation mode: a frozen network has no other."""
        return super().train(False)

    def optimized(self) -> "TappedBackbone":
        """The same, faster on a CPU, for inference alone: it takes no other weights.

        A copy, or this very backbone where nothing is known to make it faster.
        """
        norms = [m for m in self.network.modules() if isinstance(m, nn.BatchNorm2d)]
        if not isinstance(self.network, fx.GraphModule) or not (norms and self.can_be_fused):
            return self
        normalization = copy.deepcopy(self.normalization)
        fused = fuse(self.network)
        return TappedBackbone(
            normalization, fused, self.channels, self.published_shapes, self.smallest_side_px
        )

    def load_published(self, tensors: Mapping[str, Tensor], source: str) -> None:
        """Load the network's published state dict, and drop what lies behind the last tap.

        Raises:
            WeightsError: Names the first missing, unexpected or misshapen key; nothing is loaded.
        """
        if not self.published_shapes.keys() >= self.network.state_dict().keys():
            raise WeightsError(f"{source}: cannot be loaded into an optimized backbone")
        check_layout(self.published_shapes, tensors, source)
        for key, place in self.network.state_dict().items():
            if key in tensors:
                place.copy_(tensors[key])
            else:
                place.zero_()


def _undotted(key: str) -> str:
    """Layers of a DenseNet's file are called `norm.1`, those of torchvision's network `norm1`."""
    return re.sub(r"\.(norm|relu|conv)\.([12])\.", r".\1\2.", key)


def _without_module(key: str) -> str:
    """Files written by a network that ran on several devices precede all names by `module.`."""
    return key.removeprefix("module.")


_CLIP_TEXT = (
    "transformer.",
    "token_embedding.",
    "ln_final.",
    "positional_embedding",
    "text_projection",
    "logit_scale",
)
"""What the names of CLIP's text network begin with."""


def _visual(key: str) -> str | None:
    """A file of CLIP holds two networks, and the pooling behind the layers that are read."""
    if key.startswith(("visual.attnpool.", *_CLIP_TEXT)):
        return None
    return key.removeprefix("visual.")


@dataclass(frozen=True)
class TappedNetwork:
    """What a name of the registry stands for."""

    build: Callable[[], nn.Module]
    """The whole published network, under its published names."""
    weights: str
    """Source of the weights that the published models were trained on."""
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    layer_of: Callable[[str], str] = str
    """Name of a layer within the network by its tap's name."""
    published_key: Callable[[str], str | None] = str
    """Name of a tensor by its key in the file that the network was published in; None for what
    belongs to another network of that file."""
    smallest_side_px: int = 1
    """Of an image that the network can see."""
    can_be_fused: bool = True
    """Whether `optimized` may change the order of its sums."""
    cut: Callable[[nn.Module, Sequence[str]], nn.Module] = cut_traced
    """The part of the network that some of its layers need."""


TAPPED = {
    "alexnet": TappedNetwork(
        torchvision_models.alexnet,
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth#sha256=7be5be79",
        smallest_side_px=31,
    ),
    "clip_rn50x64": TappedNetwork(
        ClipResNet50x64,
        "hub:timm/resnet50x64_clip.openai/open_clip_model.safetensors",
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
        published_key=_visual,
        smallest_side_px=31,
    ),
    "densenet201": TappedNetwork(
        torchvision_models.densenet201,
        "https://download.pytorch.org/models/densenet201-c1103571.pth#sha256=c1103571",
        published_key=_undotted,
        smallest_side_px=29,
    ),
    "dinov2_vitb14": TappedNetwork(
        DinoV2,
        "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth"
        "#sha256=0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",
        cut=cut_blocks,
    ),
    "efficientnet_b5": TappedNetwork(
        EfficientNetB5,
        "https://github.com/lukemelas/EfficientNet-PyTorch/releases/download/1.0/"
        "efficientnet-b5-b6417697.pth#sha256=b6417697",
        smallest_side_px=32,
        # With random weights its gates amplify rounding without bound: 3e-7 becomes 0.3.
        can_be_fused=False,
    ),
    "resnet50": TappedNetwork(
        torchvision_models.resnet50,
        "https://bitbucket.org/robert_geirhos/texture-vs-shape-pretrained-models/raw/"
        "60b770e128fffcbd8562a3ab3546c1a735432d03/resnet50_finetune_60_epochs_lr_decay_after_30_"
        "start_resnet50_train_45_epochs_combined_IN_SF-ca06340c.pth.tar#sha256=ca06340c",
        published_key=_without_module,
    ),
    "resnext50_32x4d": TappedNetwork(
        torchvision_models.resnext50_32x4d,
        "https://download.pytorch.org/models/resnext50_32x4d-7cdf4587.pth#sha256=7cdf4587",
    ),
    "vgg19": TappedNetwork(
        build_vgg19,
        "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth#sha256=dcbb9e9d",
        layer_of=vgg19_layer,
    ),
}


def create_tapped(name: str, taps: Sequence[str], weights: str | None) -> TappedBackbone:
    """A frozen network cut behind its last tap.

    Args:
        name: A name of `TAPPED`.
        taps: Layers by their published names, in the order in which their outputs come back.
        weights: A source (see `foregaze.backbones.weights`), `random:SEED`, or None for allocated
            but undefined weights, to be filled by `load_published`.

    Raises:
        UnknownNameError: If there is no such network or layer.
        ConfigError: If no tap is asked.
        WeightsError: If the weights are not there or do not fit strictly.
    """
    if name not in TAPPED:
        raise UnknownNameError("backbone", name, TAPPED)
    if not taps:
        raise ConfigError(f"backbone {name!r}: no tap asked, expected at least one layer")
    entry = TAPPED[name]
    random = weights is not None and weights.startswith("random:")
    whole = _random_network(entry, str(weights)) if random else _empty_network(entry)
    published_shapes = {key: tuple(x.shape) for key, x in whole.state_dict().items()}
    network = entry.cut(whole, [entry.layer_of(tap) for tap in taps])
    channels = _measure_channels(network)
    if not random:
        network = network.to_empty(device="cpu")
    tapped = TappedBackbone(
        Normalization(entry.mean, entry.std),
        network,
        channels,
        published_shapes,
        entry.smallest_side_px,
        can_be_fused=entry.can_be_fused,
    )
    if weights is not None and not random:
        tensors = read_state_dict(resolve_weights(weights))
        named = {entry.published_key(key): tensor for key, tensor in tensors.items()}
        own = {key: tensor for key, tensor in named.items() if key is not None}
        tapped.load_published(own, weights)
    return tapped


def _empty_network(entry: TappedNetwork) -> nn.Module:
    with torch.device("meta"):
        return entry.build()


def _random_network(entry: TappedNetwork, source: str) -> nn.Module:
    seed = source.removeprefix("random:")
    if not seed.isdecimal():
        raise WeightsError(f"{source}: expected a whole number after the colon")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(seed))  # the CPU's alone: nothing else is drawn
        return entry.build()


@torch.no_grad()
def _measure_channels(network: nn.Module) -> tuple[int, ...]:
    device = next(network.parameters()).device
    taps = network(torch.zeros(1, 3, _PROBE_PX, _PROBE_PX, device=device))
    return tuple(tap.shape[1] for tap in taps)
