"""What the numbers of a report are relative to: center bias, gold standard, other fixations.

One choice of evidence fixations has one set of references. Their parameters are fitted on the
evidence; the beside-standing numbers over all fixations use the same parameters.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from foregaze.data.folds import picture_names
from foregaze.errors import DataError
from foregaze.evaluation.centerbias_fit import FittedCenterBias, fit_centerbias
from foregaze.evaluation.gold_fit import FittedGoldStandard, fit_gold_standard
from foregaze.types import EyeTrackingDataset, Fixations


@dataclass(eq=False)
class References:
    """Center bias, gold standard and negatives of one data set."""

    dataset: EyeTrackingDataset
    centerbias: FittedCenterBias | None
    """None with a single image."""
    gold: FittedGoldStandard | None
    """None where no image has two observers."""
    absent: dict[str, str] = field(default_factory=dict)
    """Why one of both is None, by its name here."""
    _others: dict[tuple[int, int | None], tuple[Int[np.ndarray, " M"], Int[np.ndarray, " M"]]] = (
        field(default_factory=dict, init=False)
    )
    _last: tuple[int, Float[np.ndarray, "H W"]] | None = field(default=None, init=False)

    @cached_property
    def fixations_on(self) -> list[Fixations]:
        """Evidence fixations of each image."""
        return self.dataset.evidence_by_image()

    @cached_property
    def mean_fixations(self) -> int:
        """Mean number of evidence fixations on an image that has any, rounded, at least 1.

        The best map for SIM depends on it; a copy for other evidence keeps it, and the map.
        """
        counts = [len(fixations) for fixations in self.fixations_on if len(fixations)]
        return max(1, round(float(np.mean(counts)))) if counts else 1

    def centerbias_on(self, image: int) -> Float[np.ndarray, "H W"] | None:
        """Log density in nats of the center bias from all other images."""
        if self.centerbias is None:
            return None
        if self._last is None or self._last[0] != image:
            size = self.dataset.stimuli.sizes[image]
            self._last = (image, self.centerbias.log_density(size, exclude=image))
        return self._last[1]

    def other_fixations(
        self, image: int, random_images: int | None = None
    ) -> tuple[Int[np.ndarray, " M"], Int[np.ndarray, " M"]]:
        """Columns and rows on an image of the evidence fixations on other pictures.

        Moved by their relative position where the images differ in size, as pysaliency does.

        Args:
            image: Index of the image.
            random_images: Take those of so many other images; of all where left out.
        """
        if (image, random_images) in self._others:
            return self._others[image, random_images]
        size = self.dataset.stimuli.sizes[image]
        elsewhere = self._picture_of != self._picture_of[image]
        if random_images is not None:
            shuffled = np.random.default_rng(image).permutation(np.flatnonzero(elsewhere))
            elsewhere[shuffled[random_images:]] = False
        evidence, heights, widths = self._evidence_and_sizes
        kept = elsewhere[evidence.image]
        x = evidence.x[kept] * (size[1] / widths[kept])
        y = evidence.y[kept] * (size[0] / heights[kept])
        column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        if any(kept_image != image for kept_image, _ in self._others):
            self._others.clear()  # one image is worked on at a time
        others = np.minimum(column, size[1] - 1), np.minimum(row, size[0] - 1)
        self._others[image, random_images] = others
        return others

    def on(self, dataset: EyeTrackingDataset) -> "References":
        """References with the same parameters for another choice of evidence."""
        centerbias = self.centerbias and self.centerbias.on(dataset)
        other = References(dataset, centerbias, self.gold, self.absent)
        other.__dict__["mean_fixations"] = self.mean_fixations  # where cached_property looks
        return other

    def describe(self) -> dict[str, str]:
        """The references in words, for a report."""
        return {
            "center bias": self.absent.get("centerbias")
            or (self.centerbias.describe() if self.centerbias else ""),
            "gold standard": self.absent.get("gold") or (self.gold.describe() if self.gold else ""),
        }

    @cached_property
    def _picture_of(self) -> Int[np.ndarray, " I"]:
        return np.unique(picture_names(self.dataset), return_inverse=True)[1]

    @cached_property
    def _evidence_and_sizes(
        self,
    ) -> tuple[Fixations, Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
        evidence = self.dataset.evidence()
        sizes = np.array(self.dataset.stimuli.sizes, dtype=np.float64).reshape(-1, 2)
        heights, widths = sizes[evidence.image].T
        return evidence, heights, widths


def fit_references(dataset: EyeTrackingDataset, *, gold_standard: bool = True) -> References:
    """Fit a data set's center bias and gold standard, as far as it allows them.

    Args:
        dataset: Its evidence fixations are what is fitted.
        gold_standard: Without it there is no IGE, and no `gold-standard` to score; it compares all
            pairs of fixations on an image, which takes long where there are thousands.
    """
    absent = {}
    centerbias = gold = None
    try:
        centerbias = fit_centerbias(dataset)
        if gold_standard:
            gold = fit_gold_standard(dataset, centerbias)
        else:
            absent["gold"] = "no metric or model asked for the gold standard"
    except DataError as error:
        absent["centerbias" if centerbias is None else "gold"] = str(error)
        if centerbias is None:
            absent["gold"] = str(error)
    return References(dataset, centerbias, gold, absent)
