"""Regions of an image that hold a given share of the probability mass.

`F` fractions.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from foregaze.errors import ShapeError


def mass_levels(
    log_density: Float[np.ndarray, "H W"], fractions: Sequence[float]
) -> Float[np.ndarray, " F"]:
    """Log densities that bound the smallest regions holding given shares of the mass.

    The pixels with `log_density >= level` are the fewest whose mass reaches the fraction, taken
    in order of density; pixels that tie with the last one taken belong too.

    Args:
        log_density: Nats. It need not be normalized: fractions are of its whole mass.
        fractions: Shares of the mass, above 0 and at most 1.

    Returns:
        One level for each fraction, in nats, float64.

    Raises:
        ShapeError: A fraction is out of range, or the log density has NaN or no mass.
    """
    asked = np.asarray(fractions, dtype=np.float64)
    if not np.all((asked > 0) & (asked <= 1)):
        raise ShapeError(f"fractions are {list(fractions)}, expected values above 0, at most 1")
    descending = np.sort(log_density, axis=None)[::-1].astype(np.float64)  # NaN comes first
    if not descending.size or not np.isfinite(descending[0]):
        raise ShapeError("log_density has NaN, +inf or no mass, expected finite values in nats")
    mass = np.cumsum(np.exp(descending - descending[0]))
    rounding = 1e-9
    last = np.searchsorted(mass, asked * mass[-1] * (1 - rounding))
    levels: Float[np.ndarray, " F"] = descending[last]
    return levels
