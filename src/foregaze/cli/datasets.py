"""`foregaze datasets`: what can be loaded by name."""

from typing import Annotated

import typer

from foregaze.cli.table import print_json, print_table


def datasets(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the data sets, whom to cite, and where to get them."""
    from foregaze.data import DATASETS

    if as_json:
        print_json(
            [
                {
                    "name": name,
                    "description": entry.description,
                    "licence": entry.licence,
                    "citation": entry.citation,
                    "source": entry.source,
                }
                for name, entry in DATASETS.items()
            ]
        )
        return
    print_table(
        ("name", "what it is", "licence", "citation", "where to get it"),
        [
            (name, entry.description, entry.licence, entry.citation, entry.source)
            for name, entry in DATASETS.items()
        ],
    )
