"""Any timm backbone as a sequence of stages that can be cut in two.

The frozen first part (the trunk) runs once per image, and its output is what the feature store
keeps; the later stages can be copied and tuned. EfficientNets are cut between their stages of
blocks, other convolutional networks where timm lists their features. `B` batch, `h w` grids.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn

from foregaze.backbones.efficientnet_lite import PACKAGES, is_package_layout, to_timm_names
from foregaze.backbones.weights import load_strictly, read_state_dict, resolve_weights
from foregaze.errors import ConfigError, UnknownNameError

Features = dict[int, Tensor]
"""Outputs of some stages by their number, each (B, C, h, w) at its own grid."""


@dataclass(frozen=True)
class StagedBackbone:
    """A backbone whose stages run one after the other."""

    stages: nn.ModuleList
    channels: tuple[int, ...]
    """Output channels of each stage."""
    strides: tuple[int, ...]
    """Input pixels per output cell of each stage."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    """Normalization of images scaled to 0..1."""

    def check_stages(self, numbers: Sequence[int]) -> None:
        """Raise a `ConfigError` if one of `numbers` is no stage."""
        wrong = [n for n in numbers if not 0 <= n < len(self.stages)]
        if wrong:
            raise ConfigError(f"stage {wrong[0]} asked for; known: 0 to {len(self.stages) - 1}")


def default_weights(name: str) -> str:
    """Source of the weights that a backbone has without further word."""
    if name in PACKAGES:
        return PACKAGES[name]
    return f"hub:timm/{name}.in1k/model.safetensors"


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
    if not timm.is_model(name):
        raise UnknownNameError("backbone", name, [*PACKAGES, "(any convolutional model of timm)"])
    network = _load_network(name, weights).eval()
    data = timm.data.resolve_model_data_config(network)
    stages, channels, strides = _cut(name, network)
    for parameter in stages.parameters():
        parameter.requires_grad_(False)
    return StagedBackbone(stages, channels, strides, data["mean"], data["std"])


def _load_network(name: str, weights: str) -> nn.Module:
    if weights.startswith("random:"):
        with torch.random.fork_rng():
            torch.manual_seed(int(weights.removeprefix("random:")))
            return timm.create_model(name, pretrained=False)
    network: nn.Module = timm.create_model(name, pretrained=False)
    tensors = read_state_dict(resolve_weights(weights))
    if is_package_layout(tensors):
        tensors = to_timm_names(tensors, [len(stage) for stage in network.blocks])
    load_strictly(network, tensors, weights)
    return network


def _cut(name: str, network: nn.Module) -> tuple[nn.ModuleList, tuple[int, ...], tuple[int, ...]]:
    """Stages of a network that holds its weights already."""
    if hasattr(network, "conv_stem") and hasattr(network, "blocks"):
        first = nn.Sequential(network.conv_stem, network.bn1, network.blocks[0])
        stages = nn.ModuleList([first, *network.blocks[1:]])
    else:
        stages = _feature_stages(name, network)
    channels, strides = _measure(stages)
    return stages, channels, strides


def _feature_stages(name: str, network: nn.Module) -> nn.ModuleList:
    """The layers up to each feature that timm lists, as one stage each."""
    modules = dict(network.named_children())
    listed = [info["module"] for info in getattr(network, "feature_info", [])]
    if not listed or any(module not in modules for module in listed):
        raise ConfigError(
            f"backbone {name!r} is no sequence of stages; use a convolutional model such as "
            "tf_efficientnet_lite2, resnet50 or convnext_tiny"
        )
    stages, pending, remaining = [], [], set(listed)
    for key, module in modules.items():
        pending.append(module)
        if key in remaining:
            stages.append(nn.Sequential(*pending))
            pending = []
            remaining.discard(key)
        if not remaining:
            break
    return nn.ModuleList(stages)


@torch.no_grad()
def _measure(stages: nn.ModuleList) -> tuple[tuple[int, ...], tuple[int, ...]]:
    side = 64
    x: Float[Tensor, "1 C h w"] = torch.zeros(1, 3, side, side)
    channels, strides = [], []
    for stage in stages:
        x = stage(x)
        channels.append(x.shape[1])
        strides.append(side // x.shape[-1])
    return tuple(channels), tuple(strides)
