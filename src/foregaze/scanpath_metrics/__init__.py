"""Similarity of scanpaths: pure functions from two sequences of fixations to a number.

One file per metric; each has a function for one pair, which raises where the metric is not
defined, and most have one for many pairs, which is fast and gives NaN there.
"""

from foregaze.scanpath_metrics.dtw import dynamic_time_warping
from foregaze.scanpath_metrics.levenshtein import levenshtein, string_edit_distance
from foregaze.scanpath_metrics.multimatch import multimatch
from foregaze.scanpath_metrics.recurrence import cross_recurrence
from foregaze.scanpath_metrics.registry import SCANPATH_METRICS, ScanpathMetric
from foregaze.scanpath_metrics.scanmatch import ScanMatchSetting, scanmatch
from foregaze.scanpath_metrics.scanpath import (
    NoDurationsError,
    NoSymbolsError,
    Scanpath,
    TooShortError,
    UndefinedScoreError,
)
from foregaze.scanpath_metrics.sequence_score import mean_shift, sequence_score
from foregaze.scanpath_metrics.time_delay import scaled_time_delay_similarity, time_delay_distance
from foregaze.scanpath_metrics.typical import most_typical

__all__ = [
    "SCANPATH_METRICS",
    "NoDurationsError",
    "NoSymbolsError",
    "ScanMatchSetting",
    "Scanpath",
    "ScanpathMetric",
    "TooShortError",
    "UndefinedScoreError",
    "cross_recurrence",
    "dynamic_time_warping",
    "levenshtein",
    "mean_shift",
    "most_typical",
    "multimatch",
    "scaled_time_delay_similarity",
    "scanmatch",
    "sequence_score",
    "string_edit_distance",
    "time_delay_distance",
]
