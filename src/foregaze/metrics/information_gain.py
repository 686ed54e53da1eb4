"""Information gain of a model over a baseline."""

import math

import numpy as np
from jaxtyping import Float, Int

from foregaze.metrics.checks import values_at


def information_gain(
    log_density: Float[np.ndarray, "H W"],
    baseline_log_density: Float[np.ndarray, "H W"],
    x: Int[np.ndarray, " N"],
    y: Int[np.ndarray, " N"],
) -> Float[np.ndarray, " N"]:
    """Bits by which the model beats the baseline at each fixation.

    Kümmerer, Wallis & Bethge (2015), PNAS 112(52): (log p - log b) / log 2. Negative where the
    baseline is better.

    Args:
        log_density: The model, in nats; `exp` sums to one.
        baseline_log_density: For instance the center bias from other images; as `log_density`.
        x: Columns of the fixations.
        y: Rows of the fixations.
    """
    gain_nats: Float[np.ndarray, " N"] = values_at(log_density, x, y) - values_at(
        baseline_log_density, x, y
    )
    return gain_nats / math.log(2)
