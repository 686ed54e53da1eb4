"""Baselines and bounds as models like any other.

| name | density | parameters |
| --- | --- | --- |
| uniform | the same on every pixel | none |
| centerbias | kernel density of the other images' fixations | two, chosen across folds |
| gaussian-centerbias | Gaussian of the other images' fixations | their mean and spread |
| gold-standard | other observers on the image, kernels of several widths | mixture, across folds |
| gold-standard-one-bandwidth | the same with the best single width | the same |
| joint-bound | all observers on the image, the scored one too | those of gold-standard |
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from foregaze.errors import DataError
from foregaze.evaluation.gold_fit import FittedGoldStandard, fit_gold_standard
from foregaze.evaluation.maps import PredictedMaps
from foregaze.evaluation.models import Case, Group, Predict, ScoredModel, SpatialModel
from foregaze.evaluation.references import References
from foregaze.types import Size

GAUSSIAN_UNIFORM_WEIGHT = 0.01
"""Share of the uniform density beside the Gaussian."""


@dataclass(frozen=True, eq=False)
class _OneMap:
    """A baseline with one density per image, which depends on the evidence."""

    name: str
    density: Callable[[Case], Float[np.ndarray, "H W"]]
    notes: tuple[str, ...] = ()
    identity: str = "baseline"
    one_map_per_image: bool = True

    def on(self, image: int) -> Predict:
        """See `ScoredModel`."""

        def groups(case: Case) -> Iterator[Group]:
            rows = np.ones(len(case.fixations), dtype=bool)
            yield Group(rows, PredictedMaps(self.density(case)))

        return groups


@dataclass(eq=False)
class _LeaveOneObserverOut:
    """A gold standard: each observer's fixations are predicted from the others'."""

    name: str
    references: References
    one_bandwidth: bool = False
    identity: str = "baseline"
    one_map_per_image: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        parameters = (self._gold.describe(),) if self.one_bandwidth else ()
        return (*parameters, "one map per observer, none for all that looked at an image")

    @cached_property
    def _gold(self) -> FittedGoldStandard:
        if not self.one_bandwidth:
            return _gold_of(self.references)
        if self.references.centerbias is None:
            raise DataError(self.references.absent["centerbias"])
        return fit_gold_standard(
            self.references.dataset, self.references.centerbias, one_bandwidth=True
        )

    def on(self, image: int) -> Predict:
        """See `ScoredModel`."""
        gold = self._gold.on(image)

        def groups(case: Case) -> Iterator[Group]:
            centerbias = _centerbias(case)
            for rows, log_density in gold.by_observer(case.fixations, centerbias, case.image_name):
                yield Group(rows, PredictedMaps(log_density))

        return groups


def _uniform(references: References) -> SpatialModel:
    @cache  # a data set has few sizes, and the maps of one are made once
    def maps(size: Size) -> PredictedMaps:
        return PredictedMaps(np.full(size, -math.log(size[0] * size[1])))

    return SpatialModel(
        "uniform",
        lambda image: maps(references.dataset.stimuli.sizes[image]),
        identity="baseline",
    )


def _centerbias(case: Case) -> Float[np.ndarray, "H W"]:
    log_density = case.references.centerbias_on(case.image)
    if log_density is None:
        raise DataError(case.references.absent["centerbias"])
    return log_density


def _joint_bound(case: Case) -> Float[np.ndarray, "H W"]:
    gold = _gold_of(case.references).on(case.image)
    return gold.log_density(case.fixations, _centerbias(case))


def _gaussian_centerbias(case: Case) -> Float[np.ndarray, "H W"]:
    x, y = case.references.other_fixations(case.image)
    if not len(x):
        raise DataError(f"{case.image_name}: no other image has evidence fixations")
    return gaussian_log_density(x + 0.5, y + 0.5, case.references.dataset.stimuli.sizes[case.image])


def gaussian_log_density(
    x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"], size: Size
) -> Float[np.ndarray, "H W"]:
    """Log density in nats of the Gaussian with the fixations' mean and spread in x and in y.

    Independent in x and y, at the pixel centers, with 1% uniform density.

    Args:
        x: Positions in pixels from the left.
        y: Positions in pixels from the top.
        size: (H, W) of the density.
    """
    scores = 0.0
    for positions, length, shape in ((y, size[0], (-1, 1)), (x, size[1], (1, -1))):
        deviation = max(float(positions.std()), 1.0)
        z = (np.arange(length) + 0.5 - positions.mean()) / deviation
        scores = scores - 0.5 * z.reshape(shape) ** 2
    density = np.exp(scores - logsumexp(scores)) * (1 - GAUSSIAN_UNIFORM_WEIGHT)
    log_density: Float[np.ndarray, "H W"] = np.log(density + GAUSSIAN_UNIFORM_WEIGHT / density.size)
    return log_density


def _gold_of(references: References) -> FittedGoldStandard:
    if references.gold is None:
        raise DataError(references.absent["gold"])
    return references.gold


BASELINES: dict[str, Callable[[References], ScoredModel]] = {
    "uniform": _uniform,
    "centerbias": lambda references: _OneMap("centerbias", _centerbias),
    "gaussian-centerbias": lambda references: _OneMap(
        "gaussian-centerbias",
        _gaussian_centerbias,
        ("mean and spread of all other images' fixations, 1% uniform",),
    ),
    "gold-standard": lambda references: _LeaveOneObserverOut("gold-standard", references),
    "gold-standard-one-bandwidth": lambda references: _LeaveOneObserverOut(
        "gold-standard-one-bandwidth", references, one_bandwidth=True
    ),
    "joint-bound": lambda references: _OneMap(
        "joint-bound",
        _joint_bound,
        ("sees the fixations that it is scored on: no model can honestly be expected to reach it",),
    ),
}
"""Baselines by name, each made from a data set's references."""
