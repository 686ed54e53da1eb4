"""MultiMatch: five similarities of two scanpaths as sequences of saccade vectors.

Jarodzka, Holmqvist & Nyström (2010), ETRA; Dewhurst et al. (2012), Behavior Research Methods
44(4). Saccade i is the vector from fixation i to the next. The saccades of both scanpaths are
aligned along the path of least summed |v - u| from the first to the last pair. Each similarity is
1 minus the median, over the aligned pairs, of

    vector     |v - u| / 2D                     D: diagonal of the stimulus
    direction  angle between v and u / pi
    length     ||v| - |u|| / D
    position   distance of the fixations at which they start / D
    duration   |s - t| / max(s, t) of the durations of these fixations

Where several paths are equally short, `cheapest_paths` says which is taken; implementations
differ there. Some code pads scanpaths of fewer than three fixations and reports four dimensions;
here such a pair has no score.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from foregaze.scanpath_metrics.alignment import cheapest_paths
from foregaze.scanpath_metrics.padding import lengths_of, pad, require_pairs
from foregaze.scanpath_metrics.scanpath import Scanpath, require_durations, require_length
from foregaze.scanpath_metrics.simplification import Saccades, saccades_of
from foregaze.types import Size

DIMENSIONS = ("vector", "direction", "length", "position", "duration")
SHORTEST = 3
"""Fixations that a scanpath needs: with two there is a single saccade and nothing to align."""


def multimatch(a: Scanpath, b: Scanpath, size: Size) -> Float[np.ndarray, " 5"]:
    """Similarities from 0 to 1 in the order of `DIMENSIONS`, without simplification.

    Symmetric, but for ties. To simplify scanpaths first, give the saccades that
    `simplification.simplify` returns to `compare_saccades`.

    Args:
        a: A scanpath; its fixations may lie outside the stimulus.
        b: The other one.
        size: (H, W) of the stimulus; only its diagonal counts.

    Raises:
        TooShortError: If a scanpath has fewer than 3 fixations.
        NoDurationsError: If a duration is not known; `multimatch_pairs` gives the other four.
    """
    require_length([a, b], SHORTEST, "MultiMatch")
    require_durations([a, b], "MultiMatch's duration")
    similarities: Float[np.ndarray, " 5"] = multimatch_pairs([a], [b], size)[0]
    return similarities


def multimatch_pairs(
    first: Sequence[Scanpath], second: Sequence[Scanpath], size: Size
) -> Float[np.ndarray, "P 5"]:
    """`multimatch` of each pair.

    A row is NaN where a scanpath has fewer than 3 fixations, and its last entry, duration, is NaN
    where a duration is not known.
    """
    require_pairs(first, second)
    scores = np.full((len(first), len(DIMENSIONS)), np.nan)
    defined = np.minimum(lengths_of(first), lengths_of(second)) >= SHORTEST
    chosen = np.flatnonzero(defined).tolist()
    if chosen:
        scores[chosen] = compare_saccades(
            [saccades_of(first[pair]) for pair in chosen],
            [saccades_of(second[pair]) for pair in chosen],
            size,
        )
    return scores


def compare_saccades(
    first: Sequence[Saccades], second: Sequence[Saccades], size: Size
) -> Float[np.ndarray, "P 5"]:
    """The five similarities of pairs of saccade sequences, see `multimatch_pairs`."""
    v, u = _padded(first), _padded(second)
    n, m = lengths_of([s.dx for s in first]), lengths_of([s.dx for s in second])
    apart = np.hypot(  # (P, n, m)
        v["dx"][:, :, None] - u["dx"][:, None, :], v["dy"][:, :, None] - u["dy"][:, None, :]
    )
    rows, columns, cells = cheapest_paths(apart, n, m)  # (P, L) twice, (P,)
    v = {name: np.take_along_axis(column, rows, axis=1) for name, column in v.items()}
    u = {name: np.take_along_axis(column, columns, axis=1) for name, column in u.items()}
    differences = _differences(v, u, math.hypot(*size))  # (5, P, L)
    return 1 - np.stack([_medians(d, cells) for d in differences], axis=1)


def _padded(saccades: Sequence[Saccades]) -> dict[str, Float[np.ndarray, "P n"]]:
    return {
        name: pad([getattr(s, name) for s in saccades], 0.0)
        for name in ("x", "y", "dx", "dy", "duration_ms")
    }


def _differences(
    v: dict[str, Float[np.ndarray, "P L"]],
    u: dict[str, Float[np.ndarray, "P L"]],
    diagonal_px: float,
) -> Float[np.ndarray, "5 P L"]:
    """Differences of aligned saccades from 0 to 1, in the order of `DIMENSIONS`."""
    vector = np.hypot(v["dx"] - u["dx"], v["dy"] - u["dy"]) / (2 * diagonal_px)
    turn = np.abs(np.arctan2(v["dy"], v["dx"]) - np.arctan2(u["dy"], u["dx"]))
    direction = np.minimum(turn, 2 * math.pi - turn) / math.pi
    length = np.abs(np.hypot(v["dx"], v["dy"]) - np.hypot(u["dx"], u["dy"])) / diagonal_px
    position = np.hypot(v["x"] - u["x"], v["y"] - u["y"]) / diagonal_px
    longer = np.maximum(v["duration_ms"], u["duration_ms"])
    unequal = np.abs(v["duration_ms"] - u["duration_ms"])
    duration = unequal / np.where(longer == 0, 1, longer)  # two of 0 ms are equal
    return np.stack([vector, direction, length, position, duration])


def _medians(
    values: Float[np.ndarray, "P L"], counts: Int[np.ndarray, " P"]
) -> Float[np.ndarray, " P"]:
    """Median of the first entries of each row; NaN where one of them is."""
    present = np.arange(values.shape[1]) < counts[:, None]
    ordered = np.sort(np.where(present, values, np.inf), axis=1)  # (P, L), NaN last
    middle = np.stack([(counts - 1) // 2, counts // 2], axis=1)  # (P, 2)
    medians = np.take_along_axis(ordered, middle, axis=1).mean(axis=1)
    return np.where((present & np.isnan(values)).any(axis=1), np.nan, medians)
