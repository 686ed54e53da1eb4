"""A data set's gold standard with its mixture chosen by cross-validation over images.

Within an image every observer is predicted from the others (see `gold_standard`); the weights of
the mixture maximize that likelihood on the images of the other folds (the center bias in it is that
of all images but the predicted one). Given the weights nothing
else is free, and they have one best value, so the bandwidths need no search: the mixture holds
kernels of many widths, and those that do not help get no weight.

Letters: `I` images, `K` components of the mixture.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from foregaze.errors import DataError
from foregaze.evaluation.centerbias_fit import IMAGES, FittedCenterBias, spread
from foregaze.evaluation.gold_standard import (
    GoldStandard,
    component_densities,
    other_observers,
)
from foregaze.ops.mixture import mixture_weights
from foregaze.types import EyeTrackingDataset

SIGMAS_PX = (5.0, 8.0, 12.0, 17.0, 25.0, 36.0, 50.0)
"""Candidate kernel widths, in pixels of an image 800 wide."""
REFERENCE_WIDTH = 800
FIXATIONS = 400
"""Of one image that the mixture is fitted on, at most."""
_NEGLIGIBLE = 1e-3
"""Smaller weights of a kernel are left out."""
_LEAST_UNIFORM = 1e-5
"""The density is positive everywhere, whatever the fixations at hand would allow."""


@dataclass(frozen=True, eq=False)
class FittedGoldStandard:
    """A gold standard for the images of each fold, from the images of the others."""

    fold_of: Int[np.ndarray, " I"]
    by_fold: tuple[GoldStandard, ...]

    def on(self, image: int) -> GoldStandard:
        """The gold standard for one image."""
        return self.by_fold[int(self.fold_of[image])]

    def describe(self) -> str:
        """The first fold's parameters in words, for a report."""
        return (
            "each observer from the others on the image, "
            f"{self.by_fold[0].describe()}, weights chosen on the images of the other folds "
            "(those of fold 0 are given)"
        )


def fit_gold_standard(
    dataset: EyeTrackingDataset, centerbias: FittedCenterBias, *, one_bandwidth: bool = False
) -> FittedGoldStandard:
    """Choose a data set's gold standard by cross-validation over images.

    Args:
        dataset: Its evidence fixations are predicted.
        centerbias: Part of the mixture.
        one_bandwidth: Mix kernels of a single width, the best one, instead of several.

    Raises:
        DataError: If images with fixations of two observers are too few.
    """
    parts, counts, image = _leave_one_out_components(dataset, centerbias)
    fold_of = centerbias.fold_of
    by_fold = []
    for fold in range(fold_of.max() + 1):
        rows = fold_of[image] != fold
        if not rows.any():
            raise DataError(
                f"{dataset.name}: too few images have fixations of two observers to choose a gold "
                "standard"
            )
        choices: Iterable[tuple[float, ...]] = (
            [(sigma_px,) for sigma_px in SIGMAS_PX] if one_bandwidth else [SIGMAS_PX]
        )
        fits = [_fit(parts[rows], counts[rows], sigmas_px) for sigmas_px in choices]
        by_fold.append(max(fits, key=lambda fit: fit[0])[1])
    return FittedGoldStandard(fold_of, tuple(by_fold))


def _leave_one_out_components(
    dataset: EyeTrackingDataset, centerbias: FittedCenterBias
) -> tuple[Float[np.ndarray, "N K"], Float[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """Densities of all components at all fixations; what each counts, and its image.

    A fixation counts one over the number on its image, so that images weigh alike. At most
    `IMAGES` images are taken, and of each at most `FIXATIONS` fixations, both evenly spread.
    """
    parts, counts, image = [], [], []
    on_image = dataset.evidence_by_image()
    usable = np.array([i for i, f in enumerate(on_image) if len(np.unique(f.observer)) > 1], int)
    for index in spread(usable, IMAGES).tolist():
        fixations = on_image[index]
        fixations = fixations.where(spread(np.arange(len(fixations)), FIXATIONS))
        if len(np.unique(fixations.observer)) < 2:
            continue
        name = dataset.stimuli.names[index]
        parts.append(
            component_densities(
                fixations,
                centerbias.log_density(dataset.stimuli.sizes[index], exclude=index),
                other_observers(fixations, name),
                SIGMAS_PX,
                REFERENCE_WIDTH,
            )
        )
        counts.append(np.full(len(fixations), 1 / len(fixations)))
        image.append(np.full(len(fixations), index))
    if not parts:
        raise DataError(
            f"{dataset.name}: no image has evidence fixations of two observers, "
            "which a gold standard needs"
        )
    # relative to uniform, so that images of all sizes share one likelihood
    relative = [part / part[:, -1:] for part in parts]
    return np.concatenate(relative), np.concatenate(counts), np.concatenate(image)


def _fit(
    parts: Float[np.ndarray, "N K"], counts: Float[np.ndarray, " N"], sigmas_px: tuple[float, ...]
) -> tuple[float, GoldStandard]:
    """The best mixture of some kernel widths, after its log-likelihood."""
    used = [SIGMAS_PX.index(sigma_px) for sigma_px in sigmas_px]
    columns = [*used, parts.shape[1] - 2, parts.shape[1] - 1]
    weights = mixture_weights(parts[:, columns], counts)
    kept = weights[:-2] >= _NEGLIGIBLE
    columns = [column for column, keep in zip(used, kept, strict=True) if keep]
    columns += [parts.shape[1] - 2, parts.shape[1] - 1]
    weights = mixture_weights(parts[:, columns], counts)
    weights[-1] = max(weights[-1], _LEAST_UNIFORM)
    weights /= weights.sum()
    likelihood = float(counts @ np.log(parts[:, columns] @ weights))
    return likelihood, GoldStandard(
        sigmas_px=tuple(SIGMAS_PX[column] for column in columns[:-2]),
        kernel_weights=tuple(float(weight) for weight in weights[:-2]),
        centerbias_weight=float(weights[-2]),
        uniform_weight=float(weights[-1]),
        reference_width=REFERENCE_WIDTH,
    )
