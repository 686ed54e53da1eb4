"""Reports on scanpaths: how similar a model's are to people's, and people's to each other's."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from foregaze.errors import DataError
from foregaze.evaluation.report import Metric, averages, save_json

TITLES: tuple[str, ...] = (
    *("", "model", "human", "difference", "95% interval"),
    *("model best", "human best", "KL (nats)"),
)
"""Columns of the plain-text table."""

Column = list[float | None]
"""One value for each scored image; None where none of its pairs has a score."""

PerImage = dict[str, Column]
"""`model`, `human`, `model_best` and `human_best` of one metric, see `Similarity`."""


@dataclass(frozen=True)
class PairCounts:
    """Pairs of scanpaths over all images; undefined ones have no score and are left out."""

    model: int
    human: int
    undefined_model: int
    undefined_human: int


@dataclass(frozen=True)
class Similarity:
    """One metric; all means are over images, with 95% bootstrap intervals over images."""

    model: Metric
    """Each generated scanpath against each human one of its image."""
    human: Metric
    """Each human scanpath against each other human one of its image."""
    difference: Metric
    """`model` minus `human`, image by image."""
    model_best: Metric
    """Each generated scanpath against the human one that it is most similar to."""
    human_best: Metric
    """Each human scanpath against the most similar other one: one fewer to choose from."""
    kl_nats: float | None
    """KL(human pair scores || model pair scores), see `scanpaths.divergence_nats`."""
    pairs: PairCounts
    larger_is_better: bool
    undefined: str
    """When a pair of scanpaths has no such score."""


@dataclass(frozen=True)
class ScanpathReport:
    """One model's scanpaths on one data set."""

    model: str
    dataset: str
    image_names: tuple[str, ...]
    skipped_images: int
    """Images with fewer than two human scanpaths."""
    generated_scanpaths: int
    human_scanpaths: int
    per_image: dict[str, PerImage]
    metrics: dict[str, Similarity]
    absent: dict[str, str]
    """Why a metric has None among its numbers, by its name."""

    @property
    def images(self) -> int:
        """Number of images scored."""
        return len(self.image_names)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and None."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "images": self.images,
            "skipped_images": self.skipped_images,
            "generated_scanpaths": self.generated_scanpaths,
            "human_scanpaths": self.human_scanpaths,
            "metrics": {name: asdict(similarity) for name, similarity in self.metrics.items()},
            "absent": self.absent,
            "per_image": {"image": list(self.image_names), "metrics": self.per_image},
        }

    def save(self, path: str | Path) -> None:
        """Write the report as JSON, whole or not at all.

        Raises:
            OutputError: If it cannot be written there.
        """
        save_json(self.to_json(), Path(path))

    def table(self) -> str:
        """Plain text with aligned columns."""
        rows = [TITLES, *(_row(name, similarity) for name, similarity in self.metrics.items())]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in rows
        ]
        return "\n".join([self._heading(), *lines, *self._notes()])

    def _heading(self) -> str:
        heading = f"{self.model} on {self.dataset}: {self.images} images"
        if self.skipped_images:
            heading += f" ({self.skipped_images} with fewer than two human scanpaths skipped)"
        return (
            f"{heading}, {self.generated_scanpaths} generated and {self.human_scanpaths} human "
            "scanpaths"
        )

    def _notes(self) -> list[str]:
        lower = [name for name, s in self.metrics.items() if not s.larger_is_better]
        notes = [f"lower is better: {', '.join(lower)}"] if lower else []
        named: dict[str, list[str]] = {}
        for name, s in self.metrics.items():
            if name in self.absent:
                named.setdefault(self.absent[name], []).append(name)
            elif s.pairs.undefined_model or s.pairs.undefined_human:
                left_out = (
                    f"left out {s.pairs.undefined_model} of {s.pairs.model} model pairs and "
                    f"{s.pairs.undefined_human} of {s.pairs.human} human pairs, where {s.undefined}"
                )
                named.setdefault(left_out, []).append(name)
        return notes + [f"{', '.join(names)}: {note}" for note, names in named.items()]


def read_scanpath_report(path: str | Path) -> ScanpathReport:
    """A report that `ScanpathReport.save` wrote.

    Raises:
        DataError: If the file cannot be read or is no such report.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return ScanpathReport(
            model=content["model"],
            dataset=content["dataset"],
            image_names=tuple(content["per_image"]["image"]),
            skipped_images=content["skipped_images"],
            generated_scanpaths=content["generated_scanpaths"],
            human_scanpaths=content["human_scanpaths"],
            per_image=content["per_image"]["metrics"],
            metrics={name: _similarity(s) for name, s in content["metrics"].items()},
            absent=content["absent"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is no scanpath report of foregaze ({error!r})") from error


def summarize_columns(columns: Mapping[str, Column]) -> dict[str, Metric]:
    """Means over images with their intervals; neither where a value is missing.

    Leaving images out would make a mean incomparable.
    """
    whole = {name: column for name, column in columns.items() if column and None not in column}
    metrics = dict.fromkeys(columns, Metric(None, None))
    if whole:
        values = np.array(list(whole.values()), dtype=np.float64).T  # (images, columns)
        metrics |= zip(whole, averages(values), strict=True)
    return metrics


def difference(minuend: Column, subtrahend: Column) -> Column:
    """Image by image; None where either is."""
    return [
        None if a is None or b is None else a - b for a, b in zip(minuend, subtrahend, strict=True)
    ]


def _similarity(content: Mapping[str, Any]) -> Similarity:
    values = dict(content)
    for field in fields(Similarity):
        if field.type is Metric:
            metric = values[field.name]
            interval = None if metric["ci95"] is None else tuple(metric["ci95"])
            values[field.name] = Metric(metric["mean"], interval)
    return Similarity(**{**values, "pairs": PairCounts(**values["pairs"])})


def _row(name: str, similarity: Similarity) -> tuple[str, ...]:
    means: Sequence[Metric] = (similarity.model, similarity.human, similarity.difference)
    interval = similarity.difference.ci95
    return (
        name,
        *(_cell(metric.mean) for metric in means),
        "-" if interval is None else f"[{_cell(interval[0])}, {_cell(interval[1])}]",
        _cell(similarity.model_best.mean),
        _cell(similarity.human_best.mean),
        _cell(similarity.kl_nats),
    )


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:z.1f}" if abs(value) >= 1000 else f"{value:z.3f}"
