"""Several models on one data set: their reports, and what can be said of their differences.

Two models are compared image by image, so that what makes an image hard for both cancels out. One
is called better only where the 95% interval of the mean difference excludes zero.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from foregaze.errors import DataError
from foregaze.evaluation.report import (
    Metric,
    Report,
    averages,
    cell,
    interval_cell,
    report_from_json,
    save_json,
    summarize,
)
from foregaze.metrics import METRICS

INTERVAL_IMAGES = 10
"""With fewer images a percentile bootstrap is far too narrow."""


@dataclass(frozen=True)
class Difference:
    """How much one model differs from another in one metric: the first less the second."""

    first: str
    second: str
    metric: str
    value: Metric

    @property
    def better(self) -> str | None:
        """The model that is better, or None where the interval includes zero."""
        if self.value.ci95 is None:
            return None
        low, high = self.value.ci95
        if low <= 0 <= high:
            return None
        first_is_larger = low > 0
        return self.first if first_is_larger != is_less_better(self.metric) else self.second


@dataclass(frozen=True)
class Comparison:
    """Reports of several models on the same images of one data set."""

    reports: tuple[Report, ...]
    categories: dict[str, str]
    """Category of each image by its name; empty where the data set has none."""

    def __post_init__(self) -> None:
        if not self.reports:
            raise DataError("there is no report to compare")
        names = [report.model for report in self.reports]
        for name in names:
            if names.count(name) > 1:
                raise DataError(f"two models are called {name!r}: give one another name")
        images = self.reports[0].evidence.image_names
        for report in self.reports[1:]:
            if report.evidence.image_names != images:
                raise DataError(
                    f"{report.model} and {self.reports[0].model} were scored on different images"
                )

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return self.reports[0].dataset

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, in the report's order."""
        return list(self.reports[0].metrics)

    @cached_property
    def differences(self) -> list[Difference]:
        """Of all pairs of models and all metrics that both have a value for on every image.

        IGE is left out: it is IG in other units.
        """
        found = []
        for first, second in combinations(self.reports, 2):
            names = [
                name
                for name in self.metrics
                if name in METRICS
                and first.metrics[name].mean is not None
                and second.metrics[name].mean is not None
            ]
            if names:
                columns = np.array(
                    [
                        np.array(first.per_image[name]) - np.array(second.per_image[name])
                        for name in names
                    ],
                    dtype=np.float64,
                ).T  # (N, M)
                found += [
                    Difference(first.model, second.model, name, value)
                    for name, value in zip(names, averages(columns), strict=True)
                ]
        return found

    def by_category(self) -> dict[str, dict[str, dict[str, Metric]]]:
        """Metrics of each model over the images of each category, category first.

        Without intervals where a category has fewer than `INTERVAL_IMAGES` images.
        """
        rows: dict[str, dict[str, dict[str, Metric]]] = {}
        for category in sorted(set(self.categories.values())):
            for report in self.reports:
                scores = report.evidence
                kept = [
                    i
                    for i, name in enumerate(scores.image_names)
                    if self.categories.get(name) == category
                ]
                if kept:
                    part = summarize(
                        self.metrics,
                        [scores.image_names[i] for i in kept],
                        0,
                        {
                            key: [values[i] for i in kept]
                            for key, values in scores.per_image.items()
                        },
                    )
                    metrics = part.metrics
                    if len(kept) < INTERVAL_IMAGES:
                        metrics = {name: Metric(m.mean, None) for name, m in metrics.items()}
                    rows.setdefault(category, {})[report.model] = metrics
        return rows

    def table(self, width: int = 1000) -> str:
        """Plain text: one row per model, means with their intervals below.

        Args:
            width: Characters of a line; metrics that do not fit beside others go below them.
        """
        columns = [("", *(text for report in self.reports for text in (report.model, "")))]
        for name in self.metrics:
            column = [name]
            for report in self.reports:
                metric = report.metrics[name]
                column += [cell(name, metric.mean), interval_cell(name, metric.ci95)]
            columns.append(tuple(column))
        lines = _in_blocks(columns, width)
        heading = f"{self.dataset}: {self.reports[0].scope()}"
        return "\n".join([f"{heading}; mean and 95% interval", *lines, *self._remarks()])

    def to_json(self) -> dict[str, Any]:
        """The content of report.json.

        That of `Report.to_json` for a single model; else `models`, a list of these, and
        `differences`.
        """
        if len(self.reports) == 1:
            content = self.reports[0].to_json()
            if self.categories:
                content["categories"] = self.categories
                content["by_category"] = self._categories_to_json()
            return content
        return {
            "dataset": self.dataset,
            "images": self.reports[0].images,
            "fixations": self.reports[0].fixations,
            "models": [report.to_json() for report in self.reports],
            "differences": [
                {**asdict(difference), "better": difference.better}
                for difference in self.differences
            ],
            "categories": self.categories,
            "by_category": self._categories_to_json(),
        }

    def save(self, path: str | Path) -> None:
        """Write report.json, whole or not at all.

        Raises:
            OutputError: If it cannot be written there.
        """
        save_json(self.to_json(), Path(path))

    def _categories_to_json(self) -> dict[str, Any]:
        return {
            category: {
                model: {name: asdict(metric) for name, metric in metrics.items()}
                for model, metrics in of_models.items()
            }
            for category, of_models in self.by_category().items()
        }

    def _remarks(self) -> list[str]:
        """Why values are missing, and what readers must know, each once."""
        found: dict[str, list[str]] = {}
        for report in self.reports:
            for name, reason in report.evidence.absent.items():
                found.setdefault(f"{report.model}: {reason}", []).append(name)
        missing = [f"no {', '.join(names)} for {why}" for why, names in found.items()]
        notes = [f"{report.model}: {note}" for report in self.reports for note in report.notes]
        return missing + notes


def _in_blocks(columns: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lines of aligned columns; the first begins every block, the others share the blocks."""
    first, *others = columns
    margin = max(map(len, first))
    blocks: list[list[Sequence[str]]] = [[]]
    used = margin
    for column in others:
        needed = 2 + max(map(len, column))
        if blocks[-1] and used + needed > width:
            blocks.append([])
            used = margin
        blocks[-1].append(column)
        used += needed
    lines: list[str] = []
    for block in blocks:
        widths = [max(map(len, column)) for column in block]
        lines += [""] * bool(lines)
        for row in zip(first, *block, strict=True):
            cells = [row[0].ljust(margin), *map(str.rjust, row[1:], widths)]
            lines.append("  ".join(cells).rstrip())
    return lines


def is_less_better(metric: str) -> bool:
    """Whether smaller values of a metric are better."""
    return metric in METRICS and METRICS[metric].less_is_better


def read_comparison(path: str | Path) -> Comparison:
    """What `Comparison.save` wrote, of one model or several.

    Raises:
        DataError: If the file cannot be read or is no such report.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        models = content.get("models", [content])
        reports = tuple(report_from_json(model) for model in models)
        return Comparison(reports, content.get("categories", {}))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is no report of foregaze ({error!r})") from error


def compare(reports: Sequence[Report], categories: dict[str, str] | None = None) -> Comparison:
    """Reports of several models side by side.

    Raises:
        DataError: If they are of different images, or two have one name.
    """
    return Comparison(tuple(reports), categories or {})
