"""Any timm backbone as a sequence of stages that can be cut in two.

The frozen first part (the trunk) runs once per image, and its output is what the feature store
keeps; the later stages can be copied and tuned. EfficientNets are cut between their stages of
blocks, other convolutional networks where timm lists their features. `B` batch, `H W` pixels,
`h w` grids.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import timm
import torch
from jaxtyping import Float
from timm.models import EfficientNet, MobileNetV3, PretrainedCfg
from torch import Tensor, nn

from foregaze.backbones.efficientnet_lite import PACKAGES, is_package_layout, to_timm_names
from foregaze.backbones.weights import load_strictly, read_state_dict, resolve_weights
from foregaze.errors import ConfigError, UnknownNameError, WeightsError

_PROBE_PX = 64
"""Side of the picture that a backbone's channels and strides are measured on."""

Features = dict[int, Tensor]
"""Outputs of some stages by their number, each (B, C, h, w) at its own grid."""


class PixelScaling(nn.Module):
    """Pixels in 0..255 to a backbone's input: (x / 255 - mean) / std, in one step.

    Args:
        backbone: Its mean and std are those of images scaled to 0..1.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, backbone: "StagedBackbone") -> None:
        super().__init__()
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (backbone.mean, backbone.std))
        self.register_buffer("scale", 1 / (255 * std), persistent=False)
        self.register_buffer("shift", -mean / std, persistent=False)

    def forward(self, pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """The image as the first stage takes it."""
        return pixels * self.scale + self.shift


@dataclass(frozen=True)
class StagedBackbone:
    """A backbone whose stages run one after the other."""

    stages: nn.ModuleList
    channels: tuple[int, ...]
    """Output channels of each stage."""
    strides: tuple[int, ...]
    """Input pixels per output cell of each stage."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Normalization of images scaled to 0..1."""

    def check_stages(self, numbers: Sequence[int]) -> None:
        """Raise a `ConfigError` if one of `numbers` is no stage."""
        wrong = [n for n in numbers if not 0 <= n < len(self.stages)]
        if wrong:
            raise ConfigError(f"stage {wrong[0]} asked for; known: 0 to {len(self.stages) - 1}")


def default_weights(name: str) -> str:
    """Source of the weights that a backbone has without further word.

    Raises:
        UnknownNameError: If timm has no such model.
        WeightsError: If timm publishes no weights of it.
    """
    if name in PACKAGES:
        return PACKAGES[name]
    repository = find_published(name).hf_hub_id
    if not repository:
        raise WeightsError(f"backbone {name!r} has no published weights; give backbone_weights")
    return f"hub:{repository}/model.safetensors"


def create_backbone(name: str, weights: str) -> StagedBackbone:
    """A backbone by timm's name, in evaluation mode, with weights from any source.

    Args:
        name: A convolutional model of timm.
        weights: A source (see `foregaze.backbones.weights`), or `random:SEED`.

    Raises:
        UnknownNameError: If timm has no such model.
        WeightsError: If the weights are not there or do not fit strictly.
        ConfigError: If the model has no stages to cut at.
    """
    published = find_published(name)
    network = _load_network(name, weights).eval()
    if isinstance(network, EfficientNet | MobileNetV3):
        first = nn.Sequential(network.conv_stem, network.bn1, network.blocks[0])
        stages = nn.ModuleList([first, *network.blocks[1:]])
    else:
        stages = _feature_stages(name, network)
    stages.requires_grad_(False).eval()
    outputs = _run(stages)
    return StagedBackbone(
        stages,
        channels=tuple(x.shape[1] for x in outputs),
        strides=tuple(_PROBE_PX // x.shape[-1] for x in outputs),
        mean=published.mean,
        std=published.std,
    )


def find_published(name: str) -> PretrainedCfg:
    """What timm says of a model's published weights.

    Raises:
        UnknownNameError: If timm has no such model.
    """
    try:
        if timm.is_model(name):
            return timm.get_pretrained_cfg(name) or PretrainedCfg()
    except RuntimeError:  # a known model with an unknown tag
        pass
    raise UnknownNameError("backbone", name, [*PACKAGES, "(any convolutional model of timm)"])


def create_random(name: str, source: str, **options: Any) -> nn.Module:
    """A network of timm's with its own initialization.

    Args:
        name: A model of timm.
        source: `random:SEED`.
        options: For timm.

    Raises:
        WeightsError: If there is no seed.
    """
    seed = source.removeprefix("random:")
    if not seed.isdecimal():
        raise WeightsError(f"{source}: expected a whole number after the colon")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(seed))  # the CPU's alone: nothing else is drawn
        network: nn.Module = timm.create_model(name, pretrained=False, **options)
        return network


def _load_network(name: str, weights: str) -> nn.Module:
    if weights.startswith("random:"):
        return create_random(name, weights)
    network: nn.Module = timm.create_model(name, pretrained=False)
    tensors = read_state_dict(resolve_weights(weights))
    if isinstance(network, EfficientNet) and is_package_layout(tensors):
        tensors = to_timm_names(tensors, [len(list(stage.children())) for stage in network.blocks])
    load_strictly(network, tensors, weights)
    return network


def _feature_stages(name: str, network: nn.Module) -> nn.ModuleList:
    """The layers up to each feature that timm lists, as one stage each.

    Not every network runs its layers one after the other: the stages must give what the network
    itself computes.
    """
    features = getattr(network, "feature_info", [])
    listed = [feature["module"] for feature in features]
    layers: list[nn.Module] = []
    stages = nn.ModuleList()
    for key, layer in _layers(network, listed):
        layers.append(layer)
        if key in listed:
            stages.append(nn.Sequential(*layers))
            layers = []
    channels = [feature["num_chs"] for feature in features]
    if not listed or len(stages) != len(listed) or not _is_sequence(network, stages, channels):
        raise ConfigError(
            f"backbone {name!r} is no sequence of stages; use a convolutional model such as "
            "tf_efficientnet_lite2, resnet50 or convnext_tiny"
        )
    return stages


def _layers(network: nn.Module, listed: list[str]) -> Iterator[tuple[str, nn.Module]]:
    """Children of a network, those that hold listed features replaced by their own children."""
    for key, child in network.named_children():
        if isinstance(child, nn.Sequential) and any(m.startswith(f"{key}.") for m in listed):
            yield from ((f"{key}.{number}", layer) for number, layer in child.named_children())
        else:
            yield key, child


@torch.no_grad()
def _is_sequence(network: nn.Module, stages: nn.ModuleList, channels: list[int]) -> bool:
    """Whether each stage's output is the one that the whole network computes, as (B, C, h, w)."""
    computed: list[Tensor] = []
    hooks = [
        list(stage.children())[-1].register_forward_hook(
            lambda _, __, output: computed.append(output.clone())
        )
        for stage in stages
    ]
    try:
        network(_probe())
        for hook in hooks:
            hook.remove()
        outputs = _run(stages)
    except Exception:  # one size only, several tensors passed on: every kind fails in its own way
        return False
    return len(computed) == len(stages) and all(
        x.ndim == 4 and x.shape[1] == n and torch.equal(x, y)
        for x, y, n in zip(outputs, computed, channels, strict=True)
    )


@torch.no_grad()
def _run(stages: nn.ModuleList) -> list[Tensor]:
    """Every stage's output for the probe."""
    x = _probe()
    outputs = []
    for stage in stages:
        x = stage(x)
        outputs.append(x)
    return outputs


def _probe() -> Tensor:
    return torch.linspace(-1, 1, 3 * _PROBE_PX**2).reshape(1, 3, _PROBE_PX, _PROBE_PX)
