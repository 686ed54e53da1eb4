"""What every metric asks of its map and fixations before it counts anything.

A map is (H, W), or a batch (B, H, W) of maps of one size; then the column `image` says on which
map of the batch each of the N fixations lies. Everything works on NumPy arrays and on PyTorch
tensors alike, where they are, through the functions that both have (array-api-compat).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from jaxtyping import Float, Int, Real

from foregaze.errors import ShapeError
from foregaze.types import Array

MATLAB_EPS = 2.2204e-16
"""The constant that the MIT benchmark's code adds where it divides or takes logarithms."""


class ConstantMapError(ShapeError):
    """A map without variation, for which the metric is not defined."""


class NoFixationError(ShapeError):
    """An image without fixations, or without enough of them, on which the metric has no value."""


def double(values: Real[Array, "*batch H W"], what: str) -> Float[Array, "*batch H W"]:
    """The values in float64, the precision that everything is summed in.

    Raises:
        ShapeError: If it is no map, or a value is infinite or no number.
    """
    _refuse_no_map(values)
    refuse_infinite(values, what)
    xp = array_namespace(values)
    return xp.astype(values, xp.float64, copy=False)


def floating(values: Array) -> Array:
    """A map of integers, such as an 8-bit image, in float64; any other as it is.

    Raises:
        ShapeError: If it is no map.
    """
    _refuse_no_map(values)
    xp = array_namespace(values)
    if xp.isdtype(values.dtype, ("bool", "integral")):
        return xp.astype(values, xp.float64)
    return values


def refuse_infinite(values: Real[Array, "*shape"], what: str) -> None:
    """Stop at NaN and infinities, which would spread into every pixel's score.

    Raises:
        ShapeError: Saying how many there are.
    """
    if _count(values):
        refuse_infinite_extremes(values, values.min(), values.max(), what)


def refuse_infinite_extremes(values: Array, low: Array, high: Array, what: str) -> None:
    """`refuse_infinite` where the extremes are known: they are not finite if any value is not."""
    xp = array_namespace(values)
    if not bool(xp.all(xp.isfinite(low) & xp.isfinite(high))):
        _count_infinite(values, what)


def _count_infinite(values: Array, what: str) -> None:
    wrong = int((~array_namespace(values).isfinite(values)).sum())
    if wrong:
        raise ShapeError(f"{what}: {wrong} of {_count(values)} values are infinite or no number")


def centered(
    values: Real[Array, "*batch H W"], metric: str
) -> tuple[Float[Array, "*batch H W"], Float[Array, "*batch"]]:
    """A map in float64 less its mean, and the sum of the squares of that.

    Raises:
        ConstantMapError: For a constant map.
        ShapeError: At NaN and infinities.
    """
    values = floating(values)
    refuse_constant(values, metric)
    xp = array_namespace(values)
    values = xp.astype(values, xp.float64, copy=False)
    deviations = values - xp.mean(values, axis=(-2, -1), keepdims=True)
    in_a_row = xp.reshape(deviations, (*deviations.shape[:-2], -1))
    return deviations, xp.vecdot(in_a_row, in_a_row)


def values_at(
    values: Real[Array, "*batch H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    image: Int[Array, " N"] | None = None,
) -> Float[Array, " N"]:
    """Values in float64 of the pixels at columns `x` and rows `y` (of the maps `image`).

    Raises:
        ShapeError: If a fixation lies outside its map, where a negative index would wrap; if a
            batch comes without `image`, or a single map with it; or at NaN and infinities.
    """
    xp = array_namespace(values)
    check_positions(values, x, y, image)
    fixated = values[y, x] if image is None else values[image, y, x]
    if not bool(xp.all(xp.isfinite(fixated))):
        wrong = int((~xp.isfinite(fixated)).sum())
        raise ShapeError(
            f"{wrong} of {len(x)} fixated pixels have a value that is infinite or no number"
        )
    return xp.astype(fixated, xp.float64)


def check_positions(
    values: Real[Array, "*batch H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    image: Int[Array, " N"] | None = None,
) -> None:
    """Stop unless every fixation lies on a pixel of its map.

    Raises:
        ShapeError: Naming the first that does not; or if the map is none, or the columns do not
            hold integers, differ in length, or do not fit the map.
    """
    _refuse_no_map(values)
    if (values.ndim == 3) != (image is not None):
        raise ShapeError(
            f"map of shape {tuple(values.shape)} {'without' if image is None else 'with'} a column "
            "'image': a batch (B, H, W) needs it, a single map (H, W) has none"
        )
    lengths = [len(column) for column in (x, y, image) if column is not None]
    if len(set(lengths)) > 1:
        raise ShapeError(f"columns of fixations have the lengths {lengths}, expected equal ones")
    _refuse_fractions(x, y, image)
    if image is not None:
        absent = (image < 0) | (image >= values.shape[0])
        if bool(absent.any()):
            first = int(absent.nonzero()[0][0])
            raise ShapeError(
                f"fixation {first} is on map {int(image[first])} of a batch of {values.shape[0]} "
                "(both are counted from 0)"
            )
    height, width = values.shape[-2:]
    outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    if bool(outside.any()):
        first = int(outside.nonzero()[0][0])
        raise ShapeError(
            f"{int(outside.sum())} of {len(x)} fixations lie outside the {height}x{width} map, "
            f"the first at column {int(x[first])}, row {int(y[first])}: drop them first"
        )


def _refuse_no_map(values: Array) -> None:
    """Stop unless the values are a map (H, W) or a batch (B, H, W) of real numbers."""
    if values.ndim not in (2, 3):
        raise ShapeError(
            f"map of shape {tuple(values.shape)}, expected (H, W) or a batch (B, H, W)"
        )
    if array_namespace(values).isdtype(values.dtype, "complex floating"):
        raise ShapeError(
            f"map of shape {tuple(values.shape)} has complex values ({values.dtype}), expected "
            "real ones"
        )


def _refuse_fractions(x: Array, y: Array, image: Array | None) -> None:
    for column in (x, y):
        if not array_namespace(column).isdtype(column.dtype, "integral"):
            raise ShapeError(
                "columns of fixations are pixel indices (integers); use floor of the position "
                f"(these are {column.dtype})"
            )
    if image is not None and not array_namespace(image).isdtype(image.dtype, "integral"):
        raise ShapeError(f"column 'image' has {image.dtype}, expected indices of maps (integers)")


def refuse_unnormalized(log_density: Real[Array, "*batch H W"], tolerance: float = 1e-3) -> None:
    """Stop unless `exp` of each log density sums to one; impossible pixels (-inf) are allowed.

    Metrics that read only the fixated pixels of a density cannot see it. Summed in float64.

    Args:
        log_density: In nats.
        tolerance: Largest |logsumexp|, in nats; the MIT/Tübingen benchmark's.

    Raises:
        ShapeError: With the sum of the first density that does not; or if a value is NaN or
            infinitely large.
    """
    _refuse_no_map(log_density)
    xp = array_namespace(log_density)
    values = xp.astype(log_density, xp.float64, copy=False)
    for i, single in enumerate(to_numpy(values).reshape(-1, *values.shape[-2:])):
        where = "" if values.ndim == 2 else f"image {i} of the batch: "
        wrong = int((np.isnan(single) | (single == math.inf)).sum())
        if wrong:
            raise ShapeError(
                f"{where}{wrong} of {single.size} log densities are infinite or no number"
            )
        peak = float(single.max())
        total = float(np.exp(single - peak).sum()) if peak > -math.inf else 0.0
        logsumexp = peak + math.log(total) if total else -math.inf
        if abs(logsumexp) > tolerance:
            said = f"{math.exp(logsumexp):.6g}" if logsumexp < 700 else f"e^{logsumexp:.6g}"
            raise ShapeError(
                f"{where}exp of the log density sums to {said} instead of 1: subtract its "
                "logsumexp, and give natural logs"
            )


def refuse_constant(values: Real[Array, "*batch H W"], metric: str) -> None:
    """Stop if a map does not vary beyond the rounding of its own number type.

    Raises:
        ConstantMapError: Naming the metric that needs variation.
        ShapeError: At NaN and infinities.
    """
    xp = array_namespace(values)
    low, high = xp.min(values, axis=(-2, -1)), xp.max(values, axis=(-2, -1))
    refuse_infinite_extremes(values, low, high, metric)
    largest = xp.where(abs(low) > abs(high), abs(low), abs(high))
    half_spread = high / 2 - low / 2  # the whole one can overflow
    constant = half_spread <= 2 * xp.finfo(values.dtype).eps * largest
    if bool(constant.any()):
        raise ConstantMapError(f"{metric} is not defined for a constant map (all pixels are equal)")


def distinct_pixels(
    values: Real[Array, "H W"], x: Int[Array, " N"], y: Int[Array, " N"]
) -> tuple[Int[Array, " M"], Int[Array, " M"]]:
    """Columns and rows of the M fixated pixels, each once: the old MIT code's fixation map.

    Raises:
        NoFixationError: If there is no fixation.
        ShapeError: If one lies outside.
    """
    check_positions(values, x, y)
    if not len(x):
        raise NoFixationError("there is no fixation on the image, so it has no score")
    xp = array_namespace(values)
    width = int(values.shape[1])
    pixel = xp.unique_values(xp.astype(y, xp.int64) * width + xp.astype(x, xp.int64))
    return pixel % width, pixel // width


def same_shape(first: Array, second: Array, what: str) -> None:
    """Stop if two maps of one image differ in size.

    Raises:
        ShapeError: Giving both shapes.
    """
    if first.shape != second.shape:
        raise ShapeError(
            f"{what}: shapes are {tuple(first.shape)} and {tuple(second.shape)}, expected equal "
            "ones: resize the map to its image first"
        )


def scaled(values: Real[Array, "*batch H W"], metric: str) -> Float[Array, "*batch H W"]:
    """A map in float64, brought to run from 0 to 1 as the old MIT code does.

    Raises:
        ConstantMapError: For a constant map.
        ShapeError: At NaN and infinities.
    """
    in_double = double(values, metric)
    values = floating(values)
    refuse_constant(values, metric)
    xp = array_namespace(values)
    values = in_double - xp.min(in_double, axis=(-2, -1), keepdims=True)
    return values / xp.max(values, axis=(-2, -1), keepdims=True)


def as_distribution(values: Real[Array, "*batch H W"], metric: str) -> Float[Array, "*batch H W"]:
    """A map in float64 that sums to one over its pixels, as the MIT/Tübingen benchmark makes it.

    A map with negative values is shifted so that its smallest becomes 0; a map of zeros becomes
    uniform.

    Raises:
        ShapeError: At NaN and infinities.
    """
    values = double(values, metric)
    xp = array_namespace(values)
    low = xp.min(values, axis=(-2, -1), keepdims=True)
    values = values - xp.where(low < 0, low, xp.zeros_like(low))
    total = xp.sum(values, axis=(-2, -1), keepdims=True)
    empty = total == 0
    pixels = values.shape[-2] * values.shape[-1]
    return xp.where(empty, 1 / pixels, values / xp.where(empty, xp.ones_like(total), total))


def maps_of(
    values: Real[Array, "*batch H W"], image: Int[Array, " N"] | None
) -> list[tuple[Float[Array, "H W"], Any]]:
    """Each map of a batch with the rows of its fixations; a single map with all rows."""
    if image is None:
        return [(values, slice(None))]
    return [(values[i], image == i) for i in range(values.shape[0])]


def per_image(
    score: Callable[..., Array],
    maps: Sequence[Real[Array, "*batch H W"]],
    *tables: tuple[Array, Array, Array | None],
) -> Float[Array, "*batch"]:
    """A score of one image, of each image of a batch.

    Args:
        score: Takes one image's maps, then the columns x and y of its rows of each table.
        maps: All of one shape.
        tables: Columns x, y and image of fixations; at least one.

    Raises:
        ShapeError: As `check_positions`; or what `score` raises, with the index of the image in
            the batch.
    """
    for table in tables:
        check_positions(maps[0], *table)
    if maps[0].ndim == 2:
        return score(*maps, *(column for x, y, _ in tables for column in (x, y)))
    xp = array_namespace(maps[0])
    scores = xp.empty(maps[0].shape[0], dtype=xp.float64, device=device(maps[0]))
    loops = [maps_of(maps[0], image) for _, _, image in tables]
    for i, of_tables in enumerate(zip(*loops, strict=True)):
        own = [
            column[rows]
            for (x, y, _), (_, rows) in zip(tables, of_tables, strict=True)
            for column in (x, y)
        ]
        try:
            scores[i] = score(*(values[i] for values in maps), *own)
        except ShapeError as error:
            raise type(error)(f"image {i} of the batch: {error}") from error
    return scores


def to_numpy(values: Array) -> np.ndarray:
    """The values of an array or tensor in NumPy, for what only runs there."""
    return values if isinstance(values, np.ndarray) else np.asarray(values.detach().cpu())


def _count(values: Array) -> int:
    count = 1
    for length in values.shape:
        count *= int(length)
    return count
