"""Areas under receiver operating characteristics as the old MIT code sums them.

`N` positives, `M` negatives, `T` thresholds.
"""

import numpy as np
from array_api_compat import array_namespace, device
from jaxtyping import Float

from foregaze.types import Array

_STEP = 0.1


def area_over_steps(
    positives: Float[Array, " N"], negatives: Float[Array, " M"]
) -> Float[Array, ""]:
    """Trapezoidal area under the curve with thresholds 0, 0.1, ... up to the largest value."""
    xp = array_namespace(positives)
    largest = max(float(positives.max()), float(negatives.max()))
    thresholds = xp.asarray(
        np.arange(0, largest + 1e-12, _STEP)[::-1].copy(), device=device(positives)
    )  # descending
    rates = []
    for values in (positives, negatives):
        reached = xp.astype(values[:, None] >= thresholds, xp.float64)
        rates.append(xp.concat([thresholds[:1] * 0, xp.mean(reached, axis=0)]))
    return trapezoid(*rates)


def trapezoid(hits: Float[Array, " T"], false_alarms: Float[Array, " T"]) -> Float[Array, ""]:
    """Area under a curve that starts at (0, 0), with its last stretch to (1, 1) added."""
    xp = array_namespace(hits)
    one = xp.ones_like(hits[:1])
    hits, false_alarms = xp.concat([hits, one]), xp.concat([false_alarms, one])
    widths = false_alarms[1:] - false_alarms[:-1]
    return xp.sum(widths * (hits[1:] + hits[:-1])) / 2
