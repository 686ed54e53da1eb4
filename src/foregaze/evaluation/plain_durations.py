"""Fixation durations that know nothing of image and history: log-normal, of training viewers.

What a model of durations is compared with, and what scanpaths of models without durations get.
`n` scanpaths, `L` fixations of each, `Q` quantiles.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from foregaze.errors import DataError
from foregaze.evaluation.scanpaths import scanpaths_by_image
from foregaze.inference.viewing_time import cut_viewing, draw_viewing_ms
from foregaze.scanpath_metrics import Scanpath
from foregaze.types import EyeTrackingDataset

_QUANTILES = 101


@dataclass(frozen=True, eq=False)
class PlainDurations:
    """Every fixation's duration is drawn from one log-normal density; see `fit_durations`."""

    mean_log_ms: float
    deviation_log_ms: float
    viewing_ms: Float[np.ndarray, " Q"]
    """Evenly spaced quantiles of a viewer's fixation time on an image, the ends included."""

    def log_prob(self, duration_ms: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """Log density of durations above zero, in nats per millisecond."""
        logarithm = np.log(duration_ms)
        z = (logarithm - self.mean_log_ms) / self.deviation_log_ms
        nats: Float[np.ndarray, " N"] = (
            -0.5 * z**2 - math.log(self.deviation_log_ms * math.sqrt(2 * math.pi)) - logarithm
        )
        return nats

    def endless(
        self, paths: Float[np.ndarray, "n L 2"], generator: np.random.Generator
    ) -> list[Scanpath]:
        """Paths with drawn durations, all fixations kept."""
        drawn = np.exp(
            generator.normal(self.mean_log_ms, self.deviation_log_ms, size=paths.shape[:2])
        )
        return [
            Scanpath(path[:, 0], path[:, 1], duration_ms)
            for path, duration_ms in zip(paths, drawn, strict=True)
        ]

    def ended(self, scanpaths: list[Scanpath], generator: np.random.Generator) -> list[Scanpath]:
        """Scanpaths cut where the time of a viewer is over, which is drawn for each.

        One that is shorter than that stays whole.
        """
        budgets = draw_viewing_ms(self.viewing_ms, len(scanpaths), generator)
        return [cut_viewing(one, ms) for one, ms in zip(scanpaths, budgets.tolist(), strict=True)]

    def viewings(
        self, paths: Float[np.ndarray, "n L 2"], generator: np.random.Generator
    ) -> list[Scanpath]:
        """Paths with drawn durations, cut where the time of a viewer is over.

        Args:
            paths: x and y in pixels, of more fixations than viewers make: see `ended`.
            generator: Source of all randomness.
        """
        return self.ended(self.endless(paths, generator), generator)


def fit_durations(dataset: EyeTrackingDataset) -> PlainDurations:
    """The log-normal density of fixation durations, and how long viewers look.

    Last fixations of scanpaths tell nothing of durations, as recording may have cut them.

    Raises:
        DataError: If a duration is not known or not above zero, or there are fewer than two
            fixations that are not the last.
    """
    scanpaths = [one for group in scanpaths_by_image(dataset.fixations).values() for one in group]
    durations = np.concatenate([np.empty(0), *(one.duration_ms for one in scanpaths)])
    if not (durations > 0).all():
        raise DataError(f"{dataset.name}: a fixation's duration is not known, or not above zero")
    whole = np.concatenate([np.empty(0), *(one.duration_ms[:-1] for one in scanpaths)])
    if len(whole) < 2:
        raise DataError(f"{dataset.name}: too few fixations to fit durations to")
    logarithm = np.log(whole)
    totals = [one.duration_ms.sum() for one in scanpaths]
    return PlainDurations(
        mean_log_ms=float(logarithm.mean()),
        deviation_log_ms=float(logarithm.std()),
        viewing_ms=np.quantile(totals, np.linspace(0, 1, _QUANTILES)),
    )
