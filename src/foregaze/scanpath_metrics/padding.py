"""Columns of many scanpaths as the rows of one array, so that all pairs are scored at once."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics.scanpath import Scanpath


def lengths_of(rows: Sequence[Scanpath] | Sequence[np.ndarray]) -> Int[np.ndarray, " P"]:
    """Length of each row."""
    return np.array([len(row) for row in rows], dtype=np.int64)


def pad(rows: Sequence[np.ndarray], fill: float) -> Float[np.ndarray, "P n"]:
    """Rows of different lengths, filled up at their ends."""
    lengths = lengths_of(rows)
    padded = np.full((len(rows), lengths.max(initial=1)), fill, dtype=np.float64)
    filled = np.arange(padded.shape[1]) < lengths[:, None]
    if len(rows):
        padded[filled] = np.concatenate(rows)
    return padded


def pad_codes(rows: Sequence[np.ndarray], fill: int) -> Int[np.ndarray, "P n"]:
    """The same for symbols; `fill` is one that no row holds."""
    codes: Int[np.ndarray, "P n"] = pad(rows, float(fill)).astype(np.int64)
    return codes


def distances(
    first: Sequence[Scanpath], second: Sequence[Scanpath], fill: float
) -> Float[np.ndarray, "P n m"]:
    """Euclidean distance of each fixation of a first to each of its second scanpath, in px.

    Args:
        first: One scanpath of each pair.
        second: The other one.
        fill: Value where either scanpath has ended.
    """
    x1, y1 = (pad([getattr(s, name) for s in first], np.nan) for name in "xy")  # (P, n)
    x2, y2 = (pad([getattr(s, name) for s in second], np.nan) for name in "xy")  # (P, m)
    dx = x1[:, :, None] - x2[:, None, :]
    dy = y1[:, :, None] - y2[:, None, :]
    apart: Float[np.ndarray, "P n m"] = np.sqrt(dx**2 + dy**2)
    return np.where(np.isnan(apart), fill, apart)


def require_pairs(first: Sequence[Scanpath], second: Sequence[Scanpath]) -> None:
    """Stop where the two lists do not make pairs.

    Raises:
        ShapeError: If their lengths differ.
    """
    if len(first) != len(second):
        raise ShapeError(
            f"{len(first)} first and {len(second)} second scanpaths: pairs need as many of each"
        )
