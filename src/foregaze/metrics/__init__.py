"""Metrics: pure functions from a log density and fixated pixels to one value per fixation.

The caller averages: over an image's fixations first, then over images. A metric states what it
needs by the names of its arguments (`log_density`, `baseline_log_density`, `x`, `y`), and
`foregaze.evaluation` hands it over by these names.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from foregaze.metrics.auc import auc
from foregaze.metrics.checks import ConstantMapError
from foregaze.metrics.information_gain import information_gain
from foregaze.metrics.log_likelihood import log_likelihood
from foregaze.metrics.nss import nss

METRICS: dict[str, Callable[..., Float[np.ndarray, " N"]]] = {
    "LL": log_likelihood,
    "IG": information_gain,
    "NSS": nss,
    "AUC": auc,
}
"""Metrics by the name that a report gives them."""

__all__ = ["METRICS", "ConstantMapError", "auc", "information_gain", "log_likelihood", "nss"]
