"""Score a model on a data set: averages, intervals, reports."""

from foregaze.evaluation.baselines import BASELINES
from foregaze.evaluation.evaluate import KNOWN, REPORTED, evaluate
from foregaze.evaluation.gold_standard import GoldStandard
from foregaze.evaluation.models import ScanpathModel, ScoredModel, SpatialModel
from foregaze.evaluation.references import References, fit_references
from foregaze.evaluation.report import Metric, Report, Scores, merge, read_report

__all__ = [
    "BASELINES",
    "KNOWN",
    "REPORTED",
    "GoldStandard",
    "Metric",
    "References",
    "Report",
    "ScanpathModel",
    "ScoredModel",
    "Scores",
    "SpatialModel",
    "evaluate",
    "fit_references",
    "merge",
    "read_report",
]
