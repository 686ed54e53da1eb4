"""What a report may hold: one entry for each number, and how the number is to be read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from foregaze.scanpath_metrics.dtw import dynamic_time_warping_pairs
from foregaze.scanpath_metrics.levenshtein import string_edit_distance_pairs
from foregaze.scanpath_metrics.multimatch import DIMENSIONS, multimatch_pairs
from foregaze.scanpath_metrics.recurrence import MEASURES, cross_recurrence_pairs
from foregaze.scanpath_metrics.scanmatch import OSIE, OSIE_WITHOUT_DURATION, scanmatch_pairs
from foregaze.scanpath_metrics.sequence_score import sequence_score_pairs
from foregaze.scanpath_metrics.time_delay import scaled_time_delay_similarity_pairs


@dataclass(frozen=True)
class ScanpathMetric:
    """A number for each pair of scanpaths."""

    pairs: Callable[..., np.ndarray]
    """Of lists `first` and `second`, and of what its other parameters name: `size` (H, W),
    `radius_px`, `centers`. Several entries may share one; it is then called once for all."""
    columns: tuple[int, ...] = ()
    """Where `pairs` returns several numbers for a pair: those whose mean this is."""
    larger_is_better: bool = True
    symmetric: bool = True
    """If not, the first scanpath is the human one."""
    needs_durations: bool = False
    undefined: str = ""
    """When a pair has no score; empty where every pair of scanpaths has one."""


_with_durations = partial(scanmatch_pairs, setting=OSIE)
_without_durations = partial(scanmatch_pairs, setting=OSIE_WITHOUT_DURATION)

_TOO_SHORT = "a scanpath has fewer than 3 fixations"


def _multimatch(*dimensions: str) -> ScanpathMetric:
    return ScanpathMetric(
        multimatch_pairs,
        columns=tuple(DIMENSIONS.index(dimension) for dimension in dimensions),
        needs_durations="duration" in dimensions,
        undefined=_TOO_SHORT,
    )


def _recurrence(measure: str, undefined: str = "no fixations coincide") -> ScanpathMetric:
    column = MEASURES.index(measure)
    return ScanpathMetric(cross_recurrence_pairs, columns=(column,), undefined=undefined)


SCANPATH_METRICS: dict[str, ScanpathMetric] = {
    "ScanMatch": ScanpathMetric(
        _with_durations,
        needs_durations=True,
        undefined="no fixation of a scanpath lasts for half a temporal bin",
    ),
    "ScanMatch_no_duration": ScanpathMetric(_without_durations),
    **{f"MultiMatch_{dimension}": _multimatch(dimension) for dimension in DIMENSIONS},
    "MultiMatch_mean": _multimatch(*DIMENSIONS),
    "MultiMatch_mean_no_duration": _multimatch(*DIMENSIONS[:4]),
    "SED": ScanpathMetric(string_edit_distance_pairs, larger_is_better=False),
    "STDE": ScanpathMetric(scaled_time_delay_similarity_pairs, symmetric=False),
    "SequenceScore": ScanpathMetric(sequence_score_pairs),
    "DTW_px": ScanpathMetric(dynamic_time_warping_pairs, larger_is_better=False),
    "REC": _recurrence("REC", undefined=""),
    "DET": _recurrence("DET"),
    "LAM": _recurrence("LAM"),
}
"""Numbers by the name that a report gives them, in its order."""
