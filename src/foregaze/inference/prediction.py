"""What a model says of one image."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter

from foregaze.errors import UnknownNameError
from foregaze.ops.logdensity import sample_pixels

_EMPIRICAL_BLUR = 24 / 1024
"""Blur of empirical maps on MIT1003, as a share of the longer image side (spec: 24 px of 1024)."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """A fixation density over the pixels of one image."""

    log_density: Float32[np.ndarray, "H W"]
    """Nats; `exp` sums to one. Row 0 is the top."""

    def saliency_map(self, metric: str = "nss") -> Float[np.ndarray, "H W"]:
        """The map that scores best on a metric if fixations follow the density.

        Kümmerer, Wallis & Bethge (2018), "Saliency benchmarking made easy".

        Args:
            metric: "nss", "ig" or "ll" for the density itself; "auc" for the log density (any
                increasing function of the density does); "cc" or "kldiv" for the density blurred
                as empirical maps are (24 px where the longer side has 1024).

        Raises:
            UnknownNameError: If there is no rule for the metric.
        """
        if metric.lower() not in _MAPS:
            raise UnknownNameError("metric", metric, _MAPS)
        return _MAPS[metric.lower()](self.log_density)

    def sample(self, n: int, seed: int | None = None) -> Float[np.ndarray, "{n} 2"]:
        """Fixations drawn independently from the density, as rows of x, y in pixels.

        The same seed gives the same fixations; None draws anew.
        """
        return sample_pixels(self.log_density, n, np.random.default_rng(seed))


def _density(log_density: Float32[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    return np.exp(log_density.astype(np.float64))


def _blurred(log_density: Float32[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    sigma_px = _EMPIRICAL_BLUR * max(log_density.shape)
    blurred: Float[np.ndarray, "H W"] = gaussian_filter(
        _density(log_density), sigma_px, mode="constant"
    )
    return blurred


def _logarithm(log_density: Float32[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    return log_density.astype(np.float64)


_MAPS: dict[str, Callable[[Float32[np.ndarray, "H W"]], Float[np.ndarray, "H W"]]] = {
    "ll": _density,
    "ig": _density,
    "nss": _density,
    "auc": _logarithm,
    "cc": _blurred,
    "kldiv": _blurred,
}
