"""A whole recipe: features, branches in parallel, models of every part, and their report."""

import multiprocessing
import queue
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml

from foregaze.config import Config, difference
from foregaze.data.centerbias import CenterBias
from foregaze.errors import ConfigError, DataError, OutputError
from foregaze.evaluation.evaluate import evaluate, known_metrics
from foregaze.evaluation.models import ScoredModel
from foregaze.evaluation.predicting import predicting
from foregaze.evaluation.report import Report, merge, read_report
from foregaze.inference.zoo import load_model
from foregaze.models.checkpoint import load_checkpoint, save_checkpoint
from foregaze.models.checkpoint_file import load_trained, read_tensors
from foregaze.models.guided import GuidedModel
from foregaze.models.trunk_mixture import grid_size
from foregaze.segmentation import Segments
from foregaze.training.branch import (
    Part,
    branch_path,
    make_part,
    stored_features,
    train_branch,
)
from foregaze.training.components import graph_of, initial_model, joined
from foregaze.training.dataset import training_data
from foregaze.training.examples import viewing_quantiles_ms
from foregaze.training.filling import (
    POLL_SECONDS,
    OnProgress,
    fill_features,
    fill_segments,
    follow,
)
from foregaze.training.fitting import check_trainer, device_of, end_with_parent
from foregaze.training.guided_recipe import GuidedRecipe
from foregaze.training.machines import Machines
from foregaze.training.recipe import RunPlan
from foregaze.training.recipes import read_recipe
from foregaze.training.scanpath_recipe import ScanpathRecipe
from foregaze.training.segments import segmenter_of, stored_segments
from foregaze.training.stored_scoring import StoredPredictor, stored_scored
from foregaze.types import EyeTrackingDataset


def train(recipe: RunPlan, output: Path, *, resume: bool, on_progress: OnProgress) -> Report | None:
    """Run a recipe.

    Leaves in `output` the resolved `recipe.yaml`; for each part its branches, `model.safetensors`
    and, for folds, `report.json`; and `report.json` over all folds.

    Args:
        recipe: What to train.
        output: Folder of the run, which must be empty or absent unless `resume`.
        resume: Go on with an interrupted run of the same recipe; what is finished is kept.
        on_progress: See `OnProgress`.

    Returns:
        The report over all folds that were trained, or None where there are none, or this machine
        is not the first of several.

    Raises:
        OutputError: If `output` cannot be used.
        ConfigError: If a run of another recipe is to be resumed, or a backbone has no such stage.
        WeightsError: If a backbone's weights are not there.
        DataError: If the data set is not as published.
    """
    dataset = training_data(recipe.data)
    parts = [make_part(recipe, dataset, name) for name in recipe.part_names()]
    machines = Machines(recipe.trainer.num_nodes)
    machines.meet()
    if not machines.leads:
        _take_part(recipe, output, parts, machines, on_progress)
        return None
    check_inputs(recipe)
    _claim_output(recipe, output, resume=resume)
    with _workers(recipe) as (pool, epochs):
        jobs = _unfinished_branches(recipe, output, parts)
        unscored = [p for p in parts if p.test and not _report_path(output, p).exists()]
        if jobs or (unscored and isinstance(recipe, GuidedRecipe)):  # which is scored by the stores
            fill_segments(recipe, dataset, output, pool, on_progress)
            fill_features(recipe, dataset, parts, pool, on_progress)
        machines.tell(str(output), [(part.name, number, seed) for part, number, seed in jobs])
        if jobs:
            _train_branches(recipe, output, jobs, pool, epochs, on_progress)
        models = {part.name: _assemble(recipe, dataset, output, part) for part in parts}
        scores = [pool.submit(_score, recipe, output, p, models[p.name]) for p in unscored]
        follow(scores, "scoring", on_progress)
    reports = [read_report(_report_path(output, part)) for part in parts if part.test]
    if not reports:
        return None
    report = merge(reports)
    report.save(output / "report.json")
    return report


def _take_part(
    recipe: RunPlan,
    output: Path,
    parts: list[Part],
    machines: Machines,
    on_progress: OnProgress,
) -> None:
    """Fit the branches that the first machine names, together with it."""
    by_name = {part.name: part for part in parts}
    jobs = [(by_name[name], number, seed) for name, number, seed in machines.hear(str(output))]
    if jobs:
        with _workers(recipe) as (pool, epochs):
            _train_branches(recipe, output, jobs, pool, epochs, on_progress)


def _report_path(output: Path, part: Part) -> Path:
    return output / part.name / "report.json"


def _claim_output(recipe: RunPlan, output: Path, *, resume: bool) -> None:
    """Make the folder and leave the recipe in it, or check that it is the one found there."""
    kept = output / "recipe.yaml"
    if resume and kept.exists():
        before, now = (what_is_made(r).model_dump(mode="json") for r in (read_recipe(kept), recipe))
        if before != now:
            raise ConfigError(
                f"{output}: was begun with another recipe: {difference(before, now)}; give what "
                f"{kept} has, or another --output"
            )
        return
    begin_output(kept, recipe)


def begin_output(kept: Path, config: Config) -> None:
    """Make a run's folder, and leave in it what it was begun with.

    Raises:
        OutputError: If the folder is not empty, or cannot be written.
    """
    output = kept.parent
    try:
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise OutputError(
                f"{output}: exists and is not empty; give another --output, or --resume"
            )
        output.mkdir(parents=True, exist_ok=True)
        kept.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error})") from error


def what_is_made(recipe: RunPlan) -> RunPlan:
    """The recipe without the choices that do not change its result."""
    same: dict[str, object] = {"workers": 1, "store": Path(), "parts": ("all",), "metrics": None}
    data = recipe.data.model_copy(update={"root": Path()})
    same = {**same, "data": data}
    if isinstance(recipe, GuidedRecipe):
        start = {part: path.resolve() for part, path in recipe.start.items()}
        same = {**same, "segment_store": Path(), "start": start}
    return recipe.model_copy(update=same)


@contextmanager
def _workers(
    recipe: RunPlan,
) -> Iterator[tuple[ProcessPoolExecutor, "multiprocessing.Queue[int]"]]:
    """Worker processes, which an error or an interrupt ends at once: every run can be resumed.

    They put a number into the queue for each epoch that they finish.
    """
    context = multiprocessing.get_context("spawn")
    epochs: multiprocessing.Queue[int] = context.Queue()
    settings = (recipe.threads_per_worker, epochs)
    pool = ProcessPoolExecutor(recipe.workers, context, _start_worker, settings)
    others = set(multiprocessing.active_children())
    try:
        yield pool, epochs
    except BrokenProcessPool as error:
        raise OutputError(
            "a worker process ended by itself, perhaps for lack of memory; "
            "free some, or give fewer --workers, and --resume"
        ) from error
    finally:
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()
        pool.shutdown(cancel_futures=True)


_finished_epochs: "multiprocessing.Queue[int] | None" = None
"""A worker's."""


def _start_worker(threads: int, epochs: "multiprocessing.Queue[int]") -> None:
    global _finished_epochs
    _finished_epochs = epochs
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends its workers
    torch.set_num_threads(threads)
    end_with_parent()


def check_inputs(recipe: RunPlan, *, with_starts: bool = True) -> None:
    """Raise what a missing device, layer, weight, checkpoint or segmenter raises, before any work.

    Args:
        recipe: What shall be trained.
        with_starts: Look at the checkpoints that parts start from, too.
    """
    dataset = training_data(recipe.data)
    parts = [make_part(recipe, dataset, name) for name in recipe.part_names()]
    check_trainer(recipe.trainer)
    if recipe.metrics is not None:
        known_metrics(recipe.metrics)
    for number in range(len(recipe.branches)):
        stored_features(recipe, parts[0], number, dataset).network()
    if isinstance(recipe, ScanpathRecipe):
        for part in parts:
            recipe.check_spatial_models(part.held_out)
    if isinstance(recipe, GuidedRecipe):
        if recipe.segments is not None:
            segmenter_of(recipe.segments)
        for part in parts if with_starts else ():
            for seed in recipe.branches[0].seeds:
                initial_model(recipe, 0, seed, part.held_out)


def _branches(recipe: RunPlan) -> list[tuple[int, int]]:
    """Number and seed of every branch, in the order of the mixture."""
    return [(number, seed) for number, b in enumerate(recipe.branches) for seed in b.seeds]


BranchJob = tuple[Part, int, int]
"""A part, and number and seed of a branch."""


def _unfinished_branches(recipe: RunPlan, output: Path, parts: list[Part]) -> list[BranchJob]:
    return [
        (part, number, seed)
        for number, seed in _branches(recipe)
        for part in parts
        if not branch_path(output, part.name, recipe.branches[number].name, seed).exists()
    ]


def _train_branches(
    recipe: RunPlan,
    output: Path,
    jobs: list[BranchJob],
    pool: ProcessPoolExecutor,
    finished_epochs: "multiprocessing.Queue[int]",
    on_progress: OnProgress,
) -> None:
    epochs = sum(stage.epochs for _, n, _ in jobs for stage in recipe.branches[n].stages)
    done = 0
    pending = {pool.submit(_train_branch, recipe, output, *job) for job in jobs}
    while pending:
        finished, pending = wait(pending, POLL_SECONDS)
        for job in finished:
            job.result()
        while True:
            try:
                done += finished_epochs.get_nowait()
            except queue.Empty:
                break
        on_progress("epochs", done, epochs)


def _train_branch(recipe: RunPlan, output: Path, part: Part, number: int, seed: int) -> None:
    assert _finished_epochs is not None, "runs in a worker"
    train_branch(recipe, output, part, number, seed, partial(_finished_epochs.put, 1))


def _assemble(recipe: RunPlan, dataset: EyeTrackingDataset, output: Path, part: Part) -> Path:
    """Join a part's branches and its center bias in one model file."""
    path = output / part.name / "model.safetensors"
    if path.exists():
        return path
    trained = {
        (number, seed): read_tensors(
            branch_path(output, part.name, recipe.branches[number].name, seed)
        )
        for number, seed in _branches(recipe)
    }
    model, tensors = joined(recipe, trained, part.held_out, _of_fit(recipe, dataset, part))
    load_trained(model, tensors, str(path.parent))
    card = _card(recipe, dataset, part)
    exact = isinstance(recipe, GuidedRecipe)  # which another phase may go on from
    save_checkpoint(model, path, card, half=not exact, graph=graph_of(model))
    return path


def _of_fit(recipe: RunPlan, dataset: EyeTrackingDataset, part: Part) -> dict[str, torch.Tensor]:
    """What a model takes from the fitted images as it is."""
    fitted = dataset.subset(part.fit)
    if isinstance(recipe, ScanpathRecipe):
        return {"viewing_ms": viewing_quantiles_ms(fitted)}
    config = recipe.grid_of(0)
    prior = CenterBias(fitted, recipe.data.centerbias_sigma_px)
    return {"centerbias": torch.from_numpy(prior.log_density(grid_size(config, config.input_size)))}


def _card(recipe: RunPlan, dataset: EyeTrackingDataset, part: Part) -> dict[str, Any]:
    """What a model file says of how it was made."""
    return {
        "recipe": recipe.model_dump(mode="json", exclude={"store", "workers"}),
        "part": part.name,
        "dataset": dataset.name,
        "images": sorted(dataset.stimuli.names[i] for i in part.fit),
    }


def scored_by_store(
    recipe: GuidedRecipe,
    output: Path,
    part: Part,
    model: Path,
    segments: Callable[[int], Segments] | None = None,
    segments_name: str = "",
) -> ScoredModel:
    """A part's model on stored features and segments, which are there for its test images.

    Args:
        recipe: The run.
        output: Its folder.
        part: Of the run.
        model: Its checkpoint.
        segments: Others than the run's, by the index of an image.
        segments_name: Tells them from the run's.
    """
    dataset = training_data(recipe.data)
    loaded = load_checkpoint(model)
    assert isinstance(loaded.model, GuidedModel)
    features = stored_features(recipe, part, 0, dataset)
    predictor = StoredPredictor(
        recipe.name, loaded.model, loaded.card, features, device_of(recipe.trainer)
    )
    if recipe.segments is not None and segments is None:
        segments = stored_segments(output, recipe.segment_store, dataset)
    return stored_scored(predictor, dataset, recipe.name, segments, segments_name, part.test)


def _score(recipe: RunPlan, output: Path, part: Part, model: Path) -> None:
    dataset = training_data(recipe.data)
    if not part.test:
        raise DataError(f"{part.name}: has no test images")
    scored = (
        scored_by_store(recipe, output, part, model)
        if isinstance(recipe, GuidedRecipe)
        else predicting(load_model(str(model)), dataset, recipe.name, images=part.test)
    )
    report = evaluate(scored, dataset, metrics=recipe.metrics, images=part.test)
    report.save(_report_path(output, part))
