"""Write an evaluation's report into a folder: JSON, Markdown, HTML and figures.

The folder holds `report.json`, `report.md`, `report.html` (one page that needs no other file) and
the figures that the Markdown shows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from foregaze.errors import OutputError
from foregaze.evaluation.comparison import Comparison
from foregaze.evaluation.report import Metric, Report
from foregaze.files import write_whole
from foregaze.metrics import METRICS
from foregaze.reports.content import Picture, heading, sections
from foregaze.reports.html import to_html
from foregaze.reports.markdown import to_markdown
from foregaze.viz.evaluation import (
    Example,
    draw_calibration,
    draw_examples,
    draw_gains,
    draw_metric,
    model_colors,
)
from foregaze.viz.prediction import save_figure

HEADLINE = ("IG", "NSS", "AUC")
"""The first of these that a model has is drawn, and orders best and worst images."""

EXAMPLES = 3
"""Images shown of the best, and of the worst."""


def write_report(
    comparison: Comparison, folder: Path, examples: Mapping[str, Sequence[Example]]
) -> None:
    """Write the report's files; those of an earlier report are replaced.

    Args:
        comparison: The numbers.
        folder: Made if it is missing.
        examples: For each model what to show of it (see `example_images`); may be empty.

    Raises:
        OutputError: If a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("models.png", "gains.png", "calibration.png"):
            (folder / name).unlink(missing_ok=True)
        for earlier in folder.glob("examples-*.png"):
            earlier.unlink()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror or error})") from error
    found = sections(comparison, _pictures(comparison, folder, examples))
    title, subtitle = heading(comparison)
    write_whole(folder / "report.md", to_markdown(title, subtitle, found))
    write_whole(folder / "report.html", to_html(title, subtitle, found, folder))
    comparison.save(folder / "report.json")  # last: its presence says that the rest is there


def example_images(comparison: Comparison) -> dict[str, list[tuple[str, str]]]:
    """For each model the images that it predicts best and worst, with a title for each.

    By information gain, or where there is none (or none but 0, as of the center bias) by the
    first metric of `HEADLINE` that there is.
    """
    chosen = {}
    for report in comparison.reports:
        metric = next((m for m in HEADLINE if _varies(_complete(report, m))), None)
        if metric is None:
            continue
        found = _complete(report, metric) or []
        values = dict(zip(report.evidence.image_names, found, strict=True))
        ranked = sorted(values, key=lambda name: values[name], reverse=True)
        count = min(EXAMPLES, len(ranked) // 2) or 1
        shown = list(dict.fromkeys(ranked[:count] + ranked[-count:]))
        chosen[report.model] = [(name, f"{name}: {metric} {values[name]:.2f}") for name in shown]
    return chosen


def _pictures(
    comparison: Comparison, folder: Path, examples: Mapping[str, Sequence[Example]]
) -> dict[str, Sequence[Picture]]:
    pictures: dict[str, Sequence[Picture]] = {}
    reports = comparison.reports
    colors = model_colors([report.model for report in reports])
    metric = next((m for m in HEADLINE if any(_has(r.metrics, m) for r in reports)), None)
    if metric is not None and len(reports) > 1:
        values = {
            report.model: (value.mean, value.ci95)
            for report in reports
            if (value := report.metrics[metric]).mean is not None and value.ci95 is not None
        }
        save_figure(
            draw_metric(metric, values, METRICS[metric].unit, colors), folder / "models.png"
        )
        caption = f"{metric} of each model with its 95% interval over images"
        pictures["numbers"] = [Picture("models.png", caption)]
    gains = {
        report.model: found for report in reports if (found := _complete(report, "IG")) is not None
    }
    gold = _complete(reports[0], "gold_IG")
    if gains and gold is not None:
        save_figure(draw_gains(gold, gains, colors), folder / "gains.png")
        pictures["gains"] = [
            Picture("gains.png", "Gold standard against model, one point an image")
        ]
    observed = {
        report.model: regions
        for report in reports
        if (regions := report.evidence.observed_mass) is not None
    }
    if observed:
        save_figure(draw_calibration(observed, colors), folder / "calibration.png")
        caption = "Share of fixations in each tenth of the predicted mass, with 95% intervals"
        pictures["calibration"] = [Picture("calibration.png", caption)]
    pictures["examples"] = [
        _example_picture(folder, number, model, shown)
        for number, (model, shown) in enumerate(examples.items())
        if shown
    ]
    return pictures


def _example_picture(folder: Path, number: int, model: str, shown: Sequence[Example]) -> Picture:
    file = f"examples-{number}.png"
    save_figure(draw_examples(shown), folder / file)
    return Picture(
        file, f"{model}: the best images, then the worst; above fixations, below the map"
    )


def _has(metrics: Mapping[str, Metric], name: str) -> bool:
    return name in metrics and metrics[name].mean is not None


def _varies(values: list[float] | None) -> bool:
    return values is not None and max(values) - min(values) > 1e-9


def _complete(report: Report, name: str) -> list[float] | None:
    """A quantity's value on every image, if it has one on every image."""
    values = [value for value in report.per_image.get(name, [None]) if value is not None]
    return values if len(values) == report.images else None
