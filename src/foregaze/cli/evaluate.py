"""`foregaze evaluate`: score a model on a data set."""

from pathlib import Path
from typing import Annotated

import typer

from foregaze.cli.options import CheckpointFile, DeviceName, ModelName
from foregaze.cli.output import check_file
from foregaze.errors import UnknownNameError


def evaluate(
    dataset: Annotated[str, typer.Option(metavar="NAME", help="From `foregaze datasets`.")],
    root: Annotated[
        Path, typer.Option(metavar="DIR", help="The data set's folder, as its authors publish it.")
    ],
    model: ModelName = "default",
    checkpoint: CheckpointFile = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report here.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="LL, IG, IGE, NSS or AUC. Repeat for several.  [default: all of them]",
        ),
    ] = None,
    device: DeviceName = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier report.")
    ] = False,
) -> None:
    """Score a model on a data set of fixations."""
    if json is not None:
        check_file(json, overwrite=overwrite)
    from foregaze.data import load_dataset
    from foregaze.evaluation import REPORTED

    for name in metric or ():
        if name not in REPORTED:
            raise UnknownNameError("metric", name, REPORTED)
    recordings = load_dataset(dataset, root)

    from foregaze.cli.progress import ProgressDisplay
    from foregaze.evaluation.model import evaluate_model, training_images
    from foregaze.inference.zoo import load_model

    predictor = load_model(model, checkpoint=checkpoint, device=device)
    done = 0
    with ProgressDisplay() as show:

        def on_image() -> None:
            nonlocal done
            done += 1
            show("images", done, len(recordings))

        report = evaluate_model(predictor, recordings, metrics=metric, on_image=on_image)
    typer.echo(report.table())
    if seen := training_images(predictor.card, recordings):
        typer.echo(
            f"note: the model was trained on {len(seen)} of these {len(recordings)} images, so "
            "these numbers are not out of sample; the out-of-fold numbers are in the model card "
            "(docs/model-card.md)"
        )
    if json is not None:
        report.save(json)
        typer.echo(f"report: {json}")
