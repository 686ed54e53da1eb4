"""A data set's center bias with its two parameters chosen by cross-validation over images.

Every image's density comes from the other images (see `foregaze.data.centerbias`). Its bandwidth
and uniform share are those with the best mean log-likelihood on the images of the other folds, each
under the density of the rest of these folds: an image has a say in neither its own density nor its
parameters.

Letters: `I` images, `P` candidate parameters, `G` folds.
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
IMAGES = 600
"""Images that parameters are fitted on, at most."""
SIGMAS_PX = (14.0, 18.0, 22.0, 26.0, 31.0, 37.0, 45.0, 60.0, 90.0, 140.0)
"""Candidate bandwidths, in pixels of an image 800 wide."""
UNIFORM_WEIGHTS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)


@dataclass(frozen=True)
class CenterBiasParameters:
    """One choice of the two."""

    sigma_px: float
    uniform_weight: float


UNFITTED = CenterBiasParameters(26.0, 0.001)
"""OSIE's, for data sets with too few images to choose by."""


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
        how = "chosen on the images of the other folds"
        if set(self.chosen) == {UNFITTED}:
            how = "OSIE's values: there are too few images to choose by"
        return (
            f"kernel density of all other images' fixations, {widths} px where an image is 800 px "
            f"wide, {uniform}% uniform ({how})"
        )


def fit_centerbias(dataset: EyeTrackingDataset) -> FittedCenterBias:
    """Choose a data set's center bias by cross-validation over images, of which it takes three.

    Raises:
        DataError: If there are not two pictures with evidence fixations.
    """
    fold_of = folds_for_fitting(dataset)
    if len(np.unique(fold_of[dataset.evidence().image])) < 2:
        raise DataError(
            f"{dataset.name}: there is no center bias without evidence fixations on another image"
        )
    scores = _scores(dataset, fold_of)  # (G, P, I)
    candidates = [CenterBiasParameters(*pair) for pair in product(SIGMAS_PX, UNIFORM_WEIGHTS)]
    chosen = []
    for fold, of_fold in enumerate(scores):
        scored = ~np.isnan(of_fold[0]) & (fold_of != fold)
        if not scored.any():  # fewer than three pictures
            chosen.append(UNFITTED)
        else:
            chosen.append(candidates[int(of_fold[:, scored].mean(1).argmax())])
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


def _scores(
    dataset: EyeTrackingDataset, fold_of: Int[np.ndarray, " I"]
) -> Float[np.ndarray, "G P I"]:
    """For each fold the mean log density at each image's fixations, in nats, had it no data.

    That is under the density of the images outside the fold, other than the image itself. At most
    `IMAGES` images are scored, spread over the data set; all count at the size of the first, by
    relative position. NaN for the rest, and where there is nothing to score or to score with.
    """
    size = dataset.stimuli.sizes[0]
    uniform = 1 / (size[0] * size[1])
    weights = np.array(UNIFORM_WEIGHTS)[:, None]
    folds = int(fold_of.max()) + 1
    scores = np.full((folds, len(SIGMAS_PX), len(UNIFORM_WEIGHTS), len(dataset)), np.nan)
    with_fixations = np.flatnonzero([len(found) for found in dataset.evidence_by_image()])
    scored = spread(with_fixations, IMAGES)
    for s, sigma_px in enumerate(SIGMAS_PX):
        centerbias = CenterBias(dataset, sigma_px=sigma_px, uniform_weight=0.0)
        of_fold = [
            centerbias.kernels(np.flatnonzero(fold_of == fold), size) for fold in range(folds)
        ]
        everyone = np.sum([kernels for kernels, _ in of_fold], axis=0)
        count = sum(found for _, found in of_fold)
        for image in scored.tolist():
            at, own, own_count = centerbias.at_own_fixations(image, size)
            own_fold = fold_of[image]
            for fold, (kernels, found) in enumerate(of_fold):
                left = count - own_count - found
                if fold == own_fold or left <= 0:
                    continue
                density = np.maximum(everyone[at] - kernels[at] - own, 0.0) / left
                mixed = np.log((1 - weights) * density + weights * uniform)
                scores[fold, s, :, image] = mixed.mean(1)
    return scores.reshape(folds, -1, len(dataset))


def spread(images: Int[np.ndarray, " I"], most: int) -> Int[np.ndarray, " J"]:
    """At most so many of the images, evenly spread over them."""
    step = max(1.0, len(images) / most)
    return images[(np.arange(min(most, len(images))) * step).astype(np.int64)]


def _range(values: Sequence[float], style: str) -> str:
    low, high = style.format(min(values)), style.format(max(values))
    return low if low == high else f"{low} to {high}"
