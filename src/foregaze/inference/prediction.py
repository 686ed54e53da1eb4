"""What a model says of one image."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32

from foregaze.errors import ShapeError, UnknownNameError
from foregaze.ops.best_maps import auc_map, blurred_map, density_map, shuffled_auc_map, sim_map
from foregaze.ops.empirical import BLUR_SHARE
from foregaze.ops.logdensity import resample, sample_pixels

SIM_FIXATIONS = 100
"""Fixations that SIM's map is made for where none are given: those of an image of MIT1003."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """A fixation density over the pixels of one image."""

    log_density: Float32[np.ndarray, "H W"]
    """Nats; `exp` sums to one. Row 0 is the top."""
    prior: Float[np.ndarray, "h w"] | None = None
    """Log density of the center bias that went into it, on the model's own grid."""

    def saliency_map(
        self,
        metric: str = "nss",
        *,
        centerbias: Float[np.ndarray, "H W"] | None = None,
        sigma_px: float | None = None,
        fixations: int = SIM_FIXATIONS,
    ) -> Float[np.ndarray, "H W"]:
        """The map that scores best on a metric if fixations follow the density.

        Kümmerer, Wallis & Bethge (2018), "Saliency benchmarking made easy"; see
        `foregaze.ops.best_maps`.

        Args:
            metric: "nss", "ig" or "ll" for the density itself; "auc" for the equalized density;
                "sauc" for the density over the center bias; "cc", "kldiv" or "emd" for the density
                blurred as empirical maps are; "sim" for the map with the largest expected SIM.
            centerbias: For "sauc", log density in nats at the image's size; the one that the
                model predicted with where left out.
            sigma_px: For "cc", "kldiv", "emd" and "sim", the kernel of the empirical maps; 24 px
                where the longer side has 1024, in proportion else.
            fixations: For "sim", how many make an empirical map.

        Raises:
            UnknownNameError: If there is no rule for the metric.
            ShapeError: If there is no center bias to divide by, or one of another size.
        """
        if metric.lower() not in _MAPS:
            raise UnknownNameError("metric", metric, _MAPS)
        if sigma_px is None:
            sigma_px = BLUR_SHARE * max(self.log_density.shape)
        kind = _MAPS[metric.lower()]
        if kind is shuffled_auc_map:
            return shuffled_auc_map(self.log_density, self._centerbias(centerbias))
        if kind is blurred_map:
            return blurred_map(self.log_density, sigma_px)
        if kind is sim_map:
            return sim_map(self.log_density, sigma_px, fixations)
        return kind(self.log_density)

    def sample(self, n: int, seed: int | None = None) -> Float[np.ndarray, "{n} 2"]:
        """Fixations drawn independently from the density, as rows of x, y in pixels.

        The same seed gives the same fixations; None draws anew.
        """
        return sample_pixels(self.log_density, n, np.random.default_rng(seed))

    def _centerbias(self, given: Float[np.ndarray, "H W"] | None) -> Float[np.ndarray, "H W"]:
        height, width = self.log_density.shape
        if given is not None:
            if given.shape != (height, width):
                raise ShapeError(
                    f"centerbias has shape {given.shape}, expected {(height, width)}: one value "
                    "per pixel"
                )
            return given
        if self.prior is None:
            raise ShapeError(
                "the map for sAUC is the density over the center bias, and this prediction has "
                "none: give centerbias"
            )
        prior = torch.from_numpy(self.prior.astype(np.float64))[None]
        resampled: Float[np.ndarray, "H W"] = resample(prior, (height, width))[0].numpy()
        return resampled


_MAPS: dict[str, Callable[..., Float[np.ndarray, "H W"]]] = {
    "ll": density_map,
    "ig": density_map,
    "nss": density_map,
    "auc": auc_map,
    "sauc": shuffled_auc_map,
    "cc": blurred_map,
    "kldiv": blurred_map,
    "emd": blurred_map,
    "sim": sim_map,
}
