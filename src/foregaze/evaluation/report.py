"""Reports: the numbers of one model on one data set, with every image's values behind them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from foregaze.errors import DataError
from foregaze.evaluation.bootstrap import mean_intervals, ratio_interval
from foregaze.files import write_whole

SHARES = ("IGE",)
"""Metrics that are written in percent."""

PerImage = dict[str, list[float | None]]
"""For each quantity one value per scored image: its mean over the image's fixations.

None where it is not defined. Besides the metrics: `gold_LL` and `gold_IG`, the gold standard's.
"""


Calibration = list[list[float] | None]


@dataclass(frozen=True)
class Metric:
    """A mean over images and its 95% bootstrap interval; None where it is not defined.

    A single image has no interval.
    """

    mean: float | None
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class Scores:
    """The numbers over one choice of fixations."""

    image_names: tuple[str, ...]
    """Images with such fixations; the others were skipped."""
    skipped_images: int
    fixations: int
    per_image: PerImage
    metrics: dict[str, Metric]
    """In the units of `foregaze.metrics.METRICS`; IGE as a fraction."""
    absent: dict[str, str]
    """Why a metric is None, by its name."""
    calibration: Calibration
    """For each image the share of its fixations in each tenth of the predicted mass, the densest
    pixels first; None where the model has no density that varies."""

    @property
    def gold_standard(self) -> dict[str, float] | None:
        """Mean LL and IG of the gold standard in bits per fixation, if it was computed."""
        means = {name: _mean(self.per_image.get(f"gold_{name}")) for name in ("LL", "IG")}
        return {name: mean for name, mean in means.items() if mean is not None} or None

    @property
    def observed_mass(self) -> list[tuple[float, tuple[float, float]]] | None:
        """Mean and interval of the share of fixations in each tenth of the predicted mass.

        None without densities, and of a single image, which has no interval.
        """
        if any(tenths is None for tenths in self.calibration):
            return None
        shares = np.array(self.calibration, dtype=np.float64)  # (N, regions)
        intervals = mean_intervals(shares)
        return [
            (mean, interval)
            for mean, interval in zip(shares.mean(0).tolist(), intervals, strict=True)
            if interval is not None
        ] or None


@dataclass(frozen=True)
class Report:
    """One model on one data set; the counts and metrics are those over evidence fixations."""

    model: str
    dataset: str
    dropped_fixations: int
    """Fixations of the data set that lay outside their image."""
    evidence: Scores
    all_fixations: Scores
    """The same over all fixations, those at a forced starting point included."""
    references: dict[str, str] = field(default_factory=dict)
    """What the numbers are relative to, in words."""
    notes: tuple[str, ...] = ()
    """What a reader of this model's numbers must know."""

    @property
    def images(self) -> int:
        """Number of images scored."""
        return len(self.evidence.image_names)

    @property
    def fixations(self) -> int:
        """Number of fixations scored."""
        return self.evidence.fixations

    @property
    def metrics(self) -> dict[str, Metric]:
        """Metrics over evidence fixations."""
        return self.evidence.metrics

    @property
    def per_image(self) -> PerImage:
        """Per-image values over evidence fixations."""
        return self.evidence.per_image

    def scope(self) -> str:
        """What was scored, and what was left out, in words."""
        words = f"{self.images} image{'s' * (self.images != 1)}"
        if self.evidence.skipped_images:
            words += f" ({self.evidence.skipped_images} without fixations skipped)"
        words += f", {self.fixations} fixations"
        if self.dropped_fixations:
            words += f" ({self.dropped_fixations} outside their image dropped)"
        return words

    def to_json(self) -> dict[str, Any]:
        """The content of report.json: plain dicts, lists, numbers and None."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            **_scores_to_json(self.evidence),
            "dropped_fixations": self.dropped_fixations,
            "references": self.references,
            "notes": list(self.notes),
            "all_fixations": _scores_to_json(self.all_fixations),
        }

    def save(self, path: str | Path) -> None:
        """Write report.json, whole or not at all.

        Raises:
            OutputError: If it cannot be written there.
        """
        save_json(self.to_json(), Path(path))

    def table(self) -> str:
        """Plain text with aligned columns: evidence fixations, beside them all fixations."""
        rows = [("", "mean", "95% interval", "all fixations")]
        for name, metric in self.metrics.items():
            beside = self.all_fixations.metrics[name]
            interval = interval_cell(name, metric.ci95)
            rows.append((name, cell(name, metric.mean), interval, cell(name, beside.mean)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in rows
        ]
        heading = f"{self.model} on {self.dataset}: {self.scope()}"
        notes = [f"{name}: {reason}" for name, reason in self.evidence.absent.items()]
        notes += [f"note: {note}" for note in self.notes]
        return "\n".join([heading, *lines, *notes])


def save_json(content: dict[str, Any], path: Path) -> None:
    """Write a report's content, whole or not at all.

    Raises:
        OutputError: If it cannot be written there.
    """
    write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_report(path: str | Path) -> Report:
    """A report that `Report.save` wrote.

    Raises:
        DataError: If the file cannot be read or is no such report.
    """
    try:
        return report_from_json(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is no report of foregaze ({error!r})") from error


def report_from_json(content: dict[str, Any]) -> Report:
    """What `Report.to_json` gave."""
    return Report(
        model=content["model"],
        dataset=content["dataset"],
        dropped_fixations=content["dropped_fixations"],
        evidence=_scores_from_json(content),
        all_fixations=_scores_from_json(content["all_fixations"]),
        references=content["references"],
        notes=tuple(content["notes"]),
    )


def merge(reports: Sequence[Report]) -> Report:
    """One report from those of disjoint folds: out of fold, with its own intervals.

    Args:
        reports: On different images of one data set, with the same metrics. Where the models
            have different names, the merged name joins them.

    Raises:
        DataError: If the data sets or metrics differ, or an image occurs twice.
    """
    if not reports:
        raise DataError("there is no report to merge")
    for what, values in (
        ("data sets", {report.dataset for report in reports}),
        ("metrics", {", ".join(report.metrics) for report in reports}),
    ):
        if len(values) > 1:
            raise DataError(f"reports with different {what}: {'; '.join(sorted(values))}")
    return Report(
        model=" + ".join(dict.fromkeys(report.model for report in reports)),
        dataset=reports[0].dataset,
        dropped_fixations=max(report.dropped_fixations for report in reports),
        evidence=_merge_scores([report.evidence for report in reports]),
        all_fixations=_merge_scores([report.all_fixations for report in reports]),
        references=reports[0].references,
        notes=tuple(dict.fromkeys(note for report in reports for note in report.notes)),
    )


def summarize(
    names: Sequence[str],
    image_names: Sequence[str],
    fixations: int,
    per_image: PerImage,
    *,
    skipped_images: int = 0,
    absent: Mapping[str, str] | None = None,
    calibration: Calibration | None = None,
) -> Scores:
    """Means over images, their intervals, and IGE, from per-image values.

    Args:
        names: Metrics to summarize. IGE is the ratio of the means of IG and `gold_IG`.
        image_names: Of the scored images.
        fixations: Number of fixations scored.
        per_image: See `PerImage`. A metric with a None among its values has no mean: leaving
            images out would make it incomparable.
        skipped_images: Number of images that had no fixation.
        absent: Why there are None values, by the quantity's name.
        calibration: See `Scores`.
    """
    reasons = dict(absent or {})
    complete = [n for n in names if n != "IGE" and _mean(per_image[n]) is not None]
    metrics = dict.fromkeys(names, Metric(None, None))
    if complete:
        columns = np.array([per_image[name] for name in complete], dtype=np.float64).T  # (N, M)
        metrics |= dict(zip(complete, averages(columns), strict=True))
    if "IGE" in names:
        metrics["IGE"] = _ratio(per_image["IG"], per_image["gold_IG"], reasons)
    return Scores(
        tuple(image_names),
        skipped_images,
        fixations,
        dict(per_image),
        metrics,
        reasons,
        calibration if calibration is not None else [None] * len(image_names),
    )


def averages(columns: Float[np.ndarray, "N M"]) -> list[Metric]:
    """Mean and interval over N images of M quantities, resampled together."""
    return [
        Metric(float(mean), interval)
        for mean, interval in zip(columns.mean(0), mean_intervals(columns), strict=True)
    ]


def _ratio(
    gain: list[float | None], gold_gain: list[float | None], reasons: dict[str, str]
) -> Metric:
    mean, gold_mean = _mean(gain), _mean(gold_gain)
    if mean is None and "IG" in reasons:
        reasons["IGE"] = reasons["IG"]
    if mean is None or gold_mean is None:
        return Metric(None, None)
    if gold_mean <= 0:
        reasons["IGE"] = f"the gold standard gains {gold_mean:.3g} bits over the center bias"
        return Metric(None, None)
    interval = ratio_interval(
        np.array(gain, dtype=np.float64),
        np.array(gold_gain, dtype=np.float64),
    )
    if interval is None and len(gain) > 1:
        reasons["IGE"] = (
            f"the gold standard's gain over the center bias, {gold_mean:.3g} bits, is not above "
            "zero on all resamples of the images"
        )
        return Metric(None, None)
    return Metric(mean / gold_mean, interval)


def _mean(values: list[float | None] | None) -> float | None:
    """Mean of a list, None if it is empty or a value is missing."""
    if not values:
        return None
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if len(present) == len(values) else None


def _merge_scores(parts: Sequence[Scores]) -> Scores:
    image_names = [name for part in parts for name in part.image_names]
    if len(set(image_names)) < len(image_names):
        twice = next(name for name in image_names if image_names.count(name) > 1)
        raise DataError(f"image {twice} is in more than one report: folds must be disjoint")
    return summarize(
        list(parts[0].metrics),
        image_names,
        sum(part.fixations for part in parts),
        {
            name: [value for part in parts for value in part.per_image[name]]
            for name in parts[0].per_image
        },
        skipped_images=sum(part.skipped_images for part in parts),
        absent={name: reason for part in parts for name, reason in part.absent.items()},
        calibration=[shares for part in parts for shares in part.calibration],
    )


def _scores_to_json(scores: Scores) -> dict[str, Any]:
    return {
        "images": len(scores.image_names),
        "fixations": scores.fixations,
        "metrics": {name: asdict(metric) for name, metric in scores.metrics.items()},
        "gold_standard": scores.gold_standard,
        "absent": scores.absent,
        "skipped_images": scores.skipped_images,
        "calibration": scores.calibration,
        "per_image": {"image": list(scores.image_names), **scores.per_image},
    }


def _scores_from_json(content: dict[str, Any]) -> Scores:
    per_image = dict(content["per_image"])
    return summarize(
        list(content["metrics"]),
        per_image.pop("image"),
        content["fixations"],
        per_image,
        skipped_images=content["skipped_images"],
        absent=content["absent"],
        calibration=content["calibration"],
    )


def cell(name: str, value: float | None) -> str:
    """A value as tables show it; a dash where it is not defined."""
    if value is None:
        return "-"
    return f"{value:z.1%}" if name in SHARES else f"{value:z.3f}"


def interval_cell(name: str, interval: tuple[float, float] | None) -> str:
    """An interval as tables show it."""
    return "-" if interval is None else f"[{', '.join(cell(name, end) for end in interval)}]"
