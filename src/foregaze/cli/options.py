"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

ModelName = Annotated[
    str, typer.Option(metavar="NAME", help="From `foregaze models`, or a .safetensors file.")
]
CheckpointFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Weights in place of the named model's own."),
]
DeviceName = Annotated[
    str,
    typer.Option(
        metavar="DEVICE", help="cpu, cuda, cuda:1, mps, or auto: a GPU where there is one."
    ),
]
