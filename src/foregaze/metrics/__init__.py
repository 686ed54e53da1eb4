"""Metrics: pure functions from a map and fixated pixels to a value per fixation or per image.

Each takes one image's map or a batch of maps, and gives values by fixation or by map. The caller
averages: over an image's fixations first, then over images. A metric states what it needs by the
names of its arguments, and `foregaze.evaluation` hands it over by these names:
`log_density`, `baseline_log_density`, `saliency_map` (the one that is best for the metric),
`empirical_map`, `baseline_map`, fixations `x`, `y` and those of other images `other_x`, `other_y`.
Names that end in `_mit` (and AUC-Judd, AUC-Borji) are the definitions of the MIT benchmark's
MATLAB code; the others are those of the MIT/Tübingen benchmark.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from foregaze.metrics.auc import auc
from foregaze.metrics.auc_borji import auc_borji
from foregaze.metrics.auc_judd import auc_judd
from foregaze.metrics.cc import cc
from foregaze.metrics.checks import ConstantMapError, NoFixationError
from foregaze.metrics.emd import emd
from foregaze.metrics.information_gain import (
    information_gain,
    information_gain_explained,
    information_gain_mit,
)
from foregaze.metrics.kldiv import kldiv
from foregaze.metrics.log_likelihood import log_likelihood
from foregaze.metrics.nss import nss, nss_mit
from foregaze.metrics.shuffled_auc import shuffled_auc, shuffled_auc_mit
from foregaze.metrics.sim import sim, sim_mit

BestMap = Literal[
    "density", "auc", "auc_equalized", "shuffled_auc", "shuffled_auc_equalized", "blurred", "sim"
]
"""The saliency map of a density that a metric rewards most (see `foregaze.ops.best_maps`)."""


@dataclass(frozen=True)
class MetricEntry:
    """A metric as a report uses it."""

    function: Callable[..., Any]
    description: str
    unit: str
    best_map: BestMap | None = None
    """None where the metric takes the log density itself."""
    less_is_better: bool = False
    mit_empirical_map: bool = False
    """Compared with the old MIT benchmark's empirical map instead of the benchmark's."""


METRICS: dict[str, MetricEntry] = {
    "LL": MetricEntry(log_likelihood, "log-likelihood over uniform", "bits per fixation"),
    "IG": MetricEntry(
        information_gain, "information gain over the center bias", "bits per fixation"
    ),
    "NSS": MetricEntry(nss, "normalized scanpath saliency", "standard deviations", "density"),
    "AUC": MetricEntry(auc, "all pixels as negatives", "area", "auc"),
    "sAUC": MetricEntry(
        shuffled_auc, "other images' fixations as negatives", "area", "shuffled_auc"
    ),
    "CC": MetricEntry(cc, "correlation with the empirical map", "correlation", "blurred"),
    "KLDiv": MetricEntry(
        kldiv, "divergence from the empirical map", "nats", "blurred", less_is_better=True
    ),
    "SIM": MetricEntry(sim, "mass shared with the empirical map", "share", "sim"),
    "EMD": MetricEntry(
        emd,
        "mass times distance to the MIT empirical map",
        "32 px",
        "blurred",
        less_is_better=True,
        mit_empirical_map=True,
    ),
    "AUC-Judd": MetricEntry(auc_judd, "unfixated pixels as negatives", "area", "auc_equalized"),
    "AUC-Borji": MetricEntry(auc_borji, "random pixels as negatives", "area", "auc_equalized"),
    "sAUC-MIT": MetricEntry(
        shuffled_auc_mit,
        "ten other images' fixated pixels as negatives",
        "area",
        "shuffled_auc_equalized",
    ),
    "NSS-MIT": MetricEntry(
        nss_mit, "NSS of distinct pixels, N - 1", "standard deviations", "density"
    ),
    "SIM-MIT": MetricEntry(
        sim_mit, "SIM of maps scaled from 0 to 1", "share", "sim", mit_empirical_map=True
    ),
    "IG-MIT": MetricEntry(
        information_gain_mit, "gain of maps scaled from 0 to 1", "bits per pixel", "density"
    ),
}
"""Metrics by the name that a report gives them."""

CLASSICAL = ("AUC-Judd", "AUC-Borji", "sAUC-MIT", "NSS-MIT", "SIM-MIT", "IG-MIT", "EMD")
"""Metrics of the older MIT benchmark, reported when asked for."""

__all__ = [
    "CLASSICAL",
    "METRICS",
    "BestMap",
    "ConstantMapError",
    "MetricEntry",
    "NoFixationError",
    "auc",
    "auc_borji",
    "auc_judd",
    "cc",
    "emd",
    "information_gain",
    "information_gain_explained",
    "information_gain_mit",
    "kldiv",
    "log_likelihood",
    "nss",
    "nss_mit",
    "shuffled_auc",
    "shuffled_auc_mit",
    "sim",
    "sim_mit",
]
