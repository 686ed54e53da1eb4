"""Next fixation: where people look next, given a spatial density and where they have looked.

The design of DeepGaze III (Kümmerer, Bethge & Wallis 2022, Journal of Vision 22(5):7): maps of
x, y and distance for each of the last fixations, missing ones really absent, and a network that
selects among what a spatial model finds worth looking at. With spatial density s, center bias b
and past fixations f (latest first),

    p(x | I, f) = softmax_x( up r(x, I, f) + a(f) log s(x | I) + c(f) log b(x) ),

where r is a pointwise network on the grid of one stage of the spatial model's frozen trunk and `up`
bilinear interpolation to the grid of the density.

Differences from DeepGaze III: what `inputs` names besides positions; r is added to the spatial
density at its own resolution, with a weight that depends on the history, in place of passing
through it; SiLU, and no normalization between layers; a fixation without history, the first one, is
predicted as well.

`B` images, `n` histories of one image, `T` past fixations, latest first, NaN where there are fewer;
`h w` history grid, `c = h w` its cells, `D` content channels, `F` input channels, `u v` density
grid. Positions are in pixels of the working size. Inputs of cells have channels first, (F, n, c),
so that a layer is one product of matrices.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from pydantic import Field, field_validator
from torch import Tensor, nn

from foregaze.config import Config
from foregaze.errors import UnknownNameError
from foregaze.ops.logdensity import normalize, pool

UNIT_PX = 100.0
"""Positions and distances enter the network in this unit, about four degrees in OSIE."""
NEAR = 0.08
"""Added to distances, in units, before their logarithm."""
WIDTHS = (0.16, 0.4, 1.0)
"""Of Gaussians of the distance, in units."""
RETURN_WIDTHS = (0.2, 0.5)
PLACE_WIDTHS = (0.5, 1.0, 2.0)
"""Of Gaussians around the image's center, in units."""
MOST_ORDER = 16
"""Later fixations are told as this one: few viewings of a few seconds have more."""
LAST_ORDER = 6
"""First fixations are told apart up to this one; later ones are alike but for their number."""
RANGE_NATS = 7.0
"""About the mean of a spatial log density per cell, below zero."""


class NextFixationConfig(Config):
    """What defines the network, but for its weights."""

    history: int = Field(4, ge=1, le=MOST_ORDER)
    """Past fixations whose positions are seen one by one; `return` and `order` see all."""
    inputs: tuple[str, ...] = (
        "distance",
        "direction",
        "place",
        "return",
        "order",
        "content",
        "match",
    )
    """What is seen besides positions and spatial density; names from `INPUTS`."""
    stage: int = 4
    """Stage of the spatial model's trunk whose features are seen, and whose grid is used."""
    content: int = Field(16, ge=1)
    """Channels to which those features are reduced."""
    matches: int = Field(2, ge=1)
    """Ways in which a place's content is compared with that of each past fixation."""
    hidden: tuple[int, int] = (32, 16)
    """Channels of the two hidden layers."""
    dropout: float = Field(0.3, ge=0, lt=1)
    """Share of feature channels that are dropped in training."""

    @field_validator("inputs")
    @classmethod
    def _inputs_are_known(cls, inputs: tuple[str, ...]) -> tuple[str, ...]:
        for name in inputs:
            if name not in INPUTS:
                raise UnknownNameError("input", name, INPUTS)
        return inputs


INPUTS = {
    "distance": "logarithm and Gaussians of the distance from each past fixation",
    "direction": "angle to the last saccade, and distance relative to its length; that saccade",
    "place": "x, y and distance from the image's center, and Gaussians of that distance",
    "return": "how densely all past fixations lie around, and those before the last few",
    "order": "number of the fixation",
    "content": "features of the place, and of the last fixation",
    "match": "similarity of the place's features with those of each past fixation",
}
"""What the network may see besides positions and spatial density."""


class Past(NamedTuple):
    """Histories of one image, with room for as many fixations as are seen one by one."""

    x: Float[Tensor, "n T"]
    y: Float[Tensor, "n T"]

    @property
    def known(self) -> Bool[Tensor, "n T"]:
        """Which fixations there were."""
        return ~self.x.isnan()


class Scene(NamedTuple):
    """All that the network needs of an image, whatever the history."""

    log_density: Float[Tensor, "u v"]
    """The spatial model's."""
    centerbias: Float[Tensor, "u v"]
    priority: Float[Tensor, " c"]
    """The spatial log density on the history grid."""
    content: Float[Tensor, "D h w"]
    stride: float
    """Pixels per cell of the history grid."""


class Cells(NamedTuple):
    """How places on the history grid lie to the last fixations; zero where there is none."""

    dx: Float[Tensor, "T n c"]
    dy: Float[Tensor, "T n c"]
    distance: Float[Tensor, "T n c"]
    known: Float[Tensor, "T n 1"]


class NextFixation(nn.Module):
    """One component: the network and its parameters.

    Args:
        config: Inputs and sizes.
        channels: Of the features.
    """

    def __init__(self, config: NextFixationConfig, channels: int) -> None:
        super().__init__()
        self.config = config
        wide, narrow = config.hidden
        self.norm = nn.GroupNorm(1, channels)
        self.reduce = nn.Conv2d(channels, config.content, 1)
        self.content_norm = nn.GroupNorm(1, config.content)
        self.dropout = nn.Dropout2d(config.dropout)
        self.to_match = nn.Parameter(
            torch.randn(config.history, config.matches, config.content, config.content)
            * (0.3 / config.content)
        )
        self.of_cells = nn.Linear(self._cell_channels(), wide, bias=False)
        self.of_history = nn.Linear(self._history_channels(), wide)
        self.of_content = nn.Linear(config.content, wide, bias=False)
        self.hidden = nn.Linear(wide, narrow)
        self.out = nn.Linear(narrow, 1)
        self.weights = nn.Linear(self._history_channels(), 2)
        for last in (self.out, self.weights):  # at first the spatial density itself
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.density_weight = nn.Parameter(torch.tensor(1.0))
        self.centerbias_weight = nn.Parameter(torch.tensor(0.0))

    def scene(
        self,
        log_density: Float[Tensor, "u v"],
        centerbias: Float[Tensor, "u v"],
        features: Float[Tensor, "C h w"],
        stride: float,
    ) -> Scene:
        """An image, prepared for any number of histories."""
        size = (features.shape[-2], features.shape[-1])
        content = F.silu(self.reduce(self.dropout(self.norm(features[None]))))
        priority = pool(log_density[None], size)[0].flatten()
        return Scene(log_density, centerbias, priority, self.content_norm(content)[0], stride)

    def forward(self, scene: Scene, past: Past) -> Float[Tensor, "n u v"]:
        """Log density of the next fixation in nats; `exp` sums to one over (u, v)."""
        return normalize(self.scores(scene, past))

    def scores(self, scene: Scene, past: Past) -> Float[Tensor, "n u v"]:
        """The log density up to a constant, which samples do not need."""
        cells = self._cells(scene, past)
        looked_at = self._content_at(scene, past)
        by_cell = torch.cat(self._cell_inputs(scene, past, cells, looked_at))  # (F, n, c)
        by_history = torch.cat(self._history_inputs(past, looked_at), 1)  # (n, F)
        x = _channels(self.of_cells, by_cell) + self.of_history(by_history).T[..., None]
        if "content" in self.config.inputs:
            x = x + _channels(self.of_content, scene.content.flatten(1)[:, None])
        x = _channels(self.out, F.silu(_channels(self.hidden, F.silu(x))))[0]  # (n, c)
        x = x.reshape(1, len(past.x), *scene.content.shape[-2:])
        size = scene.log_density.shape[-2:]
        x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)[0]
        of_density, of_centerbias = self.weights(by_history)[..., None, None].unbind(1)
        x = x + (self.density_weight + of_density) * scene.log_density
        scores: Tensor = x + (self.centerbias_weight + of_centerbias) * scene.centerbias
        return scores

    def _cell_channels(self) -> int:
        c = self.config
        extra = {
            "distance": c.history * (1 + len(WIDTHS)),
            "direction": 5,
            "place": 3 + len(PLACE_WIDTHS),
            "return": len(RETURN_WIDTHS) + 1,
            "match": c.history * c.matches,
        }
        return 1 + 3 * c.history + sum(extra.get(name, 0) for name in c.inputs)

    def _history_channels(self) -> int:
        extra = {"direction": 4, "order": LAST_ORDER + 2, "content": self.config.content}
        return self.config.history + sum(extra.get(name, 0) for name in self.config.inputs)

    def _cells(self, scene: Scene, past: Past) -> Cells:
        h, w = scene.content.shape[-2:]
        column, row = _centers(scene, past)
        here = slice(0, self.config.history)
        known = past.known[:, here].T[..., None].to(past.x.dtype)
        dx, dy = (
            ((centers - positions[:, here].T[..., None].nan_to_num()) / UNIT_PX) * known
            for centers, positions in (
                (column.repeat(h), past.x),
                (row.repeat_interleave(w), past.y),
            )
        )
        return Cells(dx, dy, (dx.square() + dy.square()).sqrt(), known)

    def _cell_inputs(
        self, scene: Scene, past: Past, cells: Cells, looked_at: Float[Tensor, "n T D"]
    ) -> list[Tensor]:
        n = len(past.x)
        inputs = [
            (scene.priority / 2 + RANGE_NATS / 2).expand(1, n, -1),
            cells.dx,
            cells.dy,
            cells.distance,
        ]
        of_cells: dict[str, Callable[[], list[Tensor]]] = {
            "distance": lambda: _distances(cells),
            "direction": lambda: _directions(cells, past),
            "place": lambda: [_places(scene, past)],
            "return": lambda: _returns(scene, past, self.config.history),
            "match": lambda: [self._matches(scene, looked_at)],
        }
        for name in self.config.inputs:
            if name in of_cells:
                inputs += of_cells[name]()
        return inputs

    def _history_inputs(self, past: Past, looked_at: Float[Tensor, "n T D"]) -> list[Tensor]:
        inputs = [past.known[:, : self.config.history].to(past.x.dtype)]
        of_history: dict[str, Callable[[], list[Tensor]]] = {
            "direction": lambda: _last_saccade(past),
            "order": lambda: _order(past),
            "content": lambda: [looked_at[:, 0]],
        }
        for name in self.config.inputs:
            if name in of_history:
                inputs += of_history[name]()
        return inputs

    def _content_at(self, scene: Scene, past: Past) -> Float[Tensor, "n T D"]:
        """Content at the last fixations; zero where there is none."""
        here = slice(0, self.config.history)
        content = at_positions(scene.content, past.x[:, here], past.y[:, here], scene.stride)
        return content * past.known[:, here, None]

    def _matches(self, scene: Scene, looked_at: Float[Tensor, "n T D"]) -> Float[Tensor, "F n c"]:
        wanted = torch.einsum("ntd,tmde->tmne", looked_at, self.to_match).flatten(0, 1)
        return wanted @ scene.content.flatten(1)


def _channels(layer: nn.Linear, x: Float[Tensor, "F n c"]) -> Float[Tensor, "G n c"]:
    """A linear layer along the first axis: no copy is made."""
    product: Tensor = layer.weight @ x.flatten(1)
    if layer.bias is not None:
        product = product + layer.bias[:, None]
    return product.reshape(-1, *x.shape[1:])


def at_positions(
    maps: Float[Tensor, "C h w"],
    x: Float[Tensor, "n T"],
    y: Float[Tensor, "n T"],
    stride: float,
) -> Float[Tensor, "n T C"]:
    """Bilinear interpolation of maps at positions in pixels; NaN positions give any value."""
    h, w = maps.shape[-2:]
    place = torch.stack([x.nan_to_num() / (w * stride), y.nan_to_num() / (h * stride)], -1) * 2 - 1
    found = F.grid_sample(maps[None], place[None], align_corners=False, padding_mode="border")
    return found[0].permute(1, 2, 0)


def _centers(scene: Scene, past: Past) -> tuple[Float[Tensor, " w"], Float[Tensor, " h"]]:
    """Columns and rows of the centers of the history grid's cells, in pixels."""
    h, w = scene.content.shape[-2:]
    column, row = (
        (torch.arange(count, dtype=past.x.dtype, device=past.x.device) + 0.5) * scene.stride
        for count in (w, h)
    )
    return column, row


def _distances(cells: Cells) -> list[Tensor]:
    near = [torch.exp(-0.5 * (cells.distance / width).square()) for width in WIDTHS]
    return [(cells.distance + NEAR).log() * cells.known, *(x * cells.known for x in near)]


def _places(scene: Scene, past: Past) -> Float[Tensor, "F n c"]:
    """Where each place lies in the image, whatever the history."""
    h, w = scene.content.shape[-2:]
    column, row = (
        (torch.arange(count, device=past.x.device, dtype=past.x.dtype) + (1 - count) / 2)
        * (scene.stride / UNIT_PX)
        for count in (w, h)
    )
    dx, dy = column.repeat(h), row.repeat_interleave(w)
    distance = (dx.square() + dy.square()).sqrt()
    near = [torch.exp(-0.5 * (distance / width).square()) for width in PLACE_WIDTHS]
    return torch.stack([dx, dy, distance, *near])[:, None].expand(-1, len(past.x), -1)


def _last_saccade(past: Past) -> list[Tensor]:
    """Vector, log length, and whether there is one."""
    dx, dy, length, known = _saccade(past)
    return [torch.stack([dx, dy, (length + 0.1).log(), known], -1)]


def _saccade(past: Past) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    if past.x.shape[1] < 2:
        nothing = past.x.new_zeros(len(past.x))
        return nothing, nothing, nothing, nothing
    known = past.known[:, 1].to(past.x.dtype)
    dx, dy = (((c[:, 0] - c[:, 1]) / UNIT_PX).nan_to_num() * known for c in (past.x, past.y))
    return dx, dy, (dx.square() + dy.square()).sqrt(), known


def _directions(cells: Cells, past: Past) -> list[Tensor]:
    """Of each place as seen from the last fixation, relative to the saccade that led there."""
    dx, dy, length, known = (value[:, None] for value in _saccade(past))
    distance = cells.distance[0]
    ahead = (cells.dx[0] * dx + cells.dy[0] * dy) / (length + 1e-3)
    cosine = ahead / (distance + 0.05)
    as_far = ((distance + NEAR) / (length + NEAR)).log().square()
    seen = [cosine, cosine.square(), ahead, cosine * ahead, as_far]
    return [torch.stack(seen) * known]


def _returns(scene: Scene, past: Past, history: int) -> list[Tensor]:
    """Gaussians around all past fixations, and around those that are not seen one by one."""
    column, row = (centers / UNIT_PX for centers in _centers(scene, past))

    def around(x: Tensor, y: Tensor, width: float) -> Tensor:
        across = torch.exp(-0.5 * ((column - x[..., None] / UNIT_PX) / width).square())
        down = torch.exp(-0.5 * ((row - y[..., None] / UNIT_PX) / width).square())
        maps = torch.einsum("nth,ntw->nhw", down.nan_to_num(), across.nan_to_num())
        return maps.flatten(1)[None]

    earlier = around(past.x[:, history:], past.y[:, history:], RETURN_WIDTHS[1])
    return [*(around(past.x, past.y, width) for width in RETURN_WIDTHS), earlier]


def _order(past: Past) -> list[Tensor]:
    return order_inputs(past.known, past.x.dtype)


def order_inputs(before: Bool[Tensor, "n T"], dtype: torch.dtype) -> list[Tensor]:
    """Which fixation it is, one channel for each of the first ones, and its number."""
    order = before.sum(1).clamp(max=MOST_ORDER)
    which = F.one_hot(order.clamp(max=LAST_ORDER), LAST_ORDER + 1).to(dtype)
    return [which, order[:, None].to(dtype) / 10]
