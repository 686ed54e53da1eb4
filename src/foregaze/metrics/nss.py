"""Normalized scanpath saliency."""

import numpy as np
from jaxtyping import Float, Int

from foregaze.metrics.checks import refuse_constant, values_at


def nss(
    log_density: Float[np.ndarray, "H W"], x: Int[np.ndarray, " N"], y: Int[np.ndarray, " N"]
) -> Float[np.ndarray, " N"]:
    """Density at each fixation, in standard deviations above the mean over pixels.

    Peters, Iyer, Itti & Koch (2005), Vision Research 45(18). The map is the density (`exp` of the
    argument), its standard deviation the population's (divided by H W), as in pysaliency; the old
    MIT code divides by H W - 1. 0 is chance; the scale of the map does not matter.

    Args:
        log_density: In nats.
        x: Columns of the fixations.
        y: Rows of the fixations.

    Raises:
        ConstantMapError: A constant map has no standard deviation to measure in, hence no NSS.
    """
    refuse_constant(log_density, "NSS")
    peak = log_density.max().astype(np.float64)
    density = np.exp(log_density - peak, dtype=np.float64)  # (H, W), up to a factor
    deviations: Float[np.ndarray, " N"] = (
        values_at(density, x, y) - density.mean()
    ) / density.std()
    return deviations
