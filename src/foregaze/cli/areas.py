"""`foregaze areas`: whether, when and how long areas of an image are looked at."""

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foregaze.cli import messages
from foregaze.cli.options import (
    MOST_SECONDS,
    CheckpointSource,
    DeviceName,
    ModelName,
    parse_dataset,
)
from foregaze.cli.output import written_together
from foregaze.cli.table import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foregaze.data.areas import Area
    from foregaze.evaluation.area_report import AreaReport, Horizon
    from foregaze.inference.predictor import Predictor
    from foregaze.scanpath_metrics import Scanpath
    from foregaze.types import ImageArray

FORMATS = ("areas.json", "areas.csv", "areas.png")
"""Ends of the results' names, after the image's stem and a hyphen."""

MOST_FIXATIONS = 1_000_000
"""Sampled fixations of all viewings; of viewings for a time, five a second are counted on."""


def areas(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="Image file.", show_default=False)],
    areas: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Areas: JSON (our own form, LabelMe's or COCO's), CSV, or a segment map in PNG or "
            "NPY.",
        ),
    ],
    seconds: Annotated[
        float | None,
        typer.Option(metavar="S", help="How long the image is viewed; or give --fixations."),
    ] = None,
    fixations: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="How many fixations each viewing has."),
    ] = None,
    model: ModelName = "default-scanpath",
    checkpoint: CheckpointSource = None,
    scanpaths: Annotated[
        int, typer.Option(metavar="N", min=1, help="Viewings sampled from the model.")
    ] = 1000,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Of the samples.")] = 0,
    saccade_ms: Annotated[
        float,
        typer.Option(
            metavar="MS",
            help="Time between two fixations; with 0 the clock counts fixations alone.",
        ),
    ] = 0.0,
    background: Annotated[
        int | None,
        typer.Option(
            metavar="ID", help="Of a segment map: the id that is no area.  [default: all are]"
        ),
    ] = None,
    observers: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=DIR",
            help="A data set from `foregaze datasets` with recorded fixations on the image, in a "
            "folder, to compare with.",
        ),
    ] = None,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results.")] = Path(
        "foregaze-output"
    ),
    device: DeviceName = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier results.")
    ] = False,
) -> None:
    """Predict whether, when and how long areas are looked at.

    Prints a table and writes it as CSV and JSON, with a picture. Of each area: the probability of
    being seen, when it is first looked at, number of fixations and dwell time; and the order in
    which areas are seen. All from sampled viewings, with 95% intervals.
    """
    _check_amount(scanpaths, seconds, fixations)

    from foregaze.cli.predict_plan import plan_predictions
    from foregaze.cli.recorded import Observers
    from foregaze.data.areas import cut_areas_note, read_areas
    from foregaze.evaluation.area_report import Horizon
    from foregaze.evaluation.areas import look_at_areas
    from foregaze.images import read_image

    horizon = Horizon(seconds, fixations, saccade_ms)
    pixels = read_image(image)
    size = (pixels.shape[0], pixels.shape[1])
    inputs = [areas, *([Path(checkpoint)] if checkpoint is not None else [])]
    plan = plan_predictions([image], output, FORMATS, overwrite=overwrite, keep=inputs, joint="-")
    found = read_areas(areas, size, image.name, background=background)
    look = partial(
        look_at_areas,
        areas=found,
        size=size,
        seconds=seconds,
        fixations=fixations,
        saccade_ms=saccade_ms,
    )
    humans = None
    if observers is not None:
        name, root = parse_dataset(observers, "--observers")
        recorded = Observers(name, root)
        humans = look(recorded.on(image), source="recorded", name=name)
        if recorded.start_is_given:
            messages.note(
                f"{name}: viewers were made to start at the image's center, and that first "
                "fixation counts"
            )

    from foregaze.inference.zoo import load_model

    predictor = load_model(model, checkpoint=checkpoint, device=device)
    sampled = _sample(predictor, pixels, scanpaths, horizon, seed)
    report = look(sampled, source="model", name=predictor.name, image=image.name)
    if humans is not None:
        report = report.beside(humans)
    _write(report, found, pixels, output, plan.names(image))
    _print(report)
    cut = cut_areas_note(found)
    for note in (*([cut] if cut else []), *report.notes()):
        messages.note(note)
    for target in plan.targets():
        typer.echo(target)


def _check_amount(scanpaths: int, seconds: float | None, fixations: int | None) -> None:
    if (seconds is None) == (fixations is None):
        given = "neither" if seconds is None else "both"
        raise typer.BadParameter(
            f"give one of --seconds and --fixations, such as --seconds 3; there is {given}",
            param_hint="--seconds",
        )
    if seconds is not None and MOST_SECONDS < seconds < math.inf:
        raise typer.BadParameter(
            f"{seconds:g}, expected at most {MOST_SECONDS:g}", param_hint="--seconds"
        )
    if fixations is not None:
        count = scanpaths * fixations
    else:
        assert seconds is not None
        count = math.ceil(scanpaths * 5 * seconds) if 0 < seconds < math.inf else scanpaths
    if count > MOST_FIXATIONS:
        raise typer.BadParameter(
            f"{scanpaths:,} viewings make about {count:,} fixations; the limit is "
            f"{MOST_FIXATIONS:,}",
            param_hint="--scanpaths",
        )


def _sample(
    predictor: "Predictor", pixels: "ImageArray", count: int, horizon: "Horizon", seed: int
) -> "list[Scanpath]":
    with messages.collected_warnings() as texts:
        viewings = predictor.sample_viewings(
            pixels, count, length=horizon.fixations, seconds=horizon.seconds, seed=seed
        )
    for text in texts:
        messages.note(text)
    if not predictor.sees_history:
        messages.note(
            f"model {predictor.name!r} does not use earlier fixations: those of a viewing are "
            "drawn independently from the density"
        )
    return viewings


def _write(
    report: "AreaReport",
    areas: "Sequence[Area]",
    pixels: "ImageArray",
    output: Path,
    names: list[str],
) -> None:
    from foregaze.data.areas_shape import SegmentArea
    from foregaze.viz import save_figure
    from foregaze.viz.areas import DrawnArea, Seen, draw_areas

    drawn = []
    for number, area in enumerate(areas):
        looks = [source.looks[number] for source in report.sources]
        seen = tuple(Seen(look.seen.value or 0.0, look.seen.ci95, look.seen_by) for look in looks)
        own = area.id if isinstance(area, SegmentArea) else None
        drawn.append(DrawnArea(area.name, area.outlines(), seen, own))
    figure = draw_areas(
        pixels,
        drawn,
        [source.title for source in report.sources],
        report.sources[0].moments,
        report.horizon.words,
        title=report.image,
    )
    with written_together(output, names) as (json, csv, png):
        report.save(json)
        report.save_csv(csv)
        save_figure(figure, png)


def _print(report: "AreaReport") -> None:
    typer.echo(report.heading())
    for titles, *rows in filter(None, (report.looks_table(), report.orders_table())):
        print_table(titles, rows)
        typer.echo()
