"""Score a model on a data set: averages, intervals, reports."""

from foregaze.evaluation.evaluate import REPORTED, evaluate
from foregaze.evaluation.gold_standard import GoldStandard
from foregaze.evaluation.report import Metric, Report, Scores, merge, read_report

__all__ = [
    "REPORTED",
    "GoldStandard",
    "Metric",
    "Report",
    "Scores",
    "evaluate",
    "merge",
    "read_report",
]
