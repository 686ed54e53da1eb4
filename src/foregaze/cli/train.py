"""`foregaze train`: run a recipe."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foregaze.cli.output import check_folder

if TYPE_CHECKING:
    from foregaze.evaluation.report import Report
    from foregaze.training.recipe import RunPlan


def train(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE.yaml", help="What to train.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder of the run: empty or absent, unless --resume."),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Replace an entry of the recipe, such as data.root=/data/osie; repeatable.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run of the same recipe.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Branches trained at a time.  [default: the recipe's]"
        ),
    ] = None,
) -> None:
    """Train a model by its recipe, and score it out of fold."""
    check_folder(output)
    from foregaze.cli.progress import ProgressDisplay
    from foregaze.training.recipes import read_recipe
    from foregaze.training.run import train as run_recipe

    overrides = list(settings or ())
    if workers is not None:
        overrides.append(f"workers={workers}")
    resolved = read_recipe(recipe, overrides)
    with ProgressDisplay() as show:
        report = run_recipe(resolved, output, resume=resume, on_progress=show)
    say_trained(resolved, output, report)


def say_trained(recipe: "RunPlan", output: Path, report: "Report | None") -> None:
    """Print what a run found and left."""
    if report is not None:
        typer.echo("Out of fold: each image scored by the model that was not trained on it.")
        typer.echo(report.table())
        typer.echo(f"report: {output / 'report.json'}")
    for part in recipe.part_names():
        typer.echo(f"model ({part}): {output / part / 'model.safetensors'}")
