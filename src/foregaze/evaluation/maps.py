"""The saliency maps of one prediction, each made when a metric first asks for it."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Real

from foregaze.errors import ShapeError
from foregaze.metrics import BestMap
from foregaze.metrics.checks import to_numpy
from foregaze.ops.best_maps import auc_map, blurred_map, density_map, shuffled_auc_map, sim_map
from foregaze.types import Array, Size

DENSITY_TOLERANCE = 1e-3
"""Largest |logsumexp| of a log density, in nats; the MIT/Tübingen benchmark's."""


@dataclass(frozen=True)
class EmpiricalMaps:
    """How the empirical maps are made that CC, KLDiv, SIM and EMD compare with."""

    sigma_px: float
    """Of their Gaussian kernel."""
    fixations: int
    """In one map: the data set's mean per image, which the best map for SIM depends on."""


class PredictedMaps:
    """What a model predicts for some fixations: a log density, a saliency map, or both.

    A saliency map, where there is one, is used as it is by every metric that takes a map; else
    each metric gets the map of the density that it rewards most.

    Args:
        log_density: Nats; `exp` sums to one. An array or a tensor.
        saliency_map: Any scale; as `log_density`.
    """

    def __init__(
        self,
        log_density: Float[Array, "H W"] | None = None,
        saliency_map: Real[Array, "H W"] | None = None,
    ) -> None:
        self.log_density = None if log_density is None else to_numpy(log_density)
        self.saliency_map = None if saliency_map is None else to_numpy(saliency_map)
        self._made: dict[tuple[str, EmpiricalMaps], Float[np.ndarray, "H W"]] = {}

    def best(
        self,
        kind: BestMap,
        empirical: EmpiricalMaps,
        centerbias: Float[np.ndarray, "H W"] | None,
    ) -> Float[np.ndarray, "H W"] | None:
        """The map for a metric; None for sAUC's where there is no center bias."""
        if self.saliency_map is not None:
            return self.saliency_map
        assert self.log_density is not None
        if kind == "auc":
            return self.log_density  # its order is all that counts, and it need not be ranked
        if kind in ("shuffled_auc", "shuffled_auc_equalized"):
            if centerbias is None:
                return None
            ratio = shuffled_auc_map(self.log_density, centerbias)
            return ratio if kind == "shuffled_auc" else auc_map(ratio)
        if (kind, empirical) not in self._made:
            self._made[kind, empirical] = self._make(kind, self.log_density, empirical)
        return self._made[kind, empirical]

    def check(self, size: Size, where: str) -> None:
        """Refuse what is no prediction for an image of a size.

        Raises:
            ShapeError: Naming model and image, if a shape is another, a value is not finite, or a
                density does not sum to one.
        """
        for values, what in (
            (self.log_density, "log density"),
            (self.saliency_map, "saliency map"),
        ):
            if values is not None and values.shape != size:
                raise ShapeError(f"{where}: {what} has shape {values.shape}, the image has {size}")
        if self.saliency_map is not None:
            _check_finite(self.saliency_map, where, "values of the saliency map", "")
        if self.log_density is not None:
            _check_density(self.log_density, where)

    def _make(
        self, kind: BestMap, log_density: Float[np.ndarray, "H W"], empirical: EmpiricalMaps
    ) -> Float[np.ndarray, "H W"]:
        if kind == "density":
            return density_map(log_density)
        if kind == "auc_equalized":
            return auc_map(log_density)
        if kind == "blurred":
            return blurred_map(log_density, empirical.sigma_px)
        return sim_map(log_density, empirical.sigma_px, empirical.fixations)


def log_sum(values: Float[np.ndarray, "H W"]) -> float:
    """Log of the sum of `exp` of an array; infinite if its largest value is not finite."""
    peak = float(values.max())
    if not math.isfinite(peak):
        return math.inf
    shifted = np.subtract(values, peak, dtype=np.float64)
    return peak + math.log(np.exp(shifted, out=shifted).sum())


def _check_density(log_density: Float[np.ndarray, "H W"], where: str) -> None:
    hint = "; a density must be positive everywhere (a little uniform density helps)"
    _check_finite(log_density, where, "log densities", hint)
    total = log_sum(log_density)
    if abs(total) > DENSITY_TOLERANCE:
        raise ShapeError(
            f"{where}: exp of the log density sums to {math.exp(min(total, 700.0)):.6g} instead "
            "of 1: subtract its logsumexp, and give natural logs"
        )


def _check_finite(values: Float[np.ndarray, "H W"], where: str, what: str, hint: str) -> None:
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        raise ShapeError(
            f"{where}: {wrong} of {values.size} {what} are infinite or no number{hint}"
        )
