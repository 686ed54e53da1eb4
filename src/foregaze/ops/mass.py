"""Regions of an image that hold a given share of the probability mass.

`F` fractions, `N` fixations.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from foregaze.errors import ShapeError

_BUCKETS = 2**16


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


def mass_above(
    log_density: Float[np.ndarray, "H W"], x: Int[np.ndarray, " N"], y: Int[np.ndarray, " N"]
) -> Float[np.ndarray, " N"]:
    """Share of the mass on pixels of larger density than each fixated one, equal ones half.

    If fixations follow the density, these are uniform between 0 and 1. Pixels count as equal
    where they fall into one of 65536 buckets of equal width in log density.

    Args:
        log_density: Nats, finite.
        x: Columns of the fixations.
        y: Rows of the fixations.
    """
    low, high = float(log_density.min()), float(log_density.max())
    scale = (_BUCKETS - 1) / (high - low) if high > low else 0.0
    bucket = ((log_density - low) * scale).astype(np.int64)
    mass = np.bincount(bucket.ravel(), np.exp(log_density - high).ravel(), _BUCKETS)
    not_above = np.cumsum(mass)
    at_fixations = bucket[y, x]
    above: Float[np.ndarray, " N"] = (
        1 - (not_above[at_fixations] - mass[at_fixations] / 2) / not_above[-1]
    )
    return above
