"""Score a model on a data set: per image the mean over its fixations, then the mean over images.

Every number comes twice: over the evidence fixations, and over all fixations, that is the same
data set with first fixations counted as evidence (by scores, center bias and gold standard).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from foregaze.errors import DataError, UnknownNameError
from foregaze.evaluation.journal import Journal
from foregaze.evaluation.models import Predict, ScoredModel
from foregaze.evaluation.references import References, fit_references
from foregaze.evaluation.report import Report, Scores, summarize
from foregaze.evaluation.score_image import ImageScores, Scorer
from foregaze.metrics import METRICS
from foregaze.types import EyeTrackingDataset

REPORTED = ("LL", "IG", "IGE", "NSS", "AUC", "sAUC", "CC", "KLDiv", "SIM")
"""Metrics of a report where none are asked for, in its order."""

KNOWN = (*REPORTED, *(name for name in METRICS if name not in REPORTED))
"""All metrics that can be asked for, in the report's order."""


def evaluate(
    model: ScoredModel,
    dataset: EyeTrackingDataset,
    *,
    metrics: Sequence[str] | None = None,
    images: Sequence[int] | None = None,
    references: References | None = None,
    journal: Journal | None = None,
    on_image: Callable[[], None] | None = None,
) -> Report:
    """Score a model's predictions against the fixations of a data set.

    A metric that the data or the predictions do not allow is None in the report, which says why:
    NSS of a constant density, IG with one image, IGE where an image has a single observer.

    Args:
        model: See `foregaze.evaluation.models`; `SpatialModel` for a function of the image.
        dataset: Stimuli and fixations.
        metrics: Names from `KNOWN`; those of `REPORTED` where left out.
        images: Indices of the images to score, for instance a fold; all where left out. The
            center bias comes from all other images of the data set in any case.
        references: From `fit_references` of the same data set, to score several models against;
            fitted where left out.
        journal: Keeps every image's scores on disk as soon as they are known; those that it has
            already are not computed again.
        on_image: Called after each image, for a progress bar.

    Raises:
        ShapeError: If a prediction has the wrong shape, a value that is not finite, or does not
            sum to one.
        DataError: If no image that is to be scored has evidence fixations.
        UnknownNameError: If a metric has no such name.
    """
    names = known_metrics(REPORTED if metrics is None else metrics)
    if references is None:
        references = fit_references(dataset, gold_standard="IGE" in names)
    evidence = Scorer(references, names)
    everything = evidence
    if dataset.starts_at_center:
        everything = Scorer(references.on(replace(dataset, starts_at_center=False)), names)
    found: list[tuple[ImageScores | None, ImageScores | None]] = []
    chosen = range(len(dataset)) if images is None else images
    for image in chosen:
        scores = journal.read(model, image) if journal else None
        if scores is None:
            scores = _score(model, image, evidence, everything)
            if journal:
                journal.write(model, image, scores)
        found.append(scores)
        if on_image is not None:
            on_image()
    return Report(
        model=model.name,
        dataset=dataset.name,
        dropped_fixations=dataset.dropped_fixations,
        evidence=_summary(names, dataset, [pair[0] for pair in found]),
        all_fixations=_summary(names, dataset, [pair[1] for pair in found]),
        references=references.describe() | {"empirical maps": evidence.empirical_in_words},
        notes=tuple(model.notes),
    )


def known_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """The names in the report's order, each once.

    Raises:
        UnknownNameError: If one is not in `KNOWN`.
    """
    for name in names:
        if name not in KNOWN:
            raise UnknownNameError("metric", name, KNOWN)
    return tuple(name for name in KNOWN if name in names)


def _score(
    model: ScoredModel, image: int, evidence: Scorer, everything: Scorer
) -> tuple[ImageScores | None, ImageScores | None]:
    """One image's scores over evidence and over all fixations; None where there are none."""
    if not everything.has_fixations(image):
        return None, None
    predict: Predict = model.on(image)
    scores = everything.score(model, predict, image)
    if everything is evidence:
        return scores, scores
    return evidence.score(model, predict, image) if evidence.has_fixations(image) else None, scores


def _summary(
    names: Sequence[str], dataset: EyeTrackingDataset, found: Sequence[ImageScores | None]
) -> Scores:
    scored = [scores for scores in found if scores is not None]
    if not scored:
        raise DataError(f"{dataset.name}: none of {len(found)} images has evidence fixations")
    quantities = dict.fromkeys(name for scores in scored for name in scores.values)
    return summarize(
        names,
        [scores.image for scores in scored],
        sum(scores.fixations for scores in scored),
        {name: [scores.values[name] for scores in scored] for name in quantities},
        skipped_images=len(found) - len(scored),
        absent={name: why for scores in reversed(scored) for name, why in scores.absent.items()},
        calibration=[scores.calibration for scores in scored],
    )
