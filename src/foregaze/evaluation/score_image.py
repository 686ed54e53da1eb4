"""All metrics of one model on one image."""

import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from foregaze.errors import DataError
from foregaze.evaluation.maps import EmpiricalMaps
from foregaze.evaluation.models import Case, Group, Predict, ScoredModel
from foregaze.evaluation.references import References
from foregaze.metrics import METRICS, ConstantMapError, MetricEntry, NoFixationError
from foregaze.ops.empirical import BLUR_SHARE, empirical_map, empirical_map_mit
from foregaze.ops.mass import mass_above
from foregaze.types import Fixations

REGIONS = 10
"""Regions of equal predicted mass, most likely first, in which fixations are counted."""

OTHER_IMAGES_MIT = 10
"""Images that negatives come from in the old MIT benchmark's shuffled AUC."""

_FROM_MODEL = {"log_density", "saliency_map"}
"""Inputs that are predictions."""

_OVER_THE_IMAGE = {"empirical_map"}
"""Inputs of metrics that compare maps of a whole image, not of groups of fixations."""


@dataclass
class ImageScores:
    """One image's means over its fixations."""

    image: str
    fixations: int
    values: dict[str, float | None] = field(default_factory=dict)
    """By metric, and `gold_LL`, `gold_IG`; None where not defined."""
    absent: dict[str, str] = field(default_factory=dict)
    """Why a metric is None."""
    calibration: list[float] | None = None
    """Share of the fixations in each region of a tenth of the predicted mass, densest first."""


def _required(entry: MetricEntry) -> set[str]:
    """Names of the arguments that a metric cannot do without."""
    parameters = inspect.signature(entry.function).parameters.values()
    return {p.name for p in parameters if p.default is inspect.Parameter.empty}


class Scorer:
    """Scores predictions of the evidence fixations of one data set.

    Args:
        references: What the numbers are relative to.
        names: Metrics, of which IGE brings IG and the gold standard's LL and IG.
    """

    def __init__(self, references: References, names: Sequence[str]) -> None:
        self.references = references
        self.wanted = [name for name in names if name in METRICS]
        self.gold = "IGE" in names
        if self.gold and "IG" not in self.wanted:
            self.wanted.append("IG")

    @property
    def empirical_in_words(self) -> str:
        """How empirical maps are made, for a report."""
        widths = {self._empirical(image).sigma_px for image in range(len(self.references.dataset))}
        low, high = min(widths), max(widths)
        width = f"{low:.3g} px" if low == high else f"{low:.3g} to {high:.3g} px"
        return f"fixation counts under a Gaussian of {width}, edges mirrored"

    def has_fixations(self, image: int) -> bool:
        """Whether an image has evidence fixations."""
        return len(self.references.fixations_on[image]) > 0

    def score(self, model: ScoredModel, predict: Predict, image: int) -> ImageScores:
        """All metrics on an image that has evidence fixations.

        Raises:
            ShapeError: If a prediction is none for this image.
        """
        fixations = self.references.fixations_on[image]
        case = Case(image, fixations, self.references)
        scores = ImageScores(case.image_name, len(fixations))
        per_fixation: dict[str, list[float]] = {name: [] for name in self.wanted}
        above: list[float] = []
        checked = None
        for group in self._groups(predict, case, scores):
            if checked is not group.maps:
                size = self.references.dataset.stimuli.sizes[image]
                group.maps.check(size, f"{model.name} on {case.image_name}")
                checked = group.maps
            inputs = self._inputs(case, group.rows, model.one_map_per_image)
            for name in self.wanted:
                values = self._metric(name, model, group, inputs, scores)
                per_fixation[name] += values if len(values) > 1 else values * int(group.rows.sum())
            above += _mass_above(group, fixations.where(group.rows))
        for name, found in per_fixation.items():
            complete = len(found) == len(fixations) and name not in scores.absent
            scores.values[name] = float(np.mean(found)) if complete else None
        if self.gold:
            self._add_gold(case, scores)
        if len(above) == len(fixations):
            regions = np.minimum((np.array(above) * REGIONS).astype(int), REGIONS - 1)
            scores.calibration = (np.bincount(regions, minlength=REGIONS) / len(above)).tolist()
        return scores

    def _groups(self, predict: Predict, case: Case, scores: ImageScores) -> Iterator[Group]:
        """A model's predictions; none, and the reason kept, where the data do not allow them."""
        try:
            yield from predict(case)
        except DataError as error:
            scores.absent |= dict.fromkeys(self.wanted, str(error))

    def _metric(
        self,
        name: str,
        model: ScoredModel,
        group: Group,
        inputs: dict[str, Any],
        scores: ImageScores,
    ) -> list[float]:
        """Values of one metric for a group's fixations, or one for them all; empty if undefined."""
        entry = METRICS[name]
        needed = _required(entry)
        missing = needed - inputs.keys() - _FROM_MODEL - {"rng"}
        given = inputs
        if not missing:
            given = inputs | self._predicted(entry, group, inputs)
            missing = needed - given.keys() - {"rng"}
        if missing:
            scores.absent.setdefault(name, self._why_missing(missing, model))
            return []
        arguments = {key: given[key] for key in needed - {"rng"}}
        if "rng" in inspect.signature(entry.function).parameters:  # its own, whatever else runs
            arguments["rng"] = np.random.default_rng(given["seed"])
        if name == "sAUC-MIT":
            arguments |= inputs["other_images_mit"]
        if entry.mit_empirical_map:
            arguments["empirical_map"] = inputs["empirical_map_mit"]
        try:
            values: list[float] = np.atleast_1d(entry.function(**arguments)).tolist()
        except (ConstantMapError, NoFixationError) as error:
            scores.absent.setdefault(name, f"image {scores.image}: {error}")
            return []
        return values

    def _predicted(
        self, entry: MetricEntry, group: Group, inputs: dict[str, Any]
    ) -> dict[str, Float[np.ndarray, "H W"]]:
        """What the model gives a metric: its log density, or the metric's best map."""
        if entry.best_map is None:
            log_density = group.maps.log_density
            return {} if log_density is None else {"log_density": log_density}
        best = group.maps.best(
            entry.best_map, inputs["empirical"], inputs.get("baseline_log_density")
        )
        return {} if best is None else {"saliency_map": best}

    def _inputs(self, case: Case, rows: Any, one_map: bool) -> dict[str, Any]:
        """What a metric can ask for apart from the prediction, by the name of its argument."""
        fixations = case.fixations.where(rows)
        size = self.references.dataset.stimuli.sizes[case.image]
        inputs: dict[str, Any] = {
            "x": fixations.column,
            "y": fixations.row,
            "empirical": self._empirical(case.image),
            "seed": case.image,
        }
        centerbias = self.references.centerbias_on(case.image)
        if centerbias is not None:
            inputs["baseline_log_density"] = centerbias
        if "IG-MIT" in self.wanted and centerbias is not None:
            inputs["baseline_map"] = np.exp(centerbias)
        if {"sAUC", "sAUC-MIT"} & set(self.wanted):
            inputs["other_x"], inputs["other_y"] = self.references.other_fixations(case.image)
        if "sAUC-MIT" in self.wanted:
            others = self.references.other_fixations(case.image, OTHER_IMAGES_MIT)
            inputs["other_images_mit"] = dict(zip(("other_x", "other_y"), others, strict=True))
        compared = [name for name in self.wanted if "empirical_map" in _required(METRICS[name])]
        if one_map and compared:
            x, y = fixations.column, fixations.row
            inputs["empirical_map"] = empirical_map(x, y, size, inputs["empirical"].sigma_px)
            if any(METRICS[name].mit_empirical_map for name in compared):
                inputs["empirical_map_mit"] = empirical_map_mit(x, y, size)
        return inputs

    def _why_missing(self, missing: set[str], model: ScoredModel) -> str:
        if "log_density" in missing:
            return f"{model.name} gives saliency maps, not densities"
        if missing & _OVER_THE_IMAGE and not model.one_map_per_image:
            return f"compares one map per image; {model.name} has one per observer or fixation"
        return self.references.absent.get("centerbias", "there is no center bias")

    def _empirical(self, image: int) -> EmpiricalMaps:
        dataset = self.references.dataset
        sigma_px = dataset.blur_px or dataset.px_per_dva
        if sigma_px is None:
            sigma_px = BLUR_SHARE * max(dataset.stimuli.sizes[image])
        return EmpiricalMaps(float(sigma_px), self.references.mean_fixations)

    def _add_gold(self, case: Case, scores: ImageScores) -> None:
        """LL and IG of the gold standard on one image, in bits."""
        scores.values |= {"gold_LL": None, "gold_IG": None}
        centerbias = self.references.centerbias_on(case.image)
        if centerbias is None or self.references.gold is None:
            reason = self.references.absent.get("gold", "there is no gold standard")
            scores.absent["IGE"] = reason
            return
        if len(np.unique(case.fixations.observer)) < 2:
            scores.absent["IGE"] = (
                f"image {scores.image} has evidence fixations of one observer: a gold standard "
                "needs at least two"
            )
            return
        log_density = self.references.gold.on(case.image).log_density_at_fixations(
            case.fixations, centerbias, scores.image
        )  # (N,)
        at_fixations = centerbias[case.fixations.row, case.fixations.column]
        uniform = -math.log(centerbias.size)
        scores.values["gold_LL"] = float((log_density - uniform).mean()) / math.log(2)
        scores.values["gold_IG"] = float((log_density - at_fixations).mean()) / math.log(2)


def _mass_above(group: Group, fixations: Fixations) -> list[float]:
    """For calibration; empty where there is no density, or no order among its pixels."""
    log_density = group.maps.log_density
    if log_density is None or float(np.ptp(log_density)) < 1e-6:
        return []
    above: list[float] = mass_above(log_density, fixations.column, fixations.row).tolist()
    return above
