"""`foregaze datasets`: what can be loaded by name."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foregaze.cli.table import print_json, print_table

if TYPE_CHECKING:
    from foregaze.data import DatasetEntry


def datasets(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Tell all of one data set, with its folder layout."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the data sets, whom to cite, and where to get them."""
    from foregaze.data import DATASETS, find_dataset

    if name is not None:
        entry = find_dataset(name)
        if as_json:
            print_json(_content(name, entry))
        else:
            typer.echo(_details(name, entry))
        return
    if as_json:
        print_json([_content(name, entry) for name, entry in DATASETS.items()])
        return
    print_table(
        ("name", "what it is", "licence", "citation", "where to get it"),
        [
            (name, entry.description, entry.licence, entry.citation, entry.source)
            for name, entry in DATASETS.items()
        ],
    )
    typer.echo("\nfolder layout of one: foregaze datasets NAME")


def _content(name: str, entry: "DatasetEntry") -> dict[str, Any]:
    facts = asdict(entry)
    del facts["load"]
    return {"name": name, **facts}


def _details(name: str, entry: "DatasetEntry") -> str:
    lines = [
        f"{name}: {entry.description}",
        f"  licence: {entry.licence}",
        f"  citation: {entry.citation}",
        f"  where to get it: {entry.source}",
        f"  images: {'any number' if entry.images is None else entry.images}",
        "  folder layout:",
        *(f"    {line}" for line in entry.layout.splitlines()),
    ]
    return "\n".join(lines)
