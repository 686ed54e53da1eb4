"""`foregaze predict`: pictures, densities and sampled fixations of images."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from foregaze.cli import messages
from foregaze.cli.options import CheckpointFile, DeviceName, ModelName

FIXATIONS = 100
LENGTH = 8
MOST_SAMPLES = 1_000_000
"""Sampled fixations for one image."""

SKIPPED = 1
"""Exit code where images of a batch were skipped."""


class Format(StrEnum):
    """What is written for an image; also the file's extension."""

    png = "png"
    npy = "npy"
    csv = "csv"


def predict(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE|DIR", help="Image files, or folders of them.", show_default=False
        ),
    ],
    model: ModelName = "default",
    checkpoint: CheckpointFile = None,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results.")] = Path(
        "foregaze-output"
    ),
    formats: Annotated[
        list[Format] | None,
        typer.Option(
            "--format",
            metavar="png|npy|csv",
            help="png: picture; npy: log density in nats, float32; csv: sampled fixations. "
            "Repeat for several.  [default: png]",
        ),
    ] = None,
    fixations: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help=f"Fixations sampled on each image.  [default: {FIXATIONS}]"
        ),
    ] = None,
    scanpaths: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Sample scanpaths instead, which go into a csv as well."
        ),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(metavar="T", min=1, help=f"Fixations of a scanpath.  [default: {LENGTH}]"),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="S", min=0, help="Of the samples on each image.")
    ] = 0,
    centerbias: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.npy|uniform",
            help="Where people look whatever the image shows: a log density in nats at the "
            "images' size, or none.  [default: that of the model's training images]",
        ),
    ] = None,
    device: DeviceName = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier results.")
    ] = False,
) -> None:
    """Predict where people look in images.

    Writes for each image, as asked: a picture with heat map and contours, the log density, and
    fixations sampled from it. Images of a batch that cannot be used are skipped and listed at
    the end.
    """
    per_path = _fixations_per_path(fixations, scanpaths, length)
    asked = dict.fromkeys(formats or [Format.png])
    if scanpaths is not None:
        asked[Format.csv] = None

    from foregaze.cli.predict_plan import plan_predictions, read_centerbias

    inputs = [checkpoint] if checkpoint is not None else []
    if centerbias not in (None, "uniform"):
        inputs.append(Path(centerbias))
    plan = plan_predictions(images, output, tuple(asked), overwrite=overwrite, keep=inputs)
    prior = read_centerbias(centerbias)

    from foregaze.cli.predict_batch import Samples, predict_batch
    from foregaze.inference.zoo import load_model

    samples = Samples(scanpaths or fixations or FIXATIONS, per_path, seed)
    problems = list(plan.problems)
    if plan.images:
        predictor = load_model(model, checkpoint=checkpoint, device=device)
        if scanpaths is not None:
            messages.note(
                f"model {predictor.name!r} does not use earlier fixations: those of a scanpath "
                "are drawn independently from the density"
            )
        problems += predict_batch(predictor, plan, samples, prior)
    for problem in problems:
        messages.note(f"skipped: {problem}")
    if problems:
        raise typer.Exit(SKIPPED)


def _fixations_per_path(
    fixations: int | None, scanpaths: int | None, length: int | None
) -> int | None:
    """Fixations of each scanpath; None where single fixations are asked for."""
    if scanpaths is None:
        if length is not None:
            raise typer.BadParameter("it goes with --scanpaths", param_hint="--length")
        _check_samples(fixations or FIXATIONS, "--fixations")
        return None
    if fixations is not None:
        raise typer.BadParameter(
            "with --scanpaths, give --length instead", param_hint="--fixations"
        )
    _check_samples(scanpaths * (length or LENGTH), "--scanpaths")
    return length or LENGTH


def _check_samples(count: int, option: str) -> None:
    if count > MOST_SAMPLES:
        raise typer.BadParameter(
            f"{count:,} fixations on each image; the limit is {MOST_SAMPLES:,}", param_hint=option
        )
