"""Log-likelihood of fixations relative to the uniform density."""

import math

import numpy as np
from jaxtyping import Float, Int

from foregaze.metrics.checks import values_at


def log_likelihood(
    log_density: Float[np.ndarray, "H W"], x: Int[np.ndarray, " N"], y: Int[np.ndarray, " N"]
) -> Float[np.ndarray, " N"]:
    """Bits by which the model beats the uniform density at each fixation.

    Kümmerer, Wallis & Bethge (2015), PNAS 112(52): (log p + log(H W)) / log 2. Relative to
    uniform because only this compares across image sizes; 0 is chance, there is no upper limit.

    Args:
        log_density: In nats; `exp` sums to one.
        x: Columns of the fixations.
        y: Rows of the fixations.
    """
    return (values_at(log_density, x, y) + math.log(log_density.size)) / math.log(2)
