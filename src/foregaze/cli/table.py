"""Lists for people and for programs."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import typer


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table that fits the terminal; elsewhere aligned columns with one line for each row."""
    if sys.stdout.isatty():
        _print_rich(headings, rows)
        return
    table = [headings, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        typer.echo("  ".join(cells).rstrip())


def print_json(content: Any) -> None:
    """Indented JSON."""
    typer.echo(json.dumps(content, indent=1))


def _print_rich(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    first, *others = headings
    table.add_column(first, no_wrap=True)
    for heading in others:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
