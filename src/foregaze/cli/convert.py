"""`foregaze convert`: a DeepGaze checkpoint as one of ours, with a model card."""

from pathlib import Path
from typing import Annotated

import typer

from foregaze.cli.options import Networks, parse_networks
from foregaze.cli.output import check_file, written_together
from foregaze.errors import OutputError

SUFFIX = ".safetensors"


def convert(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A published file, or one of ours; a path or another source of weights.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str, typer.Option(metavar="NAME", help="The DeepGaze model that it is of, as deepgaze3.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            metavar=f"FILE{SUFFIX}", help="What to write; a model card, FILE.md, goes beside it."
        ),
    ],
    centerbias: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy",
            help="A log density in nats that becomes the model's own center bias, such as "
            "centerbias_mit1003.npy.",
        ),
    ] = None,
    network: Networks = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier files.")] = False,
) -> None:
    """Turn a DeepGaze checkpoint into a safetensors file of ours, its numbers unchanged."""
    card = output.with_suffix(".md")
    if output.suffix != SUFFIX:
        raise OutputError(f"{output}: the file's name should end in {SUFFIX}")
    for path in (output, card):
        if path.resolve() in {Path(checkpoint).resolve(), centerbias and centerbias.resolve()}:
            raise OutputError(f"{path}: is an input; give another --output")
        check_file(path, overwrite=overwrite)
    networks = parse_networks(network)
    from foregaze.inference.convert import read_for_conversion

    converted = read_for_conversion(model, checkpoint, centerbias, networks)
    with written_together(output.parent, [output.name, card.name]) as (weights, page):
        converted.save(weights)
        page.write_text(converted.page(output), encoding="utf-8", newline="\n")
    typer.echo(f"model: {output}")
    typer.echo(f"model card: {card}")
