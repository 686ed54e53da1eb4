"""Options that several commands have."""

from typing import Annotated

import typer

MOST_SECONDS = 600.0
"""As in `foregaze.inference.conditional`, which takes a second to import."""

ModelName = Annotated[
    str, typer.Option(metavar="NAME", help="From `foregaze models`, or a .safetensors file.")
]
CheckpointSource = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE",
        help="Weights in place of the named model's own: a file, or another source of weights, "
        "such as https://HOST/FILE#sha256=HEX.",
    ),
]
Networks = Annotated[
    list[str] | None,
    typer.Option(
        "--network",
        metavar="NAME=SOURCE",
        help="Where the weights of a network of deepgaze-msdb are, clip_rn50x64 or "
        "dinov2_vitb14, if not where they were published. Repeat for both.",
    ),
]
Viewers = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="For deepgaze-msdb: the data set whose viewers are predicted, such as MIT1003.  "
        "[default: the mean of all]",
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        metavar="float32|bfloat16|float16",
        help="What the backbone of DeepGaze models computes in.",
    ),
]
Compiled = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile the backbone of DeepGaze models: minutes for the first image of a size, "
        "then faster.",
    ),
]
DeviceName = Annotated[
    str,
    typer.Option(
        metavar="DEVICE", help="cpu, cuda, cuda:1, mps, or auto: a GPU where there is one."
    ),
]


def parse_networks(given: list[str] | None) -> dict[str, str]:
    """Sources of networks by name, from what `Networks` was given.

    Raises:
        BadParameter: If one is not NAME=SOURCE, or a name is there twice.
    """
    networks: dict[str, str] = {}
    for text in given or []:
        name, equals, source = text.partition("=")
        if not (name and equals and source):
            raise typer.BadParameter(f"{text!r}, expected NAME=SOURCE", param_hint="--network")
        if name in networks:
            raise typer.BadParameter(f"{name!r} is given twice", param_hint="--network")
        networks[name] = source
    return networks


def parse_dataset(given: str, option: str) -> tuple[str, str]:
    """Name and folder of a data set, from NAME=DIR."""
    name, equals, root = given.partition("=")
    if not (name and equals and root):
        raise typer.BadParameter(
            f"{given!r}, expected NAME=DIR, such as osie=/data/osie", param_hint=option
        )
    return name, root
