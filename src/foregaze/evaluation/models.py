"""What can be scored: anything that predicts maps for the fixations on an image.

Most models have one map per image. A gold standard has one per observer, a scanpath model one per
fixation: so a model cuts an image's fixations into groups, and gives each group its map.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from foregaze.evaluation.maps import PredictedMaps
from foregaze.evaluation.references import References
from foregaze.types import EyeTrackingDataset, Fixations


@dataclass(frozen=True, eq=False)
class Case:
    """The fixations of one image that are to be predicted."""

    image: int
    fixations: Fixations
    references: References

    @property
    def image_name(self) -> str:
        """For messages."""
        return self.references.dataset.stimuli.names[self.image]


@dataclass(frozen=True, eq=False)
class Group:
    """Fixations that one prediction is for."""

    rows: Bool[np.ndarray, " N"]
    maps: PredictedMaps


Predict = Callable[[Case], Iterator[Group]]
"""Predicts the fixations of a case, every one in one group."""


@runtime_checkable
class ScoredModel(Protocol):
    """A model as an evaluation sees it."""

    @property
    def name(self) -> str:
        """What the report calls it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of its numbers must know."""

    @property
    def identity(self) -> str:
        """Differs where its predictions may: kept scores of another identity are not used."""

    @property
    def one_map_per_image(self) -> bool:
        """Whether CC, KLDiv and SIM, which compare maps of an image, can be had."""

    def on(self, image: int) -> Predict:
        """Everything about one image that does not depend on the fixations is done here."""


@dataclass(frozen=True, eq=False)
class SpatialModel:
    """A model with one prediction per image."""

    name: str
    predict: Callable[[int], Float[np.ndarray, "H W"] | PredictedMaps]
    """Log density in nats of the image with an index, or several maps of it."""
    notes: tuple[str, ...] = ()
    identity: str = ""
    """See `ScoredModel`; only a journal asks for it."""
    one_map_per_image: bool = True

    def on(self, image: int) -> Predict:
        """See `ScoredModel`."""
        predicted = self.predict(image)
        maps = predicted if isinstance(predicted, PredictedMaps) else PredictedMaps(predicted)

        def groups(case: Case) -> Iterator[Group]:
            yield Group(np.ones(len(case.fixations), dtype=bool), maps)

        return groups


@dataclass(frozen=True, eq=False)
class ScanpathModel:
    """A model of the next fixation, given the image and the fixations before.

    Every number is conditional: LL, IG, NSS and AUC of each fixation under the density that its
    own history gives.
    """

    name: str
    dataset: EyeTrackingDataset
    """Where histories are looked up, first fixations included."""
    predict: Callable[
        [int, Float[np.ndarray, " T"], Float[np.ndarray, " T"]], Float[np.ndarray, "H W"]
    ]
    """Log density in nats on the image with an index after `x_hist` and `y_hist`, oldest first."""
    notes: tuple[str, ...] = ("each fixation is predicted from those before it",)
    identity: str = ""
    one_map_per_image: bool = False

    def on(self, image: int) -> Predict:
        """See `ScoredModel`."""
        here = self.dataset.subset([image])
        longest = int(here.fixations.order.max(initial=0))
        x_hist, y_hist = here.history(longest)
        scanpaths = here.fixations
        row_of = {
            (observer, order): row
            for row, (observer, order) in enumerate(
                zip(scanpaths.observer.tolist(), scanpaths.order.tolist(), strict=True)
            )
        }

        def groups(case: Case) -> Iterator[Group]:
            keys = zip(case.fixations.observer.tolist(), case.fixations.order.tolist(), strict=True)
            for i, key in enumerate(keys):
                known = ~np.isnan(x_hist[row_of[key]])
                log_density = self.predict(
                    image, x_hist[row_of[key]][known], y_hist[row_of[key]][known]
                )
                yield Group(np.arange(len(case.fixations)) == i, PredictedMaps(log_density))

        return groups
