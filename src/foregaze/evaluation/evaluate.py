"""Score a model on a data set: per image the mean over its fixations, then the mean over images.

Every number comes twice: over the evidence fixations, and over all fixations, that is the same
data set with first fixations counted as evidence (by scores, center bias and gold standard).
"""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from foregaze.data.centerbias import CenterBias
from foregaze.errors import DataError, ShapeError, UnknownNameError
from foregaze.evaluation.gold_standard import GoldStandard
from foregaze.evaluation.report import PerImage, Report, Scores, summarize
from foregaze.metrics import METRICS, ConstantMapError
from foregaze.types import EyeTrackingDataset, Fixations, Size

REPORTED = ("LL", "IG", "IGE", "NSS", "AUC")
"""Metrics of a report, in its order."""

DENSITY_TOLERANCE = 1e-3
"""Largest |logsumexp| of a log density, in nats; the MIT/Tübingen benchmark's."""


def evaluate(
    predict: Callable[[int], Float[np.ndarray, "H W"]],
    dataset: EyeTrackingDataset,
    *,
    model_name: str,
    metrics: Sequence[str] | None = None,
    images: Sequence[int] | None = None,
    on_image: Callable[[], None] | None = None,
) -> Report:
    """Score log densities against the fixations of a data set.

    A metric that the data or the predictions do not allow is None in the report, which says why:
    NSS of a constant density, IG with one image, IGE where an image has a single observer.

    Args:
        predict: Log density in nats of the image with an index, at its size.
        dataset: Stimuli and fixations.
        model_name: What the report calls the model.
        metrics: Names from `REPORTED`; all where left out.
        images: Indices of the images to score, for instance a fold; all where left out. The
            center bias comes from all other images of the data set in any case.
        on_image: Called after each image, for a progress bar.

    Raises:
        ShapeError: If a prediction has the wrong shape, a value that is not finite, or does not
            sum to one.
        DataError: If no image that is to be scored has evidence fixations.
        UnknownNameError: If a metric has no such name.
    """
    names = _known(REPORTED if metrics is None else metrics)
    evidence = _Tally(dataset, names)
    everything = evidence
    if dataset.starts_at_center:
        everything = _Tally(replace(dataset, starts_at_center=False), names)
    for image in range(len(dataset)) if images is None else images:
        if everything.has_fixations(image):
            where = f"{model_name} on {dataset.stimuli.names[image]}"
            log_density = predict(image)
            _check_density(log_density, dataset.stimuli.sizes[image], where)
            evidence.add(image, log_density)
            if everything is not evidence:
                everything.add(image, log_density)
        if on_image is not None:
            on_image()
    scored = len(dataset) if images is None else len(images)
    return Report(
        model=model_name,
        dataset=dataset.name,
        dropped_fixations=dataset.dropped_fixations,
        evidence=evidence.scores(scored),
        all_fixations=everything.scores(scored),
    )


class _Tally:
    """Per-image values over one choice of evidence fixations, image by image."""

    def __init__(self, dataset: EyeTrackingDataset, names: Sequence[str]) -> None:
        self.dataset = dataset
        self.names = names
        self.centerbias = CenterBias(dataset)
        self.gold_standard = GoldStandard()
        self.fixations_on = dataset.evidence_by_image()
        self.image_names: list[str] = []
        self.fixations = 0
        self.per_image: PerImage = {name: [] for name in names if name in METRICS}
        if "IGE" in names:
            self.per_image |= {name: [] for name in ("IG", "gold_LL", "gold_IG")}
        self.absent: dict[str, str] = {}

    def has_fixations(self, image: int) -> bool:
        return len(self.fixations_on[image]) > 0

    def add(self, image: int, log_density: Float[np.ndarray, "H W"]) -> None:
        """Score one image, unless it has no fixations."""
        if not self.has_fixations(image):
            return
        fixations = self.fixations_on[image]
        inputs = {"log_density": log_density, "x": fixations.column, "y": fixations.row}
        if "IG" in self.per_image:
            try:
                inputs["baseline_log_density"] = self.centerbias.log_density(
                    self.dataset.stimuli.sizes[image], exclude=image
                )
            except DataError as error:
                self.absent |= dict.fromkeys({"IG", "IGE"} & set(self.names), str(error))
        for name, values in self.per_image.items():
            if name in METRICS:
                values.append(self._mean(name, inputs))
        if "IGE" in self.names:
            self._add_gold(image, fixations, inputs)
        self.image_names.append(self.dataset.stimuli.names[image])
        self.fixations += len(fixations)

    def scores(self, images: int) -> Scores:
        """Averages over the scored ones of so many images."""
        if not self.image_names:
            raise DataError(f"{self.dataset.name}: none of {images} images has evidence fixations")
        return summarize(
            self.names,
            self.image_names,
            self.fixations,
            self.per_image,
            skipped_images=images - len(self.image_names),
            absent=self.absent,
        )

    def _mean(self, name: str, inputs: dict[str, np.ndarray]) -> float | None:
        """Mean of a metric over an image's fixations; its arguments' names say what it needs."""
        metric = METRICS[name]
        needed = inspect.signature(metric).parameters.keys()
        if not needed <= inputs.keys():
            return None
        try:
            return float(metric(**{key: inputs[key] for key in needed}).mean())
        except ConstantMapError as error:
            self.absent[name] = str(error)
            return None

    def _add_gold(self, image: int, fixations: Fixations, inputs: dict[str, np.ndarray]) -> None:
        """LL and IG of the gold standard on one image, in bits."""
        bits_ll = bits_ig = None
        if "baseline_log_density" in inputs:
            baseline = inputs["baseline_log_density"]
            try:
                log_density = self.gold_standard.log_density_at_fixations(
                    fixations, baseline, self.dataset.stimuli.names[image]
                )  # (N,)
                bits_ll = float(log_density.mean() + math.log(baseline.size)) / math.log(2)
                at_fixations = baseline[fixations.row, fixations.column]
                bits_ig = float((log_density - at_fixations).mean()) / math.log(2)
            except DataError as error:
                self.absent["IGE"] = str(error)
        self.per_image["gold_LL"].append(bits_ll)
        self.per_image["gold_IG"].append(bits_ig)


def _known(names: Sequence[str]) -> tuple[str, ...]:
    """The names in the report's order, each once."""
    for name in names:
        if name not in REPORTED:
            raise UnknownNameError("metric", name, REPORTED)
    return tuple(name for name in REPORTED if name in names)


def _check_density(log_density: np.ndarray, size: Size, where: str) -> None:
    """Refuse what is no log density of an image, naming model and image."""
    if log_density.shape != size:
        raise ShapeError(
            f"{where}: log density has shape {log_density.shape}, the image has {size}"
        )
    if not np.isfinite(log_density).all():
        wrong = int((~np.isfinite(log_density)).sum())
        raise ShapeError(
            f"{where}: {wrong} of {log_density.size} log densities are infinite or no number; "
            "a density must be positive everywhere (a little uniform density helps)"
        )
    peak = float(log_density.max())
    total = peak + math.log(np.exp(log_density - peak).sum(dtype=np.float64))  # logsumexp
    if abs(total) > DENSITY_TOLERANCE:
        raise ShapeError(
            f"{where}: exp of the log density sums to {math.exp(min(total, 700.0)):.6g} instead "
            "of 1: subtract its logsumexp, and give natural logs"
        )
