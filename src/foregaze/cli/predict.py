"""`foregaze predict`: pictures, densities and sampled fixations of images."""

import math
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foregaze.cli import messages
from foregaze.cli.centerbias import centerbias_file, read_centerbias
from foregaze.cli.given_segments import maps_of_images
from foregaze.cli.options import (
    CheckpointSource,
    Compiled,
    DeviceName,
    ModelName,
    Networks,
    Precision,
    Viewers,
    parse_networks,
)
from foregaze.errors import ConfigError, DataError

if TYPE_CHECKING:
    from foregaze.cli.predict_plan import Plan
    from foregaze.inference.predictor import Predictor

FIXATIONS = 100
LENGTH = 8
MOST_SECONDS = 600
PER_SECOND = 5
"""Fixations that are counted on where a time is asked for."""
MOST_SAMPLES = 1_000_000
"""Sampled fixations for one image."""

NO_HISTORY = "none"
"""In place of past fixations: that there are none."""

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
    checkpoint: CheckpointSource = None,
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
        typer.Option(
            metavar="T",
            min=1,
            help="Sampled fixations of a scanpath; past ones that a model takes as given, such as "
            f"those of --history, come before them in the csv.  [default: {LENGTH}]",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            help="In place of --length, for models that know durations: fixation time of a "
            "scanpath, which its last fixation reaches. Durations go into the csv.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="S", min=0, help="Of the samples on each image.")
    ] = 0,
    centerbias: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.npy|uniform|mit1003|NAME=DIR",
            help="Where people look whatever the image shows: a log density in nats at the "
            "images' size; none; that of MIT1003; or that of a data set in a folder, such as "
            "osie=/data/osie.  [default: that of the model's training images]",
        ),
    ] = None,
    pixels_per_degree: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Pixels per degree of visual angle at which the images are seen. Models made "
            "for one resolution see them rescaled to it.",
        ),
    ] = None,
    history: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y",
            help="For models that see past fixations: one of them, in pixels. Repeat for several, "
            f"oldest first; {NO_HISTORY} for none at all.  [default: the image's center; none for "
            "models that predict first fixations]",
        ),
    ] = None,
    segments: Annotated[
        Path | None,
        typer.Option(
            metavar="MAP|DIR",
            help="For models that see segments: a PNG or NPY file with an id for each pixel, or a "
            "folder of them, such as those of foregaze segment.  [default: by the model's own "
            "segmenter]",
        ),
    ] = None,
    viewers: Viewers = None,
    network: Networks = None,
    precision: Precision = "float32",
    compiled: Compiled = False,
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
    per_path = _fixations_per_path(fixations, scanpaths, length, seconds)
    past = _past_fixations(history)
    networks = parse_networks(network)
    if pixels_per_degree is not None and not 0 < pixels_per_degree < math.inf:
        raise typer.BadParameter(
            f"{pixels_per_degree:g}, expected a positive number such as 35",
            param_hint="--pixels-per-degree",
        )
    asked = dict.fromkeys(formats or [Format.png])
    if scanpaths is not None:
        asked[Format.csv] = None

    from foregaze.cli.predict_plan import plan_predictions

    files = (checkpoint, centerbias_file(centerbias), segments, *networks.values())
    inputs = [Path(file) for file in files if file is not None]
    plan = plan_predictions(images, output, tuple(asked), overwrite=overwrite, keep=inputs)
    _check_segments(segments, plan)
    prior = read_centerbias(centerbias)

    from foregaze.cli.predict_batch import Samples, Viewing, predict_batch
    from foregaze.inference.conditional import Extent
    from foregaze.inference.zoo import load_model

    extent = None if scanpaths is None else Extent(per_path, seconds)
    samples = Samples(scanpaths or fixations or FIXATIONS, extent, seed)
    viewing = Viewing(prior, past, pixels_per_degree, viewers, maps_of_images(segments))
    problems = list(plan.problems)
    if plan.images:
        predictor = load_model(
            model,
            checkpoint=checkpoint,
            device=device,
            precision=precision,
            compiled=compiled,
            networks=networks,
        )
        if past is not None and not predictor.sees_history:
            raise ConfigError(
                f"model {predictor.name!r} does not use past fixations: leave out --history"
            )
        if segments is not None and not predictor.sees_segments:
            raise ConfigError(
                f"model {predictor.name!r} does not use segments: leave out --segments"
            )
        problems += predict_batch(predictor, plan, samples, viewing)
        _note_what_was_taken(predictor, past, pixels_per_degree, sampled=scanpaths is not None)
    for problem in problems:
        messages.note(f"skipped: {problem}")
    if problems:
        raise typer.Exit(SKIPPED)


def _check_segments(given: Path | None, plan: "Plan") -> None:
    if given is None:
        return
    if given.is_dir():
        from foregaze.cli.predict_plan import keep_inputs

        maps: list[Path] = []
        for image in plan.images:
            with suppress(DataError):  # said of the image when its turn comes
                maps += filter(None, [maps_of_images(given)(image)])
        keep_inputs(plan, maps)
        return
    if not given.is_file():
        raise typer.BadParameter(f"{given}: no such file or folder", param_hint="--segments")
    if plan.is_batch:
        raise typer.BadParameter(
            f"{given} is the map of one image; for several give a folder of maps",
            param_hint="--segments",
        )


def _note_what_was_taken(
    predictor: "Predictor",
    past: list[tuple[float, float]] | None,
    pixels_per_degree: float | None,
    *,
    sampled: bool,
) -> None:
    """Say what the model made of options, and of their absence."""
    if sampled and not predictor.sees_history:
        messages.note(
            f"model {predictor.name!r} does not use earlier fixations: those of a scanpath "
            "are drawn independently from the density"
        )
    if predictor.sees_history and past is None:
        taken = "predicts first ones" if predictor.starts else "takes one, at the image's center"
        messages.note(
            f"model {predictor.name!r} predicts what follows past fixations: without --history it "
            f"{taken}"
        )
    if pixels_per_degree is not None and not predictor.sees_resolution:
        messages.note(f"model {predictor.name!r} takes no notice of pixels per degree")


def _past_fixations(given: list[str] | None) -> list[tuple[float, float]] | None:
    """Positions, oldest first, from X,Y; None where nothing is said of them."""
    if not given:
        return None
    if given == [NO_HISTORY]:
        return []
    positions = []
    for text in given:
        try:
            x, y = (float(number) for number in text.split(","))
        except ValueError as error:
            raise typer.BadParameter(
                f"{text!r}, expected X,Y in pixels, such as 400,300", param_hint="--history"
            ) from error
        positions.append((x, y))
    return positions


def _fixations_per_path(
    fixations: int | None, scanpaths: int | None, length: int | None, seconds: float | None
) -> int | None:
    """Fixations of each scanpath; None where single ones are asked for, or a time."""
    if scanpaths is None:
        for option, given in (("--length", length), ("--seconds", seconds)):
            if given is not None:
                raise typer.BadParameter("it goes with --scanpaths", param_hint=option)
        _check_samples(fixations or FIXATIONS, "--fixations")
        return None
    if fixations is not None:
        raise typer.BadParameter(
            "with --scanpaths, give --length instead", param_hint="--fixations"
        )
    if seconds is not None:
        if length is not None:
            raise typer.BadParameter("with --seconds, leave out --length", param_hint="--length")
        if not 0 < seconds <= MOST_SECONDS:
            raise typer.BadParameter(
                f"{seconds:g}, expected a number above 0 and at most {MOST_SECONDS}",
                param_hint="--seconds",
            )
        _check_samples(math.ceil(scanpaths * seconds * PER_SECOND), "--scanpaths")
        return None
    _check_samples(scanpaths * (length or LENGTH), "--scanpaths")
    return length or LENGTH


def _check_samples(count: int, option: str) -> None:
    if count > MOST_SAMPLES:
        raise typer.BadParameter(
            f"{count:,} fixations on each image; the limit is {MOST_SAMPLES:,}", param_hint=option
        )
