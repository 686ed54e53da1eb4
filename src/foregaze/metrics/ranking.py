"""How many of many values lie below a few: what every area under a curve comes down to.

`N` positives, `M` negatives.
"""

import math

from array_api_compat import array_namespace, device
from jaxtyping import Float, Int

from foregaze.metrics.checks import refuse_infinite_extremes
from foregaze.types import Array

_BUCKETS = 2**14
_WORTH_BUCKETS = 2**12
"""Below so many negatives sorting them is as fast."""


def share_below(positives: Float[Array, " N"], negatives: Float[Array, " M"]) -> Float[Array, " N"]:
    """Share of the negatives that are smaller than each positive, equal ones counted half.

    Exact, and float64 whatever the inputs are.

    Args:
        positives: Finite, of the negatives' number type.
        negatives: At least one.

    Raises:
        ShapeError: If a negative is infinite or no number.
    """
    smaller, not_larger = count_below(positives, negatives)
    xp = array_namespace(negatives)
    return xp.astype(smaller + not_larger, xp.float64) / (2 * len(negatives))


def count_below(
    positives: Float[Array, " N"], negatives: Float[Array, " M"]
) -> tuple[Int[Array, " N"], Int[Array, " N"]]:
    """Numbers of negatives that are smaller than each positive, and that are not larger.

    Not all negatives need sorting for it: they are counted in buckets of equal width, and only
    those that share a bucket with a positive are sorted.

    Args:
        positives: Finite, of the negatives' number type.
        negatives: At least one.

    Raises:
        ShapeError: If a negative is infinite or no number.
    """
    xp = array_namespace(negatives)
    low, high = negatives.min(), negatives.max()
    refuse_infinite_extremes(negatives, low, high, "area under a curve")
    spread = float(high) - float(low)
    per_value = _BUCKETS / spread if spread > 0 else math.inf
    overflows = max(spread, per_value, 2 * _BUCKETS) > float(xp.finfo(negatives.dtype).max)
    if len(negatives) < _WORTH_BUCKETS or overflows:
        return _count_by_sorting(positives, negatives)
    bucket = _buckets(negatives, low, per_value)  # (M,)
    of_positive = _buckets(xp.clip(positives, low, high), low, per_value)  # (N,)
    shared = xp.zeros(_BUCKETS + 1, dtype=xp.bool, device=device(negatives))
    shared[of_positive] = True
    counts = xp.bincount(bucket, minlength=_BUCKETS + 1)  # not in the standard; both have it
    counts[shared] = 0
    in_other_buckets = xp.cumulative_sum(counts)[of_positive]  # (N,)
    smaller, not_larger = _count_by_sorting(positives, negatives[shared[bucket]])
    return in_other_buckets + smaller, in_other_buckets + not_larger


def _count_by_sorting(
    positives: Float[Array, " N"], negatives: Float[Array, " M"]
) -> tuple[Int[Array, " N"], Int[Array, " N"]]:
    xp = array_namespace(negatives)
    ascending = xp.sort(negatives)
    smaller = xp.searchsorted(ascending, positives, side="left")
    return smaller, xp.searchsorted(ascending, positives, side="right")


def _buckets(values: Float[Array, " N"], low: Array, per_value: float) -> Array:
    """Bucket of each value; rounding included, a larger value is never in a lower bucket."""
    xp = array_namespace(values)
    return xp.astype((values - low) * per_value, xp.int64)
