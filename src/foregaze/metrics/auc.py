"""Area under the receiver operating characteristic, all pixels as negatives."""

import numpy as np
from jaxtyping import Float, Int

from foregaze.metrics.checks import values_at


def auc(
    log_density: Float[np.ndarray, "H W"], x: Int[np.ndarray, " N"], y: Int[np.ndarray, " N"]
) -> Float[np.ndarray, " N"]:
    """Share of pixels with a smaller value than each fixated one, equal ones counted half.

    The mean over an image's fixations is the area under the curve with thresholds at all values
    (pysaliency's `AUC` with uniform nonfixations): no jitter, fixated pixels are negatives too.
    Only the order of the values matters. From 0 to 1; a constant map has 0.5.

    Args:
        log_density: Any strictly increasing function of the density does as well.
        x: Columns of the fixations.
        y: Rows of the fixations.
    """
    negatives = np.sort(log_density, axis=None)  # (H W,)
    fixated = values_at(log_density, x, y).astype(log_density.dtype)
    smaller = np.searchsorted(negatives, fixated, side="left")
    smaller_or_equal = np.searchsorted(negatives, fixated, side="right")
    return (smaller + smaller_or_equal) / (2.0 * log_density.size)
