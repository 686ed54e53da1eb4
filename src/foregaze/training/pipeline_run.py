"""A pipeline, run or described."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foregaze.config import difference
from foregaze.errors import ConfigError, ForegazeError, WeightsError
from foregaze.evaluation.report import Report
from foregaze.training.branch import make_part
from foregaze.training.dataset import training_data
from foregaze.training.filling import OnProgress
from foregaze.training.guided_recipe import GuidedRecipe
from foregaze.training.handing_on import check_features, started, take_over
from foregaze.training.machines import Machines
from foregaze.training.pipeline import Pipeline, Run, read_pipeline, resolve
from foregaze.training.run import begin_output, check_inputs, train, what_is_made

KEPT = "pipeline.yaml"
"""File of an output folder with the pipeline that it was begun with."""


@dataclass(frozen=True)
class PlannedPart:
    """One model that a pipeline makes."""

    stage: str
    part: str
    dataset: str
    fit: int
    validation: int
    test: int
    """Numbers of images."""
    epochs: int
    """Of all branches and seeds."""
    start: Path | None
    """Checkpoint that it starts from."""
    frozen: tuple[str, ...]
    model: Path
    """Checkpoint that it leaves."""

    @property
    def is_finished(self) -> bool:
        """Whether it is there already."""
        return self.model.is_file()


def plan(runs: list[Run]) -> list[PlannedPart]:
    """Every model that a pipeline makes, with what goes into it; reads data sets, writes nothing.

    Raises:
        ConfigError: If a checkpoint from outside is missing, or a data set is not as published or
            too small for its folds.
    """
    made: set[Path] = set()
    planned: list[PlannedPart] = []
    for run in runs:
        with _naming(run):
            planned += _planned_parts(run, made)
        made |= {part.model for part in planned}
    return planned


def _planned_parts(run: Run, made: set[Path]) -> list[PlannedPart]:
    recipe, dataset = run.recipe, training_data(run.recipe.data)
    epochs = sum(s.epochs for b in recipe.branches for s in b.stages for _ in b.seeds)
    planned = []
    for name in recipe.part_names():
        part = make_part(recipe, dataset, name)
        start: Path | None = None
        frozen: tuple[str, ...] = ()
        if isinstance(recipe, GuidedRecipe):
            start, frozen = recipe.start_of(name), recipe.frozen
        if start is not None and start not in made and not start.is_file():
            what = "is a folder, expected a file" if start.is_dir() else "no such checkpoint"
            raise ConfigError(f"{start}: {what} to start from")
        model = run.output / name / "model.safetensors"
        sizes = len(part.fit), len(part.validation), len(part.test)
        planned.append(
            PlannedPart(run.stage.name, name, dataset.name, *sizes, epochs, start, frozen, model)
        )
    return planned


@contextmanager
def _naming(run: Run) -> Iterator[None]:
    """Say of errors which stage they come from."""
    try:
        yield
    except ForegazeError as error:
        raise ConfigError(f"stage {run.stage.name!r}: {error}") from error


def run_pipeline(
    pipeline: Pipeline,
    output: Path,
    *,
    resume: bool,
    on_progress: OnProgress,
    on_stage: Callable[[Run, Report | None], None],
) -> None:
    """Run all stages of a pipeline that are not finished.

    Leaves in `output` the pipeline, and for each stage a folder as `foregaze.training.run.train`
    does.

    Args:
        pipeline: The pipeline.
        output: Its folder, which must be empty or absent unless `resume`.
        resume: Go on with an interrupted run of the same pipeline.
        on_progress: See `OnProgress`.
        on_stage: Called after each stage with its report, if it has test images.

    Raises:
        ConfigError: If stages, recipes or checkpoints do not fit together, before any work; or
            another pipeline was begun in the folder.
        OutputError: If `output` cannot be used.
        ForegazeError: See `foregaze.training.run.train`.
    """
    runs = resolve(pipeline, output)
    plan(runs)
    machines = _machines(runs)
    machines.meet()
    by_name = {run.stage.name: run for run in runs}
    for run in runs:
        with _naming(run):
            check_inputs(run.recipe, with_starts=run.stage.after is None)
            if run.stage.after is not None:
                _check_handing_on(by_name[run.stage.after], run)
    if machines.leads:
        _claim(pipeline, output, resume=resume)
    for run in runs:
        report = train(run.recipe, run.output, resume=True, on_progress=on_progress)
        on_stage(run, report)


def _machines(runs: list[Run]) -> Machines:
    """Those that all stages run on."""
    counts = [run.recipe.trainer.num_nodes for run in runs]
    if len(set(counts)) > 1:
        numbers = ", ".join(map(str, counts))
        raise ConfigError(f"trainer.num_nodes: all stages run on as many machines, not {numbers}")
    return Machines(counts[0])


def _check_handing_on(before: Run, run: Run) -> None:
    """Raise a `ConfigError` if a stage's model cannot go on from that of the stage before."""
    where = f"cannot go on from stage {before.stage.name!r}"
    assert isinstance(run.recipe, GuidedRecipe)
    if not isinstance(before.recipe, GuidedRecipe) or (
        before.recipe.architecture != run.recipe.architecture
    ):
        raise ConfigError(
            f"{where}: it trains {run.recipe.architecture!r}, the other "
            f"{before.recipe.architecture!r}"
        )
    untrained = started(before.recipe, 0, None)
    given = before.recipe.model_config_of(1).model_dump(mode="json")
    try:
        check_features(run.recipe, given, "its model")
        take_over(started(run.recipe, 0, None), untrained.trained_tensors(), 0, "its model")
    except WeightsError as error:
        raise ConfigError(f"{where}: {error}") from error


def _what_is_made(pipeline: Pipeline, output: Path) -> dict[str, Any]:
    """Stages without the choices that do not change their results."""
    return {
        run.stage.name: {
            "after": run.stage.after,
            "recipe": what_is_made(run.recipe).model_dump(mode="json"),
        }
        for run in resolve(pipeline, output)
    }


def _claim(pipeline: Pipeline, output: Path, *, resume: bool) -> None:
    """Make the folder and leave the pipeline in it, or check that it is the one found there."""
    kept = output / KEPT
    if resume and kept.exists():
        before, now = (_what_is_made(p, output) for p in (read_pipeline(kept), pipeline))
        if before != now:
            raise ConfigError(
                f"{output}: was begun with another pipeline: {difference(before, now)}; give what "
                f"{kept} has, or another --output"
            )
        return
    begin_output(kept, pipeline)
