"""Scanpath mixture: a spatial model, K networks for the next fixation, and how long each lasts.

Our own model, in the line of DeepGaze III (Kümmerer, Bethge & Wallis 2022, Journal of Vision
22(5):7). The trunk mixture, frozen, runs once per image; for each step

    p(x | I, f) = 1/K sum_k p_k(x | I, f),    p(d | x, I, f) = 1/K sum_k q_k(d | x, I, f),

with p_k of `foregaze.models.next_fixation` and q_k of `foregaze.models.fixation_duration`.
Durations depend on positions, and positions not on durations.

`B` batch, `h w` grid of the seen stage, `u v` density grid, `K` components.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from foregaze.backbones.weights import resolve_weights
from foregaze.config import Config, make_config
from foregaze.errors import ConfigError, WeightsError
from foregaze.models.checkpoint_file import (
    GRAPH_KEY,
    frozen_sha256,
    load_trained,
    read_header,
    read_tensors,
)
from foregaze.models.fixation_duration import FixationDuration, FixationDurationConfig
from foregaze.models.next_fixation import NextFixation, NextFixationConfig
from foregaze.models.trunk_mixture import Trunk, TrunkMixture, TrunkMixtureConfig

VIEWING_QUANTILES = 101


class ScanpathMixtureConfig(Config):
    """What defines a scanpath mixture, but for its weights."""

    spatial: str = "shipped:default.safetensors"
    """Source of the spatial model's checkpoint, a trunk mixture."""
    components: int = Field(1, ge=1)
    fixation: NextFixationConfig = NextFixationConfig()
    duration: FixationDurationConfig = FixationDurationConfig()

    @property
    def frozen_weights(self) -> tuple[str, ...]:
        """Sources of weights that are not part of a checkpoint."""
        return (self.spatial,)


class Viewer(nn.Module):
    """One component: where the next fixation goes, and how long it lasts."""

    def __init__(self, config: ScanpathMixtureConfig, channels: int) -> None:
        super().__init__()
        self.fixation = NextFixation(config.fixation, channels)
        self.duration = FixationDuration(config.duration, channels)


class ScanpathMixture(nn.Module):
    """The whole model.

    Raises:
        WeightsError: If the spatial model is not there.
        ConfigError: If its trunk does not have the stage whose features are to be seen.
    """

    Config = ScanpathMixtureConfig

    def __init__(self, config: ScanpathMixtureConfig) -> None:
        super().__init__()
        self.config = config
        self.spatial = read_trunk_mixture(resolve_weights(config.spatial)).requires_grad_(False)
        channels = _channels(self.spatial.trunk, config.fixation.stage)
        self.viewers = nn.ModuleList(Viewer(config, channels) for _ in range(config.components))
        self.viewing_ms: Tensor
        self.register_buffer("viewing_ms", torch.zeros(VIEWING_QUANTILES))
        """Quantiles of the fixation time of a training viewer on an image."""

    @property
    def stride(self) -> int:
        """Pixels per cell of the history grid."""
        return self.spatial.trunk.strides[self.config.fixation.stage]

    @property
    def components(self) -> list[Viewer]:
        """The components."""
        return [viewer for viewer in self.viewers if isinstance(viewer, Viewer)]

    def forward(
        self, pixels: Float[Tensor, "B 3 H W"], centerbias: Float[Tensor, "B u v"]
    ) -> tuple[Float[Tensor, "B u v"], Float[Tensor, "B C h w"]]:
        """What an image alone decides: the spatial log density, and the features that are seen."""
        features = self.spatial.trunk(pixels)
        log_density = self.spatial.of_features(features, centerbias)
        return log_density, features[self.config.fixation.stage]

    def trained_tensors(self) -> dict[str, Tensor]:
        """State that training made: all but the spatial model, which has its own checkpoint."""
        return {k: v for k, v in self.state_dict().items() if not k.startswith("spatial.")}


def _channels(trunk: Trunk, stage: int) -> int:
    """Channels of the trunk's stage whose features are seen."""
    if stage not in trunk.outputs or stage < 0:
        raise ConfigError(
            f"the spatial model's trunk gives stages {list(trunk.outputs)}, not {stage}"
        )
    return trunk.channels[stage]


def read_trunk_mixture(path: Path) -> TrunkMixture:
    """A trunk mixture from its checkpoint, in evaluation mode.

    Raises:
        WeightsError: If the file is no checkpoint of one, or its frozen weights are not those that
            it was trained on.
    """
    header = read_header(path)
    if header.architecture != "trunk-mixture":
        raise WeightsError(
            f"{path}: is a checkpoint of {header.architecture!r}, expected 'trunk-mixture', a "
            "spatial model"
        )
    config = make_config(TrunkMixtureConfig, header.config, str(path))
    if frozen_sha256(config.frozen_weights) != header.trunk_sha256:
        raise WeightsError(f"{path}: its backbone's weights are not those that it was trained on")
    model = TrunkMixture(config)
    tensors = read_tensors(path)
    tensors.pop(GRAPH_KEY, None)
    load_trained(model, tensors, str(path))
    return model.eval()
