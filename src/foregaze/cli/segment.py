"""`foregaze segment`: which parts of an image belong together."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from foregaze.cli import messages
from foregaze.cli.predict import SKIPPED

WITH_FEATURES = "kmeans"
"""The method whose patches have features."""


class MapFormat(StrEnum):
    """How ids are written."""

    png = "png"
    npy = "npy"


def segment(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE|DIR", help="Image files, or folders of them.", show_default=False
        ),
    ],
    method: Annotated[
        str,
        typer.Option(
            metavar="felzenszwalb|grid|kmeans|maps|segment-anything|slic",
            help="felzenszwalb, slic: by color; kmeans: by features of a network; "
            "segment-anything: regions that this network finds; maps: your own files; grid: "
            "rectangles.",
        ),
    ] = WITH_FEATURES,
    segments: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            min=1,
            help="How many at most; not for grid. For maps: ids are below it.  [default: 16; maps: "
            "any]",
        ),
    ] = None,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results.")] = Path(
        "foregaze-output"
    ),
    map_format: Annotated[
        MapFormat,
        typer.Option(
            "--format",
            metavar="png|npy",
            help="Of the ids. png: gray, with 16 bits where ids are above 255.",
        ),
    ] = MapFormat.png,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting of the method, such as stage=4 or folder=maps. Repeat for several.",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder that segments are kept in: equal images and settings are segmented once.",
        ),
    ] = None,
    affinity: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y",
            help="For kmeans: a picture, too, of how much the features of each patch are like "
            "those of the patch at this pixel.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier results.")
    ] = False,
) -> None:
    """Segment images.

    Writes for each image a map of ids, a picture of the segments, and how they came about. Images
    of a batch that cannot be used are skipped and listed at the end.
    """
    point = _parse_point(affinity, method)
    settings = _settings(segments, overrides or [])
    formats = [f"ids.{map_format}", "segments.png", "segments.json"]
    if point is not None:
        formats.append("affinity.png")

    from foregaze.cli.predict_plan import plan_predictions

    plan = plan_predictions(images, output, tuple(formats), overwrite=overwrite, joint="-")
    problems = list(plan.problems)
    if plan.images:
        from foregaze.cli.segment_batch import segment_batch
        from foregaze.segmentation import make_segmenter

        segmenter = make_segmenter(method, **settings)
        problems += segment_batch(segmenter, plan, store, point)
    for problem in problems:
        messages.note(f"skipped: {problem}")
    if problems:
        raise typer.Exit(SKIPPED)


def _settings(segments: int | None, overrides: list[str]) -> dict[str, Any]:
    from foregaze.config import parse_overrides

    settings = parse_overrides(overrides)
    if segments is not None:
        if "segments" in settings:
            raise typer.BadParameter(
                "--segments says how many there are already", param_hint="--set segments"
            )
        settings["segments"] = segments
    return settings


def _parse_point(given: str | None, method: str) -> tuple[float, float] | None:
    if given is None:
        return None
    if method != WITH_FEATURES:
        raise typer.BadParameter(
            f"it compares features, which {method} has none of; give --method {WITH_FEATURES}",
            param_hint="--affinity",
        )
    try:
        x, y = (float(text) for text in given.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"{given!r}, expected X,Y in pixels, such as 400,300", param_hint="--affinity"
        ) from error
    return x, y
