"""Are predicted probabilities of seeing areas right? Calibration over many images, and its areas.

Expected calibration error (Naeini, Cooper & Hauskrecht 2015, AAAI) over bins of equal width. Each
observer and area is one trial. Letters: `N` areas of all images, `I` images, `B` bins, `R`
resamples.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Num
from scipy import ndimage

from foregaze.data.areas import Area, SegmentArea, rectangle_area
from foregaze.errors import DataError, ShapeError
from foregaze.evaluation.bootstrap import RESAMPLES, SEED
from foregaze.ops.mass import mass_levels
from foregaze.types import Size

BINS = 10

_RESAMPLES_AT_ONCE = 500


@dataclass(frozen=True)
class CalibrationBin:
    """The areas whose predicted probability is in [low, high); the last bin includes 1."""

    low: float
    high: float
    areas: int
    trials: int
    """Observers of these areas, added up."""
    predicted: float | None
    """Mean over trials; None without any."""
    observed: float | None
    """Share of the trials in which the area was seen."""


@dataclass(frozen=True)
class AreaCalibration:
    """How far predicted probabilities are from observed shares."""

    error: float
    """Mean over bins of |predicted - observed|, weighted by trials."""
    ci95: tuple[float, float] | None
    """Percentile bootstrap over images; None of a single image."""
    images: int
    areas: int
    trials: int
    bins: tuple[CalibrationBin, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and None."""
        return asdict(self)


def calibrate_areas(
    image: Int[np.ndarray, " N"],
    predicted: Float[np.ndarray, " N"],
    observed: Float[np.ndarray, " N"],
    observers: Int[np.ndarray, " N"],
    resamples: int = RESAMPLES,
) -> AreaCalibration:
    """Expected calibration error over ten bins of equal width, and the bins.

    Chance alone makes the error positive: with few trials it is above zero for perfect predictions
    too, and resampling adds to it, so that the interval lies rather high.

    Args:
        image: Number of the image that an area is on; the bootstrap draws images.
        predicted: Probability that an area is seen.
        observed: Share of the observers who saw it.
        observers: How many observers there were.
        resamples: Of the bootstrap.

    Raises:
        ShapeError: If the columns differ in length.
        DataError: If there are no areas, a probability or share is not in 0 to 1, or an area has
            no observers.
    """
    if len({len(column) for column in (image, predicted, observed, observers)}) > 1:
        raise ShapeError(
            f"{len(image)} images, {len(predicted)} predictions, {len(observed)} shares and "
            f"{len(observers)} numbers of observers: expected one of each for every area"
        )
    if not len(image):
        raise DataError("there are no areas to calibrate predictions on")
    for what, column in (("predicted", predicted), ("observed", observed)):
        if not ((column >= 0) & (column <= 1)).all():
            raise DataError(f"a value of {what} is not in 0 to 1")
    if (observers < 1).any():
        raise DataError("an area has no observers; leave it out")
    bin_of = np.minimum((predicted * BINS).astype(np.int64), BINS - 1)
    images, number = np.unique(image, return_inverse=True)
    cell = number * BINS + bin_of
    sums = np.stack(  # (3, I, B): trials, and of them expected and found to see
        [
            np.bincount(cell, weight, len(images) * BINS).reshape(-1, BINS)
            for weight in (observers, observers * predicted, observers * observed)
        ]
    )
    return AreaCalibration(
        error=float(_error(sums.sum(1, keepdims=True))[0]),
        ci95=_interval(sums, resamples),
        images=len(images),
        areas=len(image),
        trials=int(observers.sum()),
        bins=tuple(_bins(sums.sum(1), np.bincount(bin_of, minlength=BINS))),
    )


def quadrants(size: Size) -> list[Area]:
    """The four quarters of an image, row by row."""
    height, width = size[0] / 2, size[1] / 2
    return [
        rectangle_area(f"{row} {column}", x, y, width, height, size)
        for row, y in (("top", 0.0), ("bottom", height))
        for column, x in (("left", 0.0), ("right", width))
    ]


def hot_spots(
    log_density: Float[np.ndarray, "H W"],
    share: float = 0.5,
    least_mass: float = 0.05,
    most: int = 5,
) -> list[Area]:
    """Connected parts of the smallest region that holds a share of the mass, heaviest first.

    Pixels are connected by their sides.

    Args:
        log_density: Nats.
        share: Of the mass, above 0 and at most 1.
        least_mass: Share of the whole mass below which a part is left out.
        most: Number of parts that may come back.

    Returns:
        Areas "hot spot 1" and so on; none if all are too light.

    Raises:
        ShapeError: If the share is out of range, or the density has no mass.
    """
    (level,) = mass_levels(log_density, [share])
    parts, count = ndimage.label(log_density >= level)
    density = np.exp(log_density.astype(np.float64) - float(log_density.max()))
    mass = np.bincount(parts.ravel(), density.ravel(), count + 1) / density.sum()
    mass[0] = 0.0  # what lies outside the region
    heaviest = [int(part) for part in np.argsort(-mass, kind="stable") if mass[part] >= least_mass]
    size = (log_density.shape[0], log_density.shape[1])
    segments = parts.astype(np.int32)
    return [
        SegmentArea(f"hot spot {place}", size, segments, part)
        for place, part in enumerate((p for p in heaviest[:most] if p), start=1)
    ]


def _error(sums: Float[np.ndarray, "3 r B"]) -> Float[np.ndarray, " r"]:
    """Weighted mean of |expected - found| / trials, in which the trials of a bin cancel."""
    trials, expected, found = sums
    error: Float[np.ndarray, " r"] = np.abs(expected - found).sum(-1) / trials.sum(-1)
    return error


def _interval(sums: Float[np.ndarray, "3 I B"], resamples: int) -> tuple[float, float] | None:
    if sums.shape[1] < 2:
        return None
    errors = np.concatenate(list(_resampled_errors(sums, resamples)))
    low, high = np.quantile(errors, (0.025, 0.975))
    return float(low), float(high)


def _resampled_errors(
    sums: Float[np.ndarray, "3 I B"], resamples: int
) -> Iterator[Float[np.ndarray, " r"]]:
    rng = np.random.default_rng(SEED)
    images = sums.shape[1]
    uniform = np.full(images, 1 / images)
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        counts = rng.multinomial(images, uniform, min(_RESAMPLES_AT_ONCE, resamples - start))
        yield _error(np.einsum("ri,cib->crb", counts.astype(np.float64), sums, optimize=True))


def _bins(sums: Float[np.ndarray, "3 B"], areas: Num[np.ndarray, " B"]) -> Iterator[CalibrationBin]:
    for number, (trials, expected, found) in enumerate(sums.T.tolist()):
        yield CalibrationBin(
            low=number / BINS,
            high=(number + 1) / BINS,
            areas=int(areas[number]),
            trials=round(trials),
            predicted=expected / trials if trials else None,
            observed=found / trials if trials else None,
        )
