"""`foregaze run`: several training runs that hand checkpoints on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foregaze.cli.output import check_folder
from foregaze.cli.train import say_trained

if TYPE_CHECKING:
    from foregaze.evaluation.report import Report
    from foregaze.training.pipeline import Run
    from foregaze.training.pipeline_run import PlannedPart


def run(
    pipeline: Annotated[
        Path, typer.Argument(metavar="PIPELINE.yaml", help="What to run.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder of the runs: empty or absent, unless --resume."),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Replace an entry of the pipeline, such as base.data.root=/data/osie or "
            "stages.1.recipe.workers=4; repeatable.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with an interrupted run; what is finished is not done again."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print every run with its inputs, and do nothing.")
    ] = False,
) -> None:
    """Train models in stages: each goes on from the checkpoints of the one before."""
    check_folder(output)
    from foregaze.cli.progress import ProgressDisplay
    from foregaze.training.pipeline import read_pipeline, resolve
    from foregaze.training.pipeline_run import plan, run_pipeline

    resolved = read_pipeline(pipeline, list(settings or ()))
    if dry_run:
        for planned in plan(resolve(resolved, output)):
            typer.echo(_described(planned))
        return
    with ProgressDisplay() as show:

        def tell(finished: "Run", report: "Report | None") -> None:
            typer.echo(f"stage {finished.stage.name}: {finished.recipe.name}")
            say_trained(finished.recipe, finished.output, report)

        run_pipeline(resolved, output, resume=resume, on_progress=show, on_stage=tell)


def _described(planned: "PlannedPart") -> str:
    """One run in words."""
    start = "random weights" if planned.start is None else str(planned.start)
    frozen = f", frozen: {', '.join(planned.frozen)}" if planned.frozen else ""
    images = f"{planned.fit} images"
    if planned.validation:
        images += f", {planned.validation} for validation"
    if planned.test:
        images += f", {planned.test} to be scored"
    return (
        f"{planned.stage}/{planned.part}: {'finished' if planned.is_finished else 'to do'}\n"
        f"  data:  {planned.dataset}, {images}\n"
        f"  from:  {start}{frozen}; {planned.epochs} epochs\n"
        f"  model: {planned.model}"
    )
