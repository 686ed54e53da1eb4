"""The page docs/osie-scanpaths.md, from what docs/reports/osie-scanpaths.json holds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foregaze.files import write_whole

MARKER = "<!-- made by tools/scanpath_table.py -->\n"
FIRST = {"ScanMatch": "ScanMatch ↑", "MultiMatch_mean": "MultiMatch mean ↑", "SED": "SED ↓"}
PUBLISHED = """| published, 70 images | ScanMatch | MultiMatch mean | SED |
| --- | ---: | ---: | ---: |
| human to human | 0.385 | 0.808 | 7.53 |
| ISP-SENet (2025), observers seen in training | 0.390 | 0.812 | 7.31 |
| ISP-SENet, ten scanpaths of a new observer | 0.375 | 0.803 | 7.32 |
| GazeXplain (2024) | 0.380 | | |
| ChenLSTM (2021) | 0.377 | | |
| Gazeformer (2023) | 0.372 | | |
"""
PENDING = {
    "conditional": "where the next fixation goes",
    "durations": "how long fixations last",
    "folds": "all images out of fold",
    "split": "the literature's test images",
}
"""Sections that a page may lack, and how they are called then."""
INTRODUCTION = """# Scanpaths on OSIE

Made by `make scanpath-table`. How alike are models' and people's scanpaths on [OSIE](osie.md)? The
measures, what they are relative to, and why a mean similarity alone says little are explained in
[Scanpaths](scanpaths.md).

- **Samples.** On each image 15 scanpaths, as many as it has observers, the seed taken from the
  image's name. First fixations are part of scanpaths on both sides.
- **Unseen images.** Models, durations, first fixations and saccade lengths all come from images
  other than those that are scored: those of the other four folds, or all but the literature's test
  images.
- **Starts and ends.** `default-scanpath` predicts first fixations and durations, and looks as long
  as its training viewers did. The other models know none of this. So that they can be compared at
  all, their first fixations are drawn from a kernel density of training viewers' first fixations
  (15 px), their durations from a log-normal density fitted to training viewers' durations (last
  fixations left out, as recording may have cut them), and they are cut where a drawn training
  viewer's fixation time is over. Their metrics with durations measure that too.
- **The most typical tenth, twentieth**: of 150 or 300 scanpaths drawn from `default-scanpath` the
  15 that are most like all of them, see [sampling](scanpath-model.md#sampling). The rule and the
  tenth were chosen on 20 images of fold 0 that are scored below, three of them in both tables. The
  twentieth was added, on the literature's test images alone, when the tenth's scores there were
  known.
- **DeepGaze III head**: trained on the same images and the same kind of features as `default`; see
  [DeepGaze](deepgaze.md). **`default`, drawn without history**: each fixation but the first from
  the same density. **Center bias with saccade lengths**: does not look at the image; the next
  fixation has the density b(x) q(r) / (2 π r), with b the center bias (26 px) and q a kernel
  density of saccade lengths r (8 px), normalized on cells of 5 px.
"""


def write_page(content: dict[str, Any], path: Path) -> None:
    """Write the page."""
    write_whole(path, page(content))


def page(content: dict[str, Any]) -> str:
    """Its text."""
    sections = [MARKER + INTRODUCTION]
    if "conditional" in content:
        sections.append(conditional_section(content["conditional"]))
    if "durations" in content:
        sections.append(durations_section(content["durations"]))
    if "folds" in content:
        sections.append(
            f"## {content['folds']['images']} images, out of fold\n\n"
            + table_section(content["folds"])
        )
    if "split" in content:
        sections.append(
            f"## The literature's test images\n\n{content['split']['images']} of the 70 test "
            "images of scanpath papers, as far as their list is known here "
            "(`configs/osie-literature-split.txt`), with models trained without them.\n\n"
            + table_section(content["split"])
            + published_section()
        )
    if missing := [words for key, words in PENDING.items() if key not in content]:
        sections.append(f"Not made yet: {', '.join(missing)}.\n")
    return "\n".join(sections)


def conditional_section(found: dict[str, Any]) -> str:
    """Conditional information gain."""
    lines = [
        "## Where the next fixation goes",
        "",
        f"Bits per fixation on {found['images']} images, out of fold, first fixations left out: "
        "log-likelihood over uniform, information gain over the center bias, and what knowing the "
        "fixations before gains over the spatial model `default`: mean over images of the "
        "difference, with its 95% interval.",
        "",
        "| model | LL | IG | gain over `default` |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, row in found["rows"].items():
        gain = "–" if name == "default" else metric_cell(row["gain"])
        cells = (metric_cell(row["LL"]), metric_cell(row["IG"]), gain)
        lines.append(f"| {row['title']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def durations_section(found: dict[str, Any]) -> str:
    """How well durations are predicted."""
    return (
        "## How long fixations last\n\n"
        f"Log-likelihood of {found['fixations']} durations on {found['images']} images, out of "
        "fold, in bits per fixation (density per millisecond), last fixations of scanpaths left "
        "out, first ones included; mean over images with its 95% interval.\n\n"
        "| density | log-likelihood |\n| --- | ---: |\n"
        f"| log-normal, the same for all | {metric_cell(found['plain'])} |\n"
        f"| `default-scanpath`, after the fixations and durations before | "
        f"{metric_cell(found['model'])} |\n"
        f"| gain | {metric_cell(found['gain'])} |\n"
    )


def table_section(table: dict[str, Any]) -> str:
    """Main metrics, the others, and what scanpaths are like."""
    rows = table["rows"]
    if not rows:
        return "No model yet.\n"
    return "\n".join(
        [
            "Means over images with their 95% intervals; Δ: model minus human to human, image by "
            "image; KL: of the distribution of pair scores from people's, in nats.",
            "",
            *main_table(rows),
            "",
            "The other metrics:",
            "",
            *other_table(rows),
            "",
            "What the scanpaths are like, all of them together:",
            "",
            *statistics_table(rows, table["human"]),
            "",
            "Revisits are fixations within a degree (24 px) of an earlier one of the scanpath; "
            "returns leave out the fixation just before. Turns are between successive saccades: "
            "forward within 45 degrees of the one before, back within 45 degrees of its opposite. "
            "Horizontal: within 45 degrees of it.",
            "",
        ]
    )


def main_table(rows: dict[str, Any]) -> list[str]:
    """One row for each model, three columns for each main metric."""
    heads = [f"{title} | Δ | KL" for title in FIRST.values()]
    human = next(iter(rows.values()))["metrics"]
    cells = [f"{metric_cell(human[name]['human'])} | – | –" for name in FIRST]
    lines = [
        f"| scanpaths | {' | '.join(heads)} |",
        f"| --- |{' ---: |' * (3 * len(FIRST))}",
        f"| human to human | {' | '.join(cells)} |",
    ]
    for row in rows.values():
        cells = [similarity_cells(row["metrics"][name]) for name in FIRST]
        lines.append(f"| {row['title']} | {' | '.join(cells)} |")
    return lines


def other_table(rows: dict[str, Any]) -> list[str]:
    """One row for each metric and model."""
    lines = ["| metric | scanpaths | mean | Δ | KL |", "| --- | --- | ---: | ---: | ---: |"]
    metrics = next(iter(rows.values()))["metrics"]
    for name in metrics:
        if name not in FIRST:
            lines.append(
                f"| `{name}` | human to human | {metric_cell(metrics[name]['human'])} | – | – |"
            )
            lines += [
                f"| | {row['title']} | {similarity_cells(row['metrics'][name])} |"
                for row in rows.values()
            ]
    return lines


def statistics_table(rows: dict[str, Any], human: dict[str, Any]) -> list[str]:
    """One row for each quantity, a column for each model."""
    columns = {"human": human} | {row["title"]: row["statistics"] for row in rows.values()}
    quantities: Sequence[tuple[str, str]] = (
        ("fixations of a scanpath, mean", "fixations"),
        ("saccade length, median (quartiles), px", "saccade_px"),
        ("horizontal saccades", "horizontal"),
        ("forward turns", "forward"),
        ("turns back", "returning"),
        ("revisits", "revisits"),
        ("returns", "refixations"),
        ("duration, mean, ms", "duration_ms"),
        ("first fixation from the center, median, px", "first_from_center_px"),
    )
    lines = [f"| | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for title, key in quantities:
        cells = [statistic_cell(key, values[key]) for values in columns.values()]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def published_section() -> str:
    """Numbers from papers."""
    return (
        f"\nPublished numbers, for orientation:\n\n{PUBLISHED}\n"
        "They are of all 70 images, and their models' training images differ from ours. Papers "
        "report a KL divergence too (TPP-Gaze 2025: 0.20 for ScanMatch, 0.05 for MultiMatch; for "
        "Chen et al. 0.03 and 0.08, for DeepGaze III 0.12 and 0.11); how it is computed could not "
        "be established, so that it must not be compared with KL here.\n"
    )


def similarity_cells(similarity: dict[str, Any]) -> str:
    """Mean, difference and divergence."""
    kl = similarity["kl_nats"]
    return (
        f"{metric_cell(similarity['model'])} | {metric_cell(similarity['difference'], sign=True)}"
        f" | {'–' if kl is None else f'{kl:.3f}'}"
    )


def metric_cell(metric: dict[str, Any], *, sign: bool = False) -> str:
    """Mean and interval."""
    if metric["mean"] is None:
        return "–"
    style = "+z.3f" if sign else "z.3f"
    mean = format(metric["mean"], style)
    if metric["ci95"] is None:
        return mean
    low, high = (format(end, style) for end in metric["ci95"])
    return f"{mean} [{low}, {high}]"


def statistic_cell(key: str, value: Any) -> str:
    """One quantity of scanpaths."""
    if value is None:
        return "–"
    if key == "saccade_px":
        low, middle, high = value
        return f"{middle:.0f} ({low:.0f}–{high:.0f})"
    if key == "fixations":
        return f"{value:.2f}"
    if key in ("duration_ms", "first_from_center_px"):
        return f"{value:.0f}"
    return f"{value:.1%}"
