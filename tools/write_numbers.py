"""Write the out-of-fold numbers of docs/reports into README, model card and docs/deepgaze.md.

Each of these pages has a table between two marker lines, made anew from the reports. With
`--check` nothing is written, and the exit code is 1 where a page does not say what they say.
"""

import argparse
import sys
from pathlib import Path

from foregaze.evaluation.report import Report, read_report

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "default*",
    "docs/model-card.md": "default*",
    "docs/deepgaze.md": "osie-deepgaze*",
}
"""The reports that each page shows."""
BEGIN = "<!-- numbers: made by tools/write_numbers.py -->"
END = "<!-- end of numbers -->"
HEAD = "| model | IGE | IG | LL | NSS | AUC |\n| --- | --- | --- | --- | --- | --- |\n"


def cells(report: Report) -> str:
    """Means with their 95% intervals; a dash where a metric was not asked for."""
    found = []
    for name in ("IGE", "IG", "LL", "NSS", "AUC"):
        if name not in report.metrics:
            found.append("–")
            continue
        metric = report.metrics[name]
        assert metric.mean is not None
        assert metric.ci95 is not None
        values = (metric.mean, *metric.ci95)
        style = "{:.1%}" if name == "IGE" else "{:.3f}"
        mean, low, high = (style.format(value) for value in values)
        found.append(f"**{mean}** [{low}, {high}]" if name == "IGE" else f"{mean} [{low}, {high}]")
    return " | ".join(found)


def table(pattern: str) -> str:
    """One row per report, in the order of their files' names."""
    rows = []
    paths = (ROOT / "docs" / "reports").glob(f"{pattern}.json")
    for path in sorted(paths, key=lambda path: path.stem):
        report = read_report(path)
        name = f"`{path.stem}`" if report.model == path.stem else report.model
        rows.append(f"| {name} | {cells(report)} |\n")
    return HEAD + "".join(rows)


def main() -> int:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = []
    for page, pattern in PAGES.items():
        text = (ROOT / page).read_text()
        before, rest = text.split(BEGIN)
        after = rest.split(END)[1]
        current = f"{before}{BEGIN}\n\n{table(pattern)}\n{END}{after}"
        if current != text:
            stale.append(page)
            if not check:
                (ROOT / page).write_text(current)
    print("\n".join(stale) or "numbers are up to date")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
