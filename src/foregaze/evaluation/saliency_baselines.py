"""Classical models that give saliency maps and need no training."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8

from foregaze.models.spectral_residual import spectral_residual

SALIENCY_BASELINES: dict[str, Callable[[UInt8[np.ndarray, "H W 3"]], Float[np.ndarray, "H W"]]] = {
    "spectral-residual": spectral_residual
}
"""Saliency map of an image, by the model's name."""
