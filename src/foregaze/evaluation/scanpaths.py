"""Compare a model's scanpaths with people's, beside people's with each other's.

Scanpaths are whole: where viewers start at a forced center point, both the human and the generated
ones include that first fixation, as in the literature on OSIE. A human scanpath is never compared
with itself. Letters: `G` generated and `O` human scanpaths (observers) of one image.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float

from foregaze.errors import DataError, UnknownNameError
from foregaze.evaluation.scanpath_report import (
    PairCounts,
    PerImage,
    ScanpathReport,
    Similarity,
    difference,
    summarize_columns,
)
from foregaze.scanpath_metrics import SCANPATH_METRICS, Scanpath, ScanpathMetric, mean_shift
from foregaze.types import EyeTrackingDataset, Fixations

RADIUS_DVA = 2.0
"""Fixations closer than this coincide in REC, DET and LAM."""
CLUSTER_BANDWIDTH_DVA = 2.0
"""Of the mean shift that finds the sequence score's clusters in an image's human fixations."""
KL_BINS = 50
KL_PSEUDOCOUNT = 0.5
"""Added to every bin, so that one that a model never reaches does not make the KL infinite."""
PAIRS_AT_ONCE = 256

Generated = Mapping[int, Sequence[Scanpath]]
"""Scanpaths in stimulus pixels, by the index of the image."""


def compare_scanpaths(
    generated: Generated,
    dataset: EyeTrackingDataset,
    *,
    model_name: str,
    metrics: Sequence[str] | None = None,
    images: Sequence[int] | None = None,
    on_image: Callable[[], None] | None = None,
) -> ScanpathReport:
    """Similarity of generated to human scanpaths, and of human ones to each other.

    For each image the mean over its pairs, then the mean over images. A metric is None, with its
    reason, where a duration that it needs is not known, where the data set does not say how many
    pixels make a degree and the metric needs it, or where an image has no pair with a score.

    Args:
        generated: Any number of scanpaths for each image to be scored.
        dataset: Stimuli and human fixations.
        model_name: What the report calls the model.
        metrics: Names from `SCANPATH_METRICS`; all where left out.
        images: Indices of the images to score; all of `generated` where left out.
        on_image: Called after each image, for a progress bar.

    Raises:
        DataError: If an image is not in the data set or has no generated scanpath, a generated
            fixation lies outside its image, or no image has two human scanpaths.
        UnknownNameError: If a metric has no such name.
    """
    names = _known(metrics)
    chosen = sorted(generated) if images is None else list(images)
    _check(generated, dataset, chosen, model_name)
    human = _human_scanpaths(dataset, chosen)
    absent = _absent(names, [s for i in human for s in generated[i]], "generated", dataset)
    absent |= _absent(names, [s for i in human for s in human[i]], "human", dataset)
    tallies = {name: _Tally(SCANPATH_METRICS[name]) for name in names}
    computed = {name: tally for name, tally in tallies.items() if name not in absent}
    for image in chosen:
        if image in human:
            _score_image(computed, generated[image], human[image], dataset, image)
        if on_image is not None:
            on_image()
    skipped = len(chosen) - len(human)
    return _report(model_name, dataset, generated, human, skipped, tallies, absent)


def scanpaths_by_image(fixations: Fixations) -> dict[int, list[Scanpath]]:
    """Fixations cut by image and observer and put in order, first ones included.

    Raises:
        DataError: If an observer has two fixations of one place in the order, as where a data set
            publishes neither observers nor order.
    """
    f = fixations.where(np.lexsort((fixations.order, fixations.observer, fixations.image)))
    changes = (np.diff(f.image) != 0) | (np.diff(f.observer) != 0)
    twice = ~changes & (np.diff(f.order) == 0)
    if twice.any():
        raise DataError(
            f"{int(twice.sum())} fixations have the image, observer and order of another: "
            "without observers and order there are no scanpaths"
        )
    starts = np.flatnonzero(np.append(True, changes)[: len(f)])
    scanpaths: dict[int, list[Scanpath]] = {}
    for start, stop in pairwise([*starts.tolist(), len(f)]):
        rows = slice(start, stop)
        scanpath = Scanpath(f.x[rows], f.y[rows], f.duration_ms[rows])
        scanpaths.setdefault(int(f.image[start]), []).append(scanpath)
    return scanpaths


def divergence_nats(
    human: Float[np.ndarray, " N"], model: Float[np.ndarray, " M"], bins: int = KL_BINS
) -> float:
    """KL(human || model) of two samples of pair scores, from histograms.

    Both are counted in `bins` equal bins from the smallest to the largest score of either, half a
    count is added to every bin, and the counts are normalized. Two samples of one distribution
    get about (bins - 1) / 2 (1 / N + 1 / M) nats rather than 0, and somewhat more as pairs share
    scanpaths. TPP-Gaze (D'Amelio et al. 2025) reports such a divergence without saying how it is
    computed, so that its numbers cannot be compared with these.

    Raises:
        DataError: If a sample is empty.
    """
    if not len(human) or not len(model):
        raise DataError(f"no divergence between {len(human)} and {len(model)} scores")
    both = np.concatenate([human, model])
    low, high = float(both.min()), float(both.max())
    if low == high:
        return 0.0
    smooth = [
        np.histogram(scores, bins=bins, range=(low, high))[0] + KL_PSEUDOCOUNT
        for scores in (human, model)
    ]
    p, q = (counts / counts.sum() for counts in smooth)
    return float((p * np.log(p / q)).sum())


class _Tally:
    """Scores of one metric, image by image."""

    def __init__(self, metric: ScanpathMetric) -> None:
        self.metric = metric
        self.per_image: PerImage = {
            name: [] for name in ("model", "human", "model_best", "human_best")
        }
        self.model_scores: list[np.ndarray] = []
        self.human_scores: list[np.ndarray] = []

    def add(self, model: Float[np.ndarray, "G O"], human: Float[np.ndarray, "O O"]) -> None:
        """Scores of one image's pairs; NaN where there is none, and on the diagonal of `human`."""
        for name, scores in (("model", model), ("human", human)):
            self.per_image[name].append(_mean(scores.ravel()))
            self.per_image[f"{name}_best"].append(_mean(self._best(scores)))
        others = ~np.eye(len(human), dtype=bool)
        if self.metric.symmetric:
            others = np.triu(others)
        self.model_scores.append(model.ravel())
        self.human_scores.append(human[others])

    def similarity(self) -> Similarity:
        """Means over the images added."""
        model, human = (
            np.concatenate([np.empty(0), *scores])
            for scores in (self.model_scores, self.human_scores)
        )
        model_defined, human_defined = (s[~np.isnan(s)] for s in (model, human))
        apart = difference(self.per_image["model"], self.per_image["human"])
        both = len(model_defined) and len(human_defined)
        return Similarity(
            **summarize_columns({**self.per_image, "difference": apart}),
            kl_nats=divergence_nats(human_defined, model_defined) if both else None,
            pairs=PairCounts(
                model=len(model),
                human=len(human),
                undefined_model=len(model) - len(model_defined),
                undefined_human=len(human) - len(human_defined),
            ),
            larger_is_better=self.metric.larger_is_better,
            undefined=self.metric.undefined,
        )

    def _best(self, scores: Float[np.ndarray, "A O"]) -> Float[np.ndarray, " B"]:
        """Best score of each row that has one."""
        rows = scores[~np.isnan(scores).all(axis=1)]
        best: Float[np.ndarray, " B"] = (
            np.nanmax(rows, axis=1) if self.metric.larger_is_better else np.nanmin(rows, axis=1)
        )
        return best


def _score_image(
    tallies: Mapping[str, _Tally],
    generated: Sequence[Scanpath],
    human: Sequence[Scanpath],
    dataset: EyeTrackingDataset,
    image: int,
) -> None:
    """Add one image's scores to each tally; metrics that share a function call it once."""
    inputs = _inputs(human, dataset, image)
    cache: dict[Any, tuple[np.ndarray, np.ndarray]] = {}
    for tally in tallies.values():
        metric = tally.metric
        if metric.pairs not in cache:
            cache[metric.pairs] = (
                _model_scores(metric, generated, human, inputs),
                _human_scores(metric, human, inputs),
            )
        tally.add(*(_chosen_columns(metric, scores) for scores in cache[metric.pairs]))


def _report(
    model_name: str,
    dataset: EyeTrackingDataset,
    generated: Generated,
    human: Mapping[int, Sequence[Scanpath]],
    skipped_images: int,
    tallies: Mapping[str, _Tally],
    absent: Mapping[str, str],
) -> ScanpathReport:
    """The report on the images of `human`; metrics that were absent have nothing tallied."""
    computed = {name: tally for name, tally in tallies.items() if name not in absent}
    without_score = {
        name: f"no pair of some image has a score: {tally.metric.undefined}"
        for name, tally in computed.items()
        if any(None in column for column in tally.per_image.values())
    }
    why = {**absent, **without_score}
    return ScanpathReport(
        model=model_name,
        dataset=dataset.name,
        image_names=tuple(dataset.stimuli.names[image] for image in human),
        skipped_images=skipped_images,
        generated_scanpaths=sum(len(generated[image]) for image in human),
        human_scanpaths=sum(map(len, human.values())),
        per_image={name: tally.per_image for name, tally in computed.items()},
        metrics={name: tally.similarity() for name, tally in tallies.items()},
        absent={name: why[name] for name in tallies if name in why},
    )


def _inputs(human: Sequence[Scanpath], dataset: EyeTrackingDataset, image: int) -> dict[str, Any]:
    """What metrics may ask for besides scanpaths, by the names of their arguments."""
    inputs: dict[str, Any] = {"size": dataset.stimuli.sizes[image]}
    if dataset.px_per_dva is not None:
        inputs["radius_px"] = RADIUS_DVA * dataset.px_per_dva
        inputs["centers"] = mean_shift(
            np.concatenate([scanpath.x for scanpath in human]),
            np.concatenate([scanpath.y for scanpath in human]),
            CLUSTER_BANDWIDTH_DVA * dataset.px_per_dva,
        )
    return inputs


def _model_scores(
    metric: ScanpathMetric,
    generated: Sequence[Scanpath],
    human: Sequence[Scanpath],
    inputs: Mapping[str, Any],
) -> Float[np.ndarray, "G O *columns"]:
    first = [person for _ in generated for person in human]
    second = [scanpath for scanpath in generated for _ in human]
    scores = _scores(metric, first, second, inputs)
    return scores.reshape(len(generated), len(human), *scores.shape[1:])


def _human_scores(
    metric: ScanpathMetric, human: Sequence[Scanpath], inputs: Mapping[str, Any]
) -> Float[np.ndarray, "O O *columns"]:
    """Row: the scanpath that is scored, as a generated one would be; column: whom against."""
    others = ~np.eye(len(human), dtype=bool)
    second, first = np.nonzero(np.triu(others) if metric.symmetric else others)
    found = _scores(
        metric, [human[k] for k in first.tolist()], [human[k] for k in second.tolist()], inputs
    )
    scores = np.full((len(human), len(human), *found.shape[1:]), np.nan)
    scores[second, first] = found
    if metric.symmetric:
        scores[first, second] = found
    return scores


def _scores(
    metric: ScanpathMetric,
    first: Sequence[Scanpath],
    second: Sequence[Scanpath],
    inputs: Mapping[str, Any],
) -> Float[np.ndarray, "P *columns"]:
    """Scores of any number of pairs in bounded memory."""
    needed = inspect.signature(metric.pairs).parameters
    given = {name: value for name, value in inputs.items() if name in needed}
    parts = [
        metric.pairs(
            first[start : start + PAIRS_AT_ONCE], second[start : start + PAIRS_AT_ONCE], **given
        )
        for start in range(0, len(first), PAIRS_AT_ONCE)
    ]
    return np.concatenate(parts)


def _chosen_columns(
    metric: ScanpathMetric, scores: Float[np.ndarray, "A O *columns"]
) -> Float[np.ndarray, "A O"]:
    if not metric.columns:
        return scores
    chosen: Float[np.ndarray, "A O"] = scores[..., list(metric.columns)].mean(axis=-1)
    return chosen


def _mean(scores: Float[np.ndarray, " N"]) -> float | None:
    """Mean of the scores that exist."""
    defined = scores[~np.isnan(scores)]
    return float(defined.mean()) if len(defined) else None


def _known(metrics: Sequence[str] | None) -> tuple[str, ...]:
    """The names in the registry's order, each once."""
    for name in metrics or ():
        if name not in SCANPATH_METRICS:
            raise UnknownNameError("scanpath metric", name, SCANPATH_METRICS)
    return tuple(name for name in SCANPATH_METRICS if metrics is None or name in metrics)


def _check(
    generated: Generated, dataset: EyeTrackingDataset, images: Sequence[int], model_name: str
) -> None:
    """Refuse images that cannot be scored, and fixations outside them."""
    if len(set(images)) < len(images):
        raise DataError(f"{model_name} on {dataset.name}: an image is to be scored twice")
    for image in images:
        if not 0 <= image < len(dataset):
            raise DataError(
                f"{model_name}: scanpaths on image {image}, but {dataset.name} has "
                f"{len(dataset)} images, numbered from 0"
            )
        where = f"{model_name} on {dataset.stimuli.names[image]}"
        if not generated.get(image):
            raise DataError(f"{where}: no scanpath was generated")
        size = dataset.stimuli.sizes[image]
        for number, scanpath in enumerate(generated[image]):
            if not scanpath.is_inside(size):
                raise DataError(
                    f"{where}: scanpath {number} leaves the image of {size[1]}x{size[0]} px; give "
                    "positions in pixels of the stimulus"
                )


def _human_scanpaths(
    dataset: EyeTrackingDataset, images: Sequence[int]
) -> dict[int, list[Scanpath]]:
    """Human scanpaths on those images that have two to compare, in the order of the images."""
    found = scanpaths_by_image(dataset.fixations)
    human = {image: found[image] for image in images if image in found and len(found[image]) > 1}
    if not human:
        raise DataError(
            f"{dataset.name}: none of {len(images)} images has two human scanpaths to compare"
        )
    return human


def _absent(
    names: Sequence[str], scanpaths: Sequence[Scanpath], whose: str, dataset: EyeTrackingDataset
) -> dict[str, str]:
    """Why metrics cannot be computed at all, by their names."""
    unknown = sum(not scanpath.has_durations for scanpath in scanpaths)
    absent = {}
    for name in names:
        metric = SCANPATH_METRICS[name]
        needed = inspect.signature(metric.pairs).parameters
        if unknown and metric.needs_durations:
            absent[name] = (
                f"{unknown} of {len(scanpaths)} {whose} scanpaths have a fixation of unknown "
                "duration"
            )
        elif dataset.px_per_dva is None and needed.keys() & {"radius_px", "centers"}:
            absent[name] = f"{dataset.name} does not say how many pixels make a degree"
    return absent
