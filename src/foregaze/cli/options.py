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
