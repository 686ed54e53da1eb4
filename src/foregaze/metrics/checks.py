"""What every metric asks of its map and fixations before it counts anything."""

import numpy as np
from jaxtyping import Float, Int

from foregaze.errors import ShapeError


class ConstantMapError(ShapeError):
    """A map without variation, for which the metric is not defined."""


def values_at(
    values: Float[np.ndarray, "H W"], x: Int[np.ndarray, " N"], y: Int[np.ndarray, " N"]
) -> Float[np.ndarray, " N"]:
    """Values in float64 of the pixels at columns `x` and rows `y`.

    Raises:
        ShapeError: If a fixation lies outside the map; a negative index would otherwise wrap.
    """
    height, width = values.shape
    outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    if outside.any():
        first = int(np.argmax(outside))
        raise ShapeError(
            f"{int(outside.sum())} of {len(x)} fixations lie outside the {height}x{width} map, "
            f"the first at column {int(x[first])}, row {int(y[first])}: drop them first"
        )
    fixated: Float[np.ndarray, " N"] = values[y, x].astype(np.float64)
    return fixated


def refuse_constant(log_density: Float[np.ndarray, "H W"], metric: str) -> None:
    """Stop if a map does not vary beyond the rounding of its own number type.

    Raises:
        ConstantMapError: Naming the metric that needs variation.
    """
    low, high = float(log_density.min()), float(log_density.max())
    rounding = 4 * float(np.finfo(log_density.dtype).eps) * max(abs(low), abs(high))
    if high - low <= rounding:
        raise ConstantMapError(
            f"{metric} is not defined for a constant map (all {log_density.size} pixels have "
            f"log density {high:.6g})"
        )
