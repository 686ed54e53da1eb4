"""A data set's center bias with its two parameters chosen by cross-validation over images.

Every image's density comes from the other images (see `foregaze.data.centerbias`). Its bandwidth
and uniform share are those with the best mean log-likelihood on the images of the other folds, so
that an image has a say in neither its own density nor its parameters.

Letters: `I` images, `P` candidate parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Int

from foregaze.data.centerbias import CenterBias
from foregaze.data.folds import assign_folds, picture_names
from foregaze.errors import DataError
from foregaze.types import EyeTrackingDataset, Size

FOLDS = 5
SIGMAS_PX = (14.0, 18.0, 22.0, 26.0, 31.0, 37.0, 45.0, 60.0, 90.0, 140.0)
"""Candidate bandwidths, in pixels of an image 800 wide."""
UNIFORM_WEIGHTS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)


@dataclass(frozen=True)
class CenterBiasParameters:
    """One choice of the two."""

    sigma_px: float
    uniform_weight: float


class FittedCenterBias:
    """Center bias of a data set, with the parameters of each image's fold.

    Args:
        dataset: Its evidence fixations make the density.
        fold_of: Fold of each image.
        chosen: Parameters for the images of each fold, chosen on the others.
    """

    def __init__(
        self,
        dataset: EyeTrackingDataset,
        fold_of: Int[np.ndarray, " I"],
        chosen: Sequence[CenterBiasParameters],
    ) -> None:
        self.fold_of = fold_of
        self.chosen = tuple(chosen)
        self._densities = {
            parameters: CenterBias(
                dataset,
                sigma_px=parameters.sigma_px,
                uniform_weight=parameters.uniform_weight,
            )
            for parameters in set(chosen)
        }

    def log_density(self, size: Size, exclude: int) -> Float[np.ndarray, "H W"]:
        """Log density in nats for one image, from all others.

        Args:
            size: (H, W) of the density.
            exclude: Index of the image that it will be used on.

        Raises:
            DataError: If no other image has evidence fixations.
        """
        parameters = self.chosen[self.fold_of[exclude]]
        return self._densities[parameters].log_density(size, exclude=exclude)

    def on(self, dataset: EyeTrackingDataset) -> "FittedCenterBias":
        """The same parameters with another choice of evidence fixations on the same stimuli."""
        return FittedCenterBias(dataset, self.fold_of, self.chosen)

    def describe(self) -> str:
        """The parameters in words, for a report."""
        widths = _range([parameters.sigma_px for parameters in self.chosen], "{:g}")
        uniform = _range([100 * parameters.uniform_weight for parameters in self.chosen], "{:g}")
        return (
            f"kernel density of all other images' fixations, {widths} px where an image is 800 px "
            f"wide, {uniform}% uniform (chosen on the images of the other folds)"
        )


def fit_centerbias(dataset: EyeTrackingDataset) -> FittedCenterBias:
    """Choose a data set's center bias by cross-validation over images.

    Raises:
        DataError: If there are not two pictures with evidence fixations.
    """
    scores = _leave_one_out_scores(dataset)  # (P, I)
    candidates = [CenterBiasParameters(*pair) for pair in product(SIGMAS_PX, UNIFORM_WEIGHTS)]
    fold_of = folds_for_fitting(dataset)
    chosen = []
    for fold in range(fold_of.max() + 1):
        elsewhere = np.nanmean(scores[:, _others(fold_of, fold, scores)], axis=1)
        chosen.append(candidates[int(elsewhere.argmax())])
    return FittedCenterBias(dataset, fold_of, chosen)


def folds_for_fitting(dataset: EyeTrackingDataset) -> Int[np.ndarray, " I"]:
    """Fold of each image: five folds by picture, or one for each where there are fewer pictures.

    Raises:
        DataError: With a single picture.
    """
    count = len(set(picture_names(dataset)))
    if count < 2:
        raise DataError(f"{dataset.name}: one picture has no others to fit a center bias to")
    return assign_folds(dataset, min(FOLDS, count))


def _others(
    fold_of: Int[np.ndarray, " I"], fold: int, scores: Float[np.ndarray, "P I"]
) -> Int[np.ndarray, " J"]:
    """Images with a score outside a fold; all with one if there is none outside."""
    scored = ~np.isnan(scores[0])
    outside = np.flatnonzero(scored & (fold_of != fold))
    return outside if len(outside) else np.flatnonzero(scored)


def _leave_one_out_scores(dataset: EyeTrackingDataset) -> Float[np.ndarray, "P I"]:
    """Mean log density at each image's fixations under the density of the others, in nats.

    All images count at the size of the first, by relative position. NaN without fixations.
    """
    size = dataset.stimuli.sizes[0]
    scores = []
    for sigma_px in SIGMAS_PX:
        densities = CenterBias(dataset, sigma_px=sigma_px, uniform_weight=0.0)
        at_fixations = [densities.others_at(image, size) for image in range(len(dataset))]
        for weight in UNIFORM_WEIGHTS:
            scores.append(
                [
                    np.log((1 - weight) * density + weight / (size[0] * size[1])).mean()
                    if len(density)
                    else np.nan
                    for density in at_fixations
                ]
            )
    return np.array(scores)


def _range(values: Sequence[float], style: str) -> str:
    low, high = style.format(min(values)), style.format(max(values))
    return low if low == high else f"{low} to {high}"
