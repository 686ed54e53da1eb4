"""A component of a scanpath mixture, as training sees it.

`B` images, `M` fixations of each, `T` fixations before each of these, `h w` density grid.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from foregaze.backbones.staged import Features
from foregaze.models.next_fixation import MOST_ORDER, Past
from foregaze.models.scanpath_mixture import Viewer
from foregaze.ops.logdensity import pool
from foregaze.training.examples import History
from foregaze.training.spatial_maps import SPATIAL_DENSITY
from foregaze.types import Size


class ViewerComponent(nn.Module):
    """Where the next fixation goes and how long it lasts.

    Args:
        viewer: It is fitted in place.
        stage: Whose features are seen.
        stride: Pixels of the working size per cell of these.
        density_factor: Cells of the density grid, on each axis, per cell of the grid on which the
            likelihood is computed.
    """

    history = MOST_ORDER
    """Past fixations that are told."""
    starts = True

    def __init__(self, viewer: Viewer, stage: int, stride: float, density_factor: int) -> None:
        super().__init__()
        self.viewer = viewer
        self.stage = stage
        self.stride = stride
        self.density_factor = density_factor

    def log_likelihoods(
        self, features: Features, centerbias: Float[Tensor, "B h w"], history: History
    ) -> dict[str, Float[Tensor, "B M"]]:
        """Of positions, in bits over uniform, and of durations, in bits per millisecond."""
        h, w = (side // self.density_factor for side in centerbias.shape[-2:])
        densities = pool(features[SPATIAL_DENSITY][:, 0], (h, w))
        priors = pool(centerbias, (h, w))
        positions, durations = [], []
        for number, seen in enumerate(features[self.stage]):
            at = history.at[number]
            past = Past(history.x[number], history.y[number])
            scene = self.viewer.fixation.scene(densities[number], priors[number], seen, self.stride)
            cell = _cells(at, (h, w), self.stride * seen.shape[-1])
            found = self.viewer.fixation(scene, past).flatten(1).gather(1, cell[:, None])[:, 0]
            positions.append((found + math.log(h * w)) / math.log(2))
            durations.append(self._durations(number, seen, densities[number], history))
        return {"LL": torch.stack(positions), "duration_LL": torch.stack(durations)}

    def _durations(
        self,
        number: int,
        seen: Float[Tensor, "C f g"],
        density: Float[Tensor, "h w"],
        history: History,
    ) -> Float[Tensor, " M"]:
        x, y = (
            torch.cat([here[:, None], before], 1)
            for here, before in zip(
                history.at[number].unbind(-1),
                (history.x[number], history.y[number]),
                strict=True,
            )
        )
        duration, before = history.duration_ms[number][:, 0], history.duration_ms[number][:, 1:]
        known = ~duration.isnan() & (duration > 0)
        duration = torch.where(known, duration, 1.0)
        found = self.viewer.duration(seen, density, self.stride, Past(x, y), before)
        nats = torch.where(
            history.ended[number], found.log_survival(duration), found.log_prob(duration)
        )
        return torch.where(known, nats, 0.0) / math.log(2)


def _cells(at: Float[Tensor, "M 2"], size: Size, width_px: float) -> Int[Tensor, " M"]:
    """Numbers of the cells that positions lie in, row after row."""
    per_cell = width_px / size[1]
    column = (at[:, 0] / per_cell).long().clamp(0, size[1] - 1)
    row = (at[:, 1] / per_cell).long().clamp(0, size[0] - 1)
    return row * size[1] + column
