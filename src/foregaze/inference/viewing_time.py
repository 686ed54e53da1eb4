"""How long a viewer looks at an image, and what is left of a scanpath that this time cuts.

`T` fixations of one scanpath, `Q` quantiles.
"""

import numpy as np
from jaxtyping import Float

from foregaze.scanpath_metrics import Scanpath

SHORTEST_MS = 20.0
"""A fixation that the end of viewing would cut to less is left out."""


def draw_viewing_ms(
    quantiles_ms: Float[np.ndarray, " Q"], n: int, generator: np.random.Generator
) -> Float[np.ndarray, " {n}"]:
    """Fixation times of `n` viewers, drawn from evenly spaced quantiles, the ends included."""
    drawn: Float[np.ndarray, " {n}"] = np.interp(
        generator.random(n), np.linspace(0, 1, len(quantiles_ms)), quantiles_ms
    )
    return drawn


def end_viewing(
    path: Float[np.ndarray, "T 2"], duration_ms: Float[np.ndarray, " T"], budget_ms: float | None
) -> Scanpath:
    """A scanpath, its last fixation cut where the time that a viewer had was over.

    Args:
        path: x and y in pixels.
        duration_ms: Of each fixation; only the last one may go on after the end.
        budget_ms: Fixation time; None to leave the scanpath whole.
    """
    if budget_ms is not None:
        left = duration_ms[-1] - (duration_ms.sum() - budget_ms)
        if left < SHORTEST_MS and len(path) > 1:
            path, duration_ms = path[:-1], duration_ms[:-1]
        else:
            duration_ms = np.append(duration_ms[:-1], max(left, SHORTEST_MS))
    return Scanpath(path[:, 0], path[:, 1], duration_ms)


def cut_viewing(scanpath: Scanpath, budget_ms: float) -> Scanpath:
    """What a viewer who had less time would have left of a scanpath; whole if it is shorter."""
    reached = np.flatnonzero(np.cumsum(scanpath.duration_ms) >= budget_ms)
    if not len(reached):
        return scanpath
    seen = slice(0, int(reached[0]) + 1)
    path = np.column_stack([scanpath.x[seen], scanpath.y[seen]])
    return end_viewing(path, scanpath.duration_ms[seen], budget_ms)
