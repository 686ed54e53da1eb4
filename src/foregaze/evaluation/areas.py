"""How areas of interest are looked at, from the scanpaths of one image, a model's or people's.

The clock starts with the first fixation: fixation k, counted from 0, starts after the durations of
all before it and k saccades. An area is seen within a time if a fixation in it starts before then.
Every fixation counts, also a first one at a forced starting point. Letters: `n` scanpaths, `L`
fixations of the longest, `K` areas, `M` moments.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from foregaze.data.areas import Area, check_areas
from foregaze.errors import DataError, ShapeError
from foregaze.evaluation.area_report import (
    AreaReport,
    Estimate,
    Horizon,
    Looks,
    Order,
    Viewings,
)
from foregaze.scanpath_metrics import Scanpath
from foregaze.types import Size

_MOMENTS = 60
"""Moments of the curves over time."""
_UNSEEN = np.iinfo(np.int64).max
"""In place of the number of a fixation: the area was never seen."""
_NORMAL = float(stats.norm.ppf(0.975))
_UNDEFINED = Estimate(None, None)


@dataclass(frozen=True, eq=False)
class _Padded:
    """Scanpaths as rows; padding does not count."""

    x: Float[np.ndarray, "n L"]
    y: Float[np.ndarray, "n L"]
    duration_ms: Float[np.ndarray, "n L"]
    start_ms: Float[np.ndarray, "n L"]
    counts: Bool[np.ndarray, "n L"]
    """Which fixations start before the horizon."""
    lasts_ms: Float[np.ndarray, "n L"]
    """Durations cut at the horizon; NaN where not known."""
    ended_early: int


def look_at_areas(
    scanpaths: Sequence[Scanpath],
    areas: Sequence[Area],
    size: Size,
    *,
    seconds: float | None = None,
    fixations: int | None = None,
    saccade_ms: float = 0.0,
    source: str = "viewings",
    name: str = "",
    image: str | None = None,
) -> AreaReport:
    """What was seen when, how often, how long and in which order, with 95% intervals.

    Shares have Wilson intervals, means the interval of Student's t, cut at the smallest value that
    is possible; of one viewing there is none. They say how far chance in the choice of viewings
    reaches: the sampled ones of a model, or the observers.

    Args:
        scanpaths: Of one image; each is a viewing.
        areas: Of that image, at most `foregaze.data.areas.MOST_AREAS`.
        size: (H, W) of the image. Fixations outside take time and see nothing.
        seconds: What starts within so much time counts. All durations must be known.
        fixations: So many fixations of each scanpath count, in place of `seconds`.
        saccade_ms: Time that passes between two fixations, which scanpaths do not tell.
        source: What the scanpaths are, for the table, such as "model".
        name: Of the model or data set.
        image: Name of the image.

    Raises:
        ConfigError: If not one of `seconds` and `fixations` is given, or not a positive one.
        DataError: If there are no scanpaths or no areas, two areas have one name, or a duration is
            missing that is needed.
        ShapeError: If an area is of another image size.
    """
    horizon = Horizon(seconds, fixations, saccade_ms)
    _check(scanpaths, areas, size)
    padded = _pad(scanpaths, horizon)
    inside = [_inside(area, padded) for area in areas]
    first = np.stack([_first(rows) for rows in inside], axis=1)  # (n, K)
    rank = stats.rankdata(first, method="min", axis=1)  # (n, K), from 1
    rank[first == _UNSEEN] = 0
    moments, seen_by = _curves(first, padded, horizon)
    names = tuple(area.name for area in areas)
    viewings = Viewings(
        source=source,
        name=name,
        viewings=len(scanpaths),
        ended_early=padded.ended_early,
        looks=tuple(
            _looks(padded, inside[k], first[:, k], rank[:, k], len(areas), seen_by[k])
            for k in range(len(areas))
        ),
        orders=tuple(
            _order(names[a], names[b], first[:, a], first[:, b])
            for a, b in combinations(range(len(areas)), 2)
        ),
        moments=tuple(moments.tolist()),
        absent=_absent(padded),
    )
    sizes = tuple(area.area_px for area in areas)
    return AreaReport(image, (size[0], size[1]), horizon, names, sizes, (viewings,))


def _check(scanpaths: Sequence[Scanpath], areas: Sequence[Area], size: Size) -> None:
    check_areas(areas)
    for area in areas:
        if area.size != tuple(size):
            raise ShapeError(
                f"area {area.name!r} is on an image of (H, W) {area.size}, not {tuple(size)}"
            )
    if not scanpaths:
        raise DataError("there are no scanpaths, and so no viewings to look at areas in")


def wilson_interval(count: int, of: int) -> tuple[float, float] | None:
    """95% interval of a share (Wilson 1927, without continuity correction); None of a single one.

    Args:
        count: How many had it.
        of: How many there are.
    """
    if of < 2:
        return None
    share, spread = count / of, _NORMAL**2 / of
    middle = (share + spread / 2) / (1 + spread)
    half = np.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    low = 0.0 if count == 0 else float(middle - half)
    return low, 1.0 if count == of else float(middle + half)


def _pad(scanpaths: Sequence[Scanpath], horizon: Horizon) -> _Padded:
    lengths = np.array([len(scanpath) for scanpath in scanpaths])
    longest = int(lengths.max())
    place = np.arange(longest)
    taken = place < lengths[:, None]  # (n, L)
    x, y, duration_ms = (np.zeros((len(scanpaths), longest)) for _ in range(3))
    for column, rows in (("x", x), ("y", y), ("duration_ms", duration_ms)):
        rows[taken] = np.concatenate([getattr(scanpath, column) for scanpath in scanpaths])
    earlier_ms = np.cumsum(np.pad(duration_ms, ((0, 0), (1, 0)))[:, :-1], axis=1)
    start_ms = earlier_ms + place * horizon.saccade_ms  # (n, L)
    if horizon.fixations is not None:
        counts = taken & (place < horizon.fixations)
        early = lengths < horizon.fixations
        return _Padded(x, y, duration_ms, start_ms, counts, duration_ms, int(early.sum()))
    assert horizon.seconds is not None
    unknown = int(np.isnan(duration_ms).any(axis=1).sum())
    if unknown:
        raise DataError(
            f"durations of fixations are not known in {unknown} of {len(scanpaths)} scanpaths, so "
            "that there is no time to count: give fixations in place of seconds"
        )
    horizon_ms = 1000 * horizon.seconds
    counts = taken & (start_ms < horizon_ms)
    next_ms = (start_ms + duration_ms)[np.arange(len(lengths)), lengths - 1] + horizon.saccade_ms
    lasts_ms = np.minimum(duration_ms, horizon_ms - start_ms)
    return _Padded(x, y, duration_ms, start_ms, counts, lasts_ms, int((next_ms < horizon_ms).sum()))


def _inside(area: Area, padded: _Padded) -> Bool[np.ndarray, "n L"]:
    """Which counted fixations lie in an area."""
    inside = padded.counts.copy()
    inside[padded.counts] = area.contains(padded.x[padded.counts], padded.y[padded.counts])
    return inside


def _first(inside: Bool[np.ndarray, "n L"]) -> Int[np.ndarray, " n"]:
    """Number of the first fixation in an area, from 0."""
    return np.where(inside.any(axis=1), inside.argmax(axis=1), _UNSEEN)


def _start_ms(first: Int[np.ndarray, " n"], padded: _Padded) -> Float[np.ndarray, " n"]:
    """When these fixations start; infinity for `_UNSEEN`."""
    rows = np.arange(len(first))
    starts = padded.start_ms[rows, np.where(first == _UNSEEN, 0, first)]
    return np.where(first == _UNSEEN, np.inf, starts)


def _curves(
    first: Int[np.ndarray, "n K"], padded: _Padded, horizon: Horizon
) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, "K M"]]:
    """Moments up to the horizon, and the shares that had seen each area by then."""
    if horizon.fixations is not None:
        moments = np.arange(1, horizon.fixations + 1, dtype=np.float64)
        happened: list[Float[np.ndarray, " n"]] = [column.astype(np.float64) for column in first.T]
    else:
        assert horizon.seconds is not None
        moments = np.linspace(0, horizon.seconds, _MOMENTS + 1)[1:]
        happened = [_start_ms(column, padded) / 1000 for column in first.T]
    counts = [np.searchsorted(np.sort(column), moments, side="left") for column in happened]
    return moments, np.array(counts) / len(first)


def _looks(
    padded: _Padded,
    inside: Bool[np.ndarray, "n L"],
    first: Int[np.ndarray, " n"],
    rank: Int[np.ndarray, " n"],
    areas: int,
    seen_by: Float[np.ndarray, " M"],
) -> Looks:
    saw = first != _UNSEEN
    ranks = np.bincount(rank, minlength=areas + 1)[1:]
    timed = _has_times(padded)
    dwell_ms = np.where(inside, padded.lasts_ms, 0.0).sum(axis=1)
    return Looks(
        seen=_share(int(saw.sum()), len(first)),
        first_ms=_mean(_start_ms(first, padded)[saw]) if timed else _UNDEFINED,
        first_number=_mean(first[saw] + 1.0, lowest=1.0),
        fixations=_mean(inside.sum(axis=1).astype(np.float64)),
        dwell_ms=_mean(dwell_ms) if timed else _UNDEFINED,
        ranks=tuple(_share(int(count), len(first)) for count in ranks),
        seen_by=tuple(seen_by.tolist()),
    )


def _order(first: str, second: str, a: Int[np.ndarray, " n"], b: Int[np.ndarray, " n"]) -> Order:
    before, after, neither = (
        int((a < b).sum()),
        int((b < a).sum()),
        int((a == _UNSEEN)[a == b].sum()),
    )
    together = len(a) - before - after - neither
    return Order(
        first, second, *(_share(count, len(a)) for count in (before, after, together, neither))
    )


def _share(count: int, of: int) -> Estimate:
    return Estimate(count / of, wilson_interval(count, of))


def _mean(values: Float[np.ndarray, " N"], lowest: float = 0.0) -> Estimate:
    if not len(values):
        return _UNDEFINED
    mean = float(values.mean())
    if len(values) < 2:
        return Estimate(mean, None)
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Estimate(mean, (max(lowest, mean - half), mean + half))


def _has_times(padded: _Padded) -> bool:
    return not np.isnan(padded.duration_ms[padded.counts]).any()


def _absent(padded: _Padded) -> dict[str, str]:
    """Why all areas lack a quantity."""
    if _has_times(padded):
        return {}
    rows = np.isnan(np.where(padded.counts, padded.duration_ms, 0.0)).any(axis=1)
    reason = (
        f"durations of fixations are not known in {int(rows.sum())} of {len(padded.counts)} "
        "viewings"
    )
    return dict.fromkeys(("first_ms", "dwell_ms"), reason)
