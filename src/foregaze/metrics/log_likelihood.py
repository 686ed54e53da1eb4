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

    Args:
        log_density: In nats; `exp` sums to one.
        x: Columns of the fixations.
        y: Rows of the fixations.
        image: Map of each fixation, where `log_density` is a batch.

    Raises:
        ShapeError: If a fixation lies outside, or a fixated pixel is not finite.
    """
    pixels = log_density.shape[-2] * log_density.shape[-1]
    return (values_at(log_density, x, y, image) + math.log(pixels)) / math.log(2)
