"""`foregaze scanpaths`: pictures of sampled scanpaths, beside those of observers."""

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foregaze.cli import messages
from foregaze.cli.centerbias import centerbias_file, read_centerbias
from foregaze.cli.given_segments import maps_of_images
from foregaze.cli.options import (
    MOST_SECONDS,
    CheckpointSource,
    DeviceName,
    ModelName,
    Networks,
    Viewers,
    parse_dataset,
    parse_networks,
)
from foregaze.cli.predict import SKIPPED

if TYPE_CHECKING:
    from foregaze.inference.predictor import Predictor

SCANPATHS = 10
MOST_SCANPATHS = 1000
MOST_FIXATIONS = 1000
LONGEST_ANIMATION = 100
"""As in `foregaze.viz.scanpaths_timing`."""


class Picture(StrEnum):
    """What is drawn of an image's scanpaths."""

    numbered = "numbered"
    steps = "steps"
    samples = "samples"
    animation = "animation"


RESULTS = {
    Picture.numbered: "scanpaths.png",
    Picture.steps: "steps.png",
    Picture.samples: "samples.png",
    Picture.animation: "scanpaths.gif",
}
"""The end of the file's name."""
TABLE = "scanpaths.csv"


def scanpaths(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE|DIR", help="Image files, or folders of them.", show_default=False
        ),
    ],
    model: ModelName = "default-scanpath",
    checkpoint: CheckpointSource = None,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results.")] = Path(
        "foregaze-output"
    ),
    pictures: Annotated[
        list[Picture] | None,
        typer.Option(
            "--picture",
            metavar="numbered|steps|samples|animation",
            help="numbered: scanpaths over the image; steps: what the model expected at each "
            "fixation of one; samples: all of them beside those of observers; animation: one of "
            "them as a GIF. Repeat for several.  [default: numbered]",
        ),
    ] = None,
    table: Annotated[
        bool, typer.Option("--csv", help="Write the sampled scanpaths as a table, too.")
    ] = False,
    count: Annotated[
        int,
        typer.Option(
            "--scanpaths",
            metavar="N",
            min=1,
            max=MOST_SCANPATHS,
            help="Scanpaths sampled on each image.",
        ),
    ] = SCANPATHS,
    length: Annotated[
        int | None,
        typer.Option(
            metavar="T",
            min=1,
            max=MOST_FIXATIONS,
            help="Sampled fixations of each.  [default: the model's own]",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            help="In place of --length, for models that know durations: time after which no other "
            "fixation begins, as the sum of durations.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="S", min=0, help="Of the samples on each image.")
    ] = 0,
    typical: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Keep this share of the scanpaths that are sampled, those most like all others: "
            "0.1 samples ten for each that is kept. With 1, exact samples of the model.",
        ),
    ] = 1.0,
    observers: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=DIR",
            help="A data set with recorded scanpaths on the images, which are found by their file "
            "names, such as osie=/data/osie. Steps then follow a recorded scanpath.",
        ),
    ] = None,
    observer: Annotated[
        int | None,
        typer.Option(
            metavar="K", min=0, help="Which recorded scanpath, counted from 0.  [default: 0]"
        ),
    ] = None,
    centerbias: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.npy|uniform|mit1003|NAME=DIR",
            help="As for `foregaze predict`.  [default: that of the model's training images]",
        ),
    ] = None,
    pixels_per_degree: Annotated[
        float | None,
        typer.Option(metavar="P", help="Pixels per degree of visual angle; as for predict."),
    ] = None,
    viewers: Viewers = None,
    network: Networks = None,
    device: DeviceName = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier results.")
    ] = False,
) -> None:
    """Sample scanpaths and draw them.

    Writes for each image, as asked: numbered scanpaths, what the model expected step by step,
    samples beside observers, an animation, a table. Images of a batch that cannot be used are
    skipped and listed at the end.
    """
    asked = list(dict.fromkeys(pictures or [Picture.numbered]))
    dataset = _check_options(asked, length, seconds, observers, observer, pixels_per_degree)
    _check_typical(typical, count)
    networks = parse_networks(network)
    results = [RESULTS[picture] for picture in asked] + [TABLE] * table

    from foregaze.cli.predict_plan import plan_predictions

    files = (checkpoint, centerbias_file(centerbias), *networks.values())
    inputs = [Path(file) for file in files if file is not None]
    plan = plan_predictions(
        images, output, tuple(results), overwrite=overwrite, keep=inputs, joint="-"
    )
    prior = read_centerbias(centerbias)

    from foregaze.cli.predict_batch import Viewing
    from foregaze.cli.recorded import Observers
    from foregaze.cli.scanpaths_batch import Recorded, draw_batch
    from foregaze.inference.conditional import Extent
    from foregaze.inference.drawing import Sampling
    from foregaze.inference.zoo import load_model

    recorded = None
    if dataset is not None:
        recorded = Recorded(Observers(*dataset), observer or 0)
        if not plan.is_batch:
            recorded.observers.one(plan.images[0], recorded.chosen)  # before a model is loaded
    problems = list(plan.problems)
    if plan.images:
        predictor = load_model(model, checkpoint=checkpoint, device=device, networks=networks)
        sampling = Sampling(count, Extent(length, seconds), seed, typical=typical)
        viewing = Viewing(prior, None, pixels_per_degree, viewers, maps_of_images(None))
        problems += draw_batch(predictor, plan, sampling, viewing, recorded)
        _note_what_was_taken(predictor)
        if sampling.typical < 1:
            messages.note(
                f"of {sampling.drawn} sampled scanpaths these are the {sampling.n} most typical: "
                "read no probabilities, times or spreads off them"
            )
    for problem in problems:
        messages.note(f"skipped: {problem}")
    if problems:
        raise typer.Exit(SKIPPED)


def _check_typical(typical: float, count: int) -> None:
    """Refuse a share that is none, or that takes very many samples."""
    if typical == 1:
        return
    from foregaze.inference.drawing import MOST_DRAWN

    if not 0 < typical <= 1:
        problem = f"{typical:g}, expected a share above 0, such as 0.1, and at most 1"
    elif count / typical > MOST_DRAWN:
        problem = (
            f"{typical:g} of the samples are {count} only if {count / typical:,.0f} are drawn; the "
            f"limit is {MOST_DRAWN:,}"
        )
    else:
        return
    raise typer.BadParameter(problem, param_hint="--typical")


def _note_what_was_taken(predictor: "Predictor") -> None:
    """Say what scanpaths start from, and where earlier fixations do not count."""
    if not predictor.sees_history:
        messages.note(
            f"model {predictor.name!r} does not use earlier fixations: those of a scanpath "
            "are drawn independently from the density"
        )
    elif not predictor.starts:
        messages.note(
            f"model {predictor.name!r} predicts what follows past fixations: scanpaths start at "
            "the image's center"
        )


def _check_options(
    asked: list[Picture],
    length: int | None,
    seconds: float | None,
    observers: str | None,
    observer: int | None,
    pixels_per_degree: float | None,
) -> tuple[str, str] | None:
    """Refuse what does not go together; name and folder of the observers' data set."""
    if length is not None and seconds is not None:
        raise typer.BadParameter("with --seconds, leave out --length", param_hint="--length")
    if seconds is not None and seconds > MOST_SECONDS:
        raise typer.BadParameter(
            f"{seconds:g}, expected at most {MOST_SECONDS:g}", param_hint="--seconds"
        )
    for option, number in (("--seconds", seconds), ("--pixels-per-degree", pixels_per_degree)):
        if number is not None and not 0 < number < math.inf:
            raise typer.BadParameter(f"{number:g}, expected a positive number", param_hint=option)
    if Picture.animation in asked and length is not None and length > LONGEST_ANIMATION:
        raise typer.BadParameter(
            f"{length} fixations, expected at most {LONGEST_ANIMATION} for an animation",
            param_hint="--length",
        )
    if observers is None:
        if Picture.samples in asked:
            raise typer.BadParameter(
                "samples are drawn beside observers: give --observers NAME=DIR",
                param_hint="--picture",
            )
        if observer is not None:
            raise typer.BadParameter("it goes with --observers", param_hint="--observer")
        return None
    return parse_dataset(observers, "--observers")
