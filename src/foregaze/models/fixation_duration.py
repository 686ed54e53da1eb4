"""Fixation duration: how long a fixation lasts, given where it is and what came before.

A mixture of log-normal densities,

    p(d | I, f) = sum_j w_j LogNormal(d; mu_j, sigma_j),

whose parameters a small network reads off the place (features, spatial density), the order of the
fixation, the saccade that led there, and the durations of the fixations before: viewers differ in
how long they dwell, and a scanpath tells. Log-normal densities describe fixation durations well
(for example Nuthmann, Smith, Engbert & Henderson 2010, Psychological Review 117(2)); the plain one
is what this model is compared with.

`n` fixations of one image, `T` fixations before each, latest first, NaN where there are fewer; `J`
components of the mixture.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from foregaze.config import Config
from foregaze.models.next_fixation import (
    LAST_ORDER,
    RANGE_NATS,
    UNIT_PX,
    Past,
    at_positions,
    order_inputs,
)

USUAL_LOG_MS = 5.2
"""About the mean logarithm of a duration in milliseconds, and its deviation."""
SPREAD_LOG_MS = 0.56
LOG_DEVIATIONS = (-3.0, 1.0)
"""Range of the logarithm of a component's deviation over the usual one."""
CELL_PX = 8.0
"""Spatial densities are told per square of this side, whatever the grid that they come on."""


class FixationDurationConfig(Config):
    """What defines the network, but for its weights."""

    components: int = Field(3, ge=1)
    """Log-normal densities in the mixture."""
    hidden: int = Field(32, ge=1)
    features: int = Field(8, ge=1)
    """Channels to which the features at the fixation are reduced."""
    dropout: float = Field(0.3, ge=0, lt=1)
    """Share of feature channels that are dropped in training."""


class DurationDensity(NamedTuple):
    """Mixtures of log-normal densities, one for each fixation."""

    log_weight: Float[Tensor, "n J"]
    mean: Float[Tensor, "n J"]
    """Of the logarithm of the duration in milliseconds."""
    deviation: Float[Tensor, "n J"]

    def log_prob(self, duration_ms: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Log density per millisecond, in nats."""
        logarithm = duration_ms.log()[:, None]
        z = (logarithm - self.mean) / self.deviation
        nats = -0.5 * z.square() - self.deviation.log() - 0.5 * math.log(2 * math.pi) - logarithm
        return (self.log_weight + nats).logsumexp(1)

    def log_survival(self, duration_ms: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Log probability that a fixation lasts longer: what is known where recording ended."""
        z = (duration_ms.log()[:, None] - self.mean) / self.deviation
        survival: Tensor = (self.log_weight + torch.special.log_ndtr(-z)).logsumexp(1)
        return survival

    def sample(self, generator: np.random.Generator) -> Float[np.ndarray, " n"]:
        """One duration for each fixation, in milliseconds."""
        weight = self.log_weight.cpu().double().exp().numpy().cumsum(1)
        chosen = (generator.random(len(weight))[:, None] * weight[:, -1:] > weight).sum(1)
        mean, deviation = (
            values.cpu().double().numpy()[np.arange(len(weight)), chosen]
            for values in (self.mean, self.deviation)
        )
        drawn: Float[np.ndarray, " n"] = np.exp(generator.normal(mean, deviation))
        return drawn


class FixationDuration(nn.Module):
    """The network.

    Args:
        config: Its sizes.
        channels: Of the features.
    """

    def __init__(self, config: FixationDurationConfig, channels: int) -> None:
        super().__init__()
        self.config = config
        self.norm = nn.GroupNorm(1, channels)
        self.dropout = nn.Dropout(config.dropout)
        self.reduce = nn.Linear(channels, config.features)
        self.hidden = nn.Linear(config.features + LAST_ORDER + 2 + 7, config.hidden)
        self.out = nn.Linear(config.hidden, 3 * config.components)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():  # components start apart, or they would stay alike
            self.out.bias[config.components : 2 * config.components] = torch.linspace(
                -0.5, 0.5, config.components
            )

    def forward(
        self,
        features: Float[Tensor, "C h w"],
        log_density: Float[Tensor, "u v"],
        stride: float,
        at: Past,
        before: Float[Tensor, "n T"],
    ) -> DurationDensity:
        """Densities of the durations of some fixations on one image.

        Args:
            features: Of the same stage that the next fixation's network sees.
            log_density: The spatial model's.
            stride: Pixels per cell of the features' grid.
            at: The fixations themselves, each followed by those before it.
            before: Durations of those before it in milliseconds; NaN where not known.
        """
        here = slice(0, 1)
        x, y = at.x[:, here], at.y[:, here]
        found = self._normed(features, at_positions(features, x, y, stride)[:, 0])
        seen = F.silu(self.reduce(self.dropout(found)))
        finer = stride * features.shape[-1] / log_density.shape[-1]
        density = at_positions(log_density[None], x, y, finer)[:, 0]  # (n, 1)
        density = density + 2 * math.log(CELL_PX / finer)
        inputs = [seen, *order_inputs(at.known[:, 1:], x.dtype), density / 2 + RANGE_NATS]
        inputs += [_saccade_length(at), *_pace(before)]
        weight, mean, deviation = self.out(F.silu(self.hidden(torch.cat(inputs, 1)))).chunk(3, 1)
        return DurationDensity(
            weight.log_softmax(1),
            USUAL_LOG_MS + SPREAD_LOG_MS * mean,
            SPREAD_LOG_MS * (deviation.clamp(*LOG_DEVIATIONS)).exp(),
        )

    def _normed(
        self, features: Float[Tensor, "C h w"], found: Float[Tensor, "n C"]
    ) -> Float[Tensor, "n C"]:
        """What `norm` makes of the features, where they were looked up; without a map of it."""
        mean = features.mean()
        variance = (features - mean).square().mean()  # torch.var takes many times as long
        normed: Tensor = (found - mean) * (variance + self.norm.eps).rsqrt()
        return normed * self.norm.weight + self.norm.bias


def _saccade_length(at: Past) -> Float[Tensor, "n 2"]:
    """Log length of the saccade that led to each fixation, and whether there was one."""
    known = at.known[:, 1].to(at.x.dtype)
    length = torch.hypot(at.x[:, 0] - at.x[:, 1], at.y[:, 0] - at.y[:, 1]) / UNIT_PX
    return torch.stack([(length.nan_to_num() + 0.1).log() * known, known], 1)


def _pace(before: Float[Tensor, "n T"]) -> list[Tensor]:
    """Logarithms of the last two durations; the mean over all, drawn to the usual; if there is any.

    What lasts no time is taken as not known.
    """
    known = before > 0
    logarithm = (before.where(known, 1.0).log() - USUAL_LOG_MS) / SPREAD_LOG_MS * known
    count = known.sum(1, keepdim=True).to(before.dtype)
    mean = logarithm.sum(1, keepdim=True) / (count + 1)
    return [logarithm[:, :2], mean, (count > 0).to(before.dtype)]
