"""Lists for people and for programs."""

import json
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import typer


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns, one line for each row.

    In a terminal that is too narrow each row becomes a paragraph, so that addresses stay whole.
    """
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    width = sum(widths) + 2 * (len(widths) - 1)
    if sys.stdout.isatty() and width > shutil.get_terminal_size().columns:
        typer.echo("\n\n".join(_paragraph(headings, row) for row in rows))
        return
    for row in (headings, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        typer.echo("  ".join(cells).rstrip())


def print_json(content: Any) -> None:
    """Indented JSON."""
    typer.echo(json.dumps(content, indent=1))


def _paragraph(headings: Sequence[str], row: Sequence[str]) -> str:
    """The first cell, and below it the others with their headings."""
    cells = zip(headings[1:], row[1:], strict=True)
    return "\n".join([row[0], *(f"  {heading}: {cell}" for heading, cell in cells)])
