"""Log-likelihood of fixations relative to the uniform density."""

import math

from jaxtyping import Float, Int

from foregaze.metrics.checks import values_at
from foregaze.types import Array


def log_likelihood(
    log_density: Float[Array, "*batch H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    image: Int[Array, " N"] | None = None,
) -> Float[Array, " N"]:
    """Bits by which the model beats the uniform density at each fixation.

    Kümmerer, Wallis & Bethge (2015), PNAS 112(52): (log p + log(H W)) / log 2. Relative to
    uniform because only this compares across image sizes; 0 is chance, there is no upper limit.
    That the density sums to one is not checked here, where only single pixels are read: an
    evaluation does, or `foregaze.metrics.checks.refuse_unnormalized`.

    Args:
        log_density: In nats; `exp` sums to one.
        x: Columns of the fixations.
        y: Rows of the fixations.
        image: Map of each fixation, where `log_density` is a batch.

    Raises:
        ShapeError: If a fixation lies outside, or a fixated pixel is not finite.
    """
    fixated = values_at(log_density, x, y, image)
    pixels = log_density.shape[-2] * log_density.shape[-1]
    bits: Float[Array, " N"] = (fixated + math.log(pixels)) / math.log(2)
    return bits
