"""What an evaluation's report says, before it is Markdown or HTML."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from foregaze import __version__
from foregaze.evaluation.comparison import Comparison, is_less_better
from foregaze.evaluation.report import Metric, Report, cell, interval_cell
from foregaze.metrics import METRICS

Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Cells of text; the first row is the heading."""

    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Picture:
    """A figure by the name of its file."""

    file: str
    caption: str


@dataclass(frozen=True)
class Paragraph:
    """One paragraph, or the items of a list."""

    lines: tuple[str, ...]
    is_list: bool = False


Part = Table | Picture | Paragraph


@dataclass(frozen=True)
class Section:
    """A heading with what follows it."""

    title: str
    parts: tuple[Part, ...]


def sections(comparison: Comparison, pictures: dict[str, Sequence[Picture]]) -> list[Section]:
    """The report, section by section.

    Args:
        comparison: The numbers.
        pictures: By the section that they belong to: "numbers", "gains", "calibration",
            "examples".
    """
    found = [
        Section("Numbers", (_main_table(comparison), *pictures.get("numbers", ()))),
        Section("What the numbers are relative to", _conventions(comparison)),
    ]
    if remarks := _remarks(comparison):
        found.append(Section("What to know about single models", (remarks,)))
    if len(comparison.reports) > 1:
        found.append(Section("Differences", _differences(comparison)))
    if gains := pictures.get("gains"):
        text = (
            "Information gain over the center bias, a point for each image. On the diagonal a "
            "model predicts an observer as well as the other observers do."
        )
        found.append(Section("Image by image", (Paragraph((text,)), *gains)))
    if calibration := pictures.get("calibration"):
        text = (
            "Each image is cut into ten regions of equal predicted mass, the densest pixels "
            "first. Of a calibrated model each holds a tenth of the fixations (line); too many in "
            "the first means that the prediction is too flat, too many in the last that it rules "
            "out too much."
        )
        found.append(Section("Calibration", (Paragraph((text,)), *calibration)))
    if categories := _categories(comparison):
        found.append(Section("Categories", (categories,)))
    if beside := _all_fixations(comparison):
        found.append(Section("All fixations", beside))
    if examples := pictures.get("examples"):
        found.append(Section("Best and worst images", tuple(examples)))
    return found


def heading(comparison: Comparison) -> tuple[str, str]:
    """Title, and one line on what was scored."""
    scope = comparison.reports[0].scope()
    return f"Evaluation on {comparison.dataset}", f"{scope}. foregaze {__version__}."


def with_interval(name: str, metric: Metric) -> str:
    """A mean and its interval in one cell."""
    if metric.mean is None:
        return "–"
    if metric.ci95 is None:
        return cell(name, metric.mean)
    return f"{cell(name, metric.mean)} {interval_cell(name, metric.ci95)}"


def _main_table(comparison: Comparison) -> Table:
    names = comparison.metrics
    head = ("model", *map(_with_arrow, names))
    rows = [_metric_row(report.model, report.metrics, names) for report in comparison.reports]
    return Table((head, *rows))


def _with_arrow(name: str) -> str:
    """A metric's name, with the direction that is better."""
    return f"{name} {'↓' if is_less_better(name) else '↑'}"


def _metric_row(label: str, metrics: dict[str, Metric], names: Sequence[str]) -> Row:
    return (label, *(with_interval(name, metrics[name]) for name in names))


def _conventions(comparison: Comparison) -> tuple[Part, ...]:
    first = comparison.reports[0]
    units = "; ".join(
        f"{name}: {METRICS[name].description}, {METRICS[name].unit}"
        for name in comparison.metrics
        if name in METRICS
    )
    lines = [
        "Values are means over an image's fixations, then over images; brackets hold the 95% "
        "percentile bootstrap interval over images (10,000 resamples).",
        f"{units}.",
        "IGE is the information gain divided by the gold standard's, a ratio of means over images.",
        "Each metric gets the map of the density that it rewards most: the density itself (NSS), "
        "the density over the center bias (sAUC), the density blurred as the empirical maps are "
        "(CC, KLDiv), the map with the largest expected SIM (SIM). A model of saliency maps is "
        "scored with its maps as they are.",
        *(f"{name.capitalize()}: {text}." for name, text in first.references.items() if text),
    ]
    return (Paragraph(tuple(lines), is_list=True),)


def _remarks(comparison: Comparison) -> Paragraph | None:
    lines = []
    for report in comparison.reports:
        lines += [f"{report.model}: {note}." for note in report.notes]
        by_reason: dict[str, list[str]] = {}
        for name, reason in report.evidence.absent.items():
            by_reason.setdefault(reason, []).append(name)
        lines += [
            f"{report.model} has no {', '.join(names)}: {reason}."
            for reason, names in by_reason.items()
        ]
    return Paragraph(tuple(lines), is_list=True) if lines else None


def _differences(comparison: Comparison) -> tuple[Part, ...]:
    differences = comparison.differences
    names = [name for name in comparison.metrics if any(d.metric == name for d in differences)]
    by_pair: dict[tuple[str, str], dict[str, str]] = {}
    for difference in differences:
        text = with_interval(difference.metric, difference.value)
        if difference.better is None:
            text += " (not distinguished)"
        by_pair.setdefault((difference.first, difference.second), {})[difference.metric] = text
    rows = [
        (f"{first} − {second}", *(cells.get(name, "–") for name in names))
        for (first, second), cells in by_pair.items()
    ]
    text = (
        "Mean over images of the first model's value less the second's, on the same image. Two "
        "models are put in no order where the interval of their difference includes zero."
    )
    return Paragraph((text,)), Table((("pair", *map(_with_arrow, names)), *rows))


def _categories(comparison: Comparison) -> Table | None:
    by_category = comparison.by_category()
    if not by_category:
        return None
    names = comparison.metrics
    counts = Counter(comparison.categories[n] for n in comparison.reports[0].evidence.image_names)
    rows = [
        (f"{category} ({counts[category]})", *_metric_row(model, metrics, names))
        for category, of_models in by_category.items()
        for model, metrics in of_models.items()
    ]
    return Table((("category (images)", "model", *map(_with_arrow, names)), *rows))


def _all_fixations(comparison: Comparison) -> tuple[Part, ...]:
    names = comparison.metrics
    reports: tuple[Report, ...] = comparison.reports
    if all(report.evidence.fixations == report.all_fixations.fixations for report in reports):
        return ()
    text = (
        "Viewers started at a forced center point, so the first fixation of each scanpath is "
        f"history above. With it, {reports[0].all_fixations.fixations} fixations:"
    )
    rows = [_metric_row(report.model, report.all_fixations.metrics, names) for report in reports]
    return Paragraph((text,)), Table((("model", *names), *rows))
