"""Reports: the numbers of one model on one data set, with every image's values behind them."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foregaze.errors import DataError, OutputError
from foregaze.evaluation.bootstrap import mean_interval, ratio_interval

SEED = 0
"""Of every interval's resamples, so that equal values make equal reports."""

PerImage = dict[str, list[float | None]]
"""For each quantity one value per scored image: its mean over the image's fixations.

None where it is not defined. Besides the metrics: `gold_LL` and `gold_IG`, the gold standard's.
"""


@dataclass(frozen=True)
class Metric:
    """A mean over images and its 95% bootstrap interval; None where it is not defined."""

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
    """LL and IG in bits per fixation, IGE as a fraction, NSS in standard deviations, AUC."""
    absent: dict[str, str]
    """Why a metric is None, by its name."""

    @property
    def gold_standard(self) -> dict[str, float] | None:
        """Mean LL and IG of the gold standard in bits per fixation, if it was computed."""
        means = {name: _mean(self.per_image.get(f"gold_{name}")) for name in ("LL", "IG")}
        return {name: mean for name, mean in means.items() if mean is not None} or None


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

    def to_json(self) -> dict[str, Any]:
        """The content of report.json: plain dicts, lists, numbers and None."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            **_scores_to_json(self.evidence),
            "dropped_fixations": self.dropped_fixations,
            "all_fixations": _scores_to_json(self.all_fixations),
        }

    def save(self, path: str | Path) -> None:
        """Write report.json, whole or not at all.

        Raises:
            OutputError: If it cannot be written there.
        """
        path = Path(path)
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        text = json.dumps(self.to_json(), indent=1, allow_nan=False)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                partial.write_text(text + "\n", encoding="utf-8")
                os.replace(partial, path)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot write the report ({error})") from error

    def table(self) -> str:
        """Plain text with aligned columns: evidence fixations, beside them all fixations."""
        rows = [("", "mean", "95% interval", "all fixations")]
        for name, metric in self.metrics.items():
            beside = self.all_fixations.metrics[name]
            interval = _interval_cell(name, metric.ci95)
            rows.append((name, _cell(name, metric.mean), interval, _cell(name, beside.mean)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in rows
        ]
        heading = f"{self.model} on {self.dataset}: {self.images} images"
        if self.evidence.skipped_images:
            heading += f" ({self.evidence.skipped_images} without fixations skipped)"
        heading += f", {self.fixations} fixations"
        if self.dropped_fixations:
            heading += f" ({self.dropped_fixations} outside their image dropped)"
        notes = [f"{name}: {reason}" for name, reason in self.evidence.absent.items()]
        return "\n".join([heading, *lines, *notes])


def read_report(path: str | Path) -> Report:
    """A report that `Report.save` wrote.

    Raises:
        DataError: If the file cannot be read or is no such report.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return Report(
            model=content["model"],
            dataset=content["dataset"],
            dropped_fixations=content["dropped_fixations"],
            evidence=_scores_from_json(content),
            all_fixations=_scores_from_json(content["all_fixations"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is no report of foregaze ({error!r})") from error


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
    )


def summarize(
    names: Sequence[str],
    image_names: Sequence[str],
    fixations: int,
    per_image: PerImage,
    *,
    skipped_images: int = 0,
    absent: Mapping[str, str] | None = None,
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
    """
    reasons = dict(absent or {})
    metrics = {}
    for name in names:
        if name == "IGE":
            metrics[name] = _ratio(per_image["IG"], per_image["gold_IG"], reasons)
        else:
            metrics[name] = _average(per_image[name])
    return Scores(tuple(image_names), skipped_images, fixations, dict(per_image), metrics, reasons)


def _average(values: list[float | None]) -> Metric:
    mean = _mean(values)
    if mean is None:
        return Metric(None, None)
    rng = np.random.default_rng(SEED)
    return Metric(mean, mean_interval(np.array(values, dtype=np.float64), rng))


def _ratio(
    gain: list[float | None], gold_gain: list[float | None], reasons: dict[str, str]
) -> Metric:
    mean, gold_mean = _mean(gain), _mean(gold_gain)
    if mean is None or gold_mean is None:
        return Metric(None, None)
    if gold_mean <= 0:
        reasons["IGE"] = f"the gold standard gains {gold_mean:.3g} bits over the center bias"
        return Metric(None, None)
    interval = ratio_interval(
        np.array(gain, dtype=np.float64),
        np.array(gold_gain, dtype=np.float64),
        np.random.default_rng(SEED),
    )
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
    )


def _scores_to_json(scores: Scores) -> dict[str, Any]:
    return {
        "images": len(scores.image_names),
        "fixations": scores.fixations,
        "metrics": {name: asdict(metric) for name, metric in scores.metrics.items()},
        "gold_standard": scores.gold_standard,
        "absent": scores.absent,
        "skipped_images": scores.skipped_images,
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
    )


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:z.1%}" if name == "IGE" else f"{value:z.3f}"


def _interval_cell(name: str, interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"[{', '.join(_cell(name, end) for end in interval)}]"
