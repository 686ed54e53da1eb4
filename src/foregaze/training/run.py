"""A whole recipe: features, branches in parallel, models of every part, and their report."""

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml

from foregaze.backbones.staged import create_backbone
from foregaze.data.centerbias import CenterBias
from foregaze.errors import ConfigError, DataError, OutputError
from foregaze.evaluation.evaluate import evaluate
from foregaze.evaluation.predicting import predicting
from foregaze.evaluation.report import Report, merge, read_report
from foregaze.inference.zoo import load_model
from foregaze.models.checkpoint import save_checkpoint
from foregaze.models.checkpoint_file import load_trained, read_tensors
from foregaze.models.trunk_mixture import Trunk, TrunkMixtureConfig, grid_size
from foregaze.training.branch import (
    Part,
    branch_path,
    make_part,
    stored_features,
    train_branch,
)
from foregaze.training.components import graph_of, joined
from foregaze.training.dataset import training_data
from foregaze.training.examples import View, viewing_quantiles_ms
from foregaze.training.recipe import RunPlan
from foregaze.training.recipes import read_recipe
from foregaze.training.scanpath_recipe import ScanpathRecipe
from foregaze.types import EyeTrackingDataset

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""

_VIEWS_PER_JOB = 20
_POLL_SECONDS = 0.5


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
        The report over all folds that were trained, or None where there are none.

    Raises:
        OutputError: If `output` cannot be used.
        ConfigError: If a run of another recipe is to be resumed, or a backbone has no such stage.
        WeightsError: If a backbone's weights are not there.
        DataError: If the data set is not as published.
    """
    dataset = training_data(recipe.data)
    parts = [make_part(recipe, dataset, name) for name in recipe.part_names()]
    for config in _features(recipe):
        _trunk_of(config)  # a stage or weights that are not there show before any work is done
    if isinstance(recipe, ScanpathRecipe):
        for part in parts:
            recipe.check_spatial_models(part.held_out)
    _claim_output(recipe, output, resume=resume)
    with _workers(recipe) as pool:
        jobs = _unfinished_branches(recipe, output, parts)
        if jobs:
            _fill_store(recipe, dataset, parts, pool, on_progress)
            _train_branches(recipe, output, jobs, pool, on_progress)
        models = [_assemble(recipe, dataset, output, part) for part in parts]
        scores = [
            pool.submit(_score, recipe, part, model)
            for part, model in zip(parts, models, strict=True)
            if part.test and not (model.parent / "report.json").exists()
        ]
        _follow(scores, "scoring", on_progress)
    reports = [read_report(output / part.name / "report.json") for part in parts if part.test]
    if not reports:
        return None
    report = merge(reports)
    report.save(output / "report.json")
    return report


def _claim_output(recipe: RunPlan, output: Path, *, resume: bool) -> None:
    """Make the folder and leave the recipe in it, or check that it is the one found there."""
    kept = output / "recipe.yaml"
    if resume and kept.exists():
        if _what_is_made(read_recipe(kept)) != _what_is_made(recipe):
            raise ConfigError(f"{output}: was begun with another recipe; see {kept}")
        return
    try:
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise OutputError(
                f"{output}: exists and is not empty; give another --output, or --resume"
            )
        output.mkdir(parents=True, exist_ok=True)
        kept.write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error})") from error


def _what_is_made(recipe: RunPlan) -> RunPlan:
    """The recipe without the choices that do not change its result."""
    same = {"workers": 1, "store": Path(), "parts": ("all",), "metrics": None}
    data = recipe.data.model_copy(update={"root": Path()})
    return recipe.model_copy(update={**same, "data": data})


@contextmanager
def _workers(recipe: RunPlan) -> Iterator[ProcessPoolExecutor]:
    """Worker processes, which an error or an interrupt ends at once: every run can be resumed."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(recipe.workers, context, _start_worker, (recipe.threads_per_worker,))
    others = set(multiprocessing.active_children())
    try:
        yield pool
    except BrokenProcessPool as error:
        raise OutputError(
            "a worker process ended by itself, perhaps for lack of memory; "
            "free some, or give fewer --workers, and --resume"
        ) from error
    finally:
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()
        pool.shutdown(cancel_futures=True)


def _start_worker(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends its workers
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would otherwise train on for nobody."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _follow(jobs: Iterable[Future[Any]], what: str, on_progress: OnProgress) -> None:
    """Report jobs as they finish; the first error ends the run."""
    pending = set(jobs)
    total = len(pending)
    while pending:
        finished, pending = wait(pending, _POLL_SECONDS)
        for job in finished:
            job.result()
        on_progress(what, total - len(pending), total)


def _features(recipe: RunPlan) -> list[TrunkMixtureConfig]:
    """What has to be in the store for all branches."""
    return list(dict.fromkeys(recipe.features_of(n) for n in range(len(recipe.branches))))


def _trunk_of(config: TrunkMixtureConfig) -> Trunk:
    return Trunk(config, create_backbone(config.backbone, config.resolved_weights))


def _fill_store(
    recipe: RunPlan,
    dataset: EyeTrackingDataset,
    parts: list[Part],
    pool: ProcessPoolExecutor,
    on_progress: OnProgress,
) -> None:
    mirrored = (False, True) if recipe.data.mirror else (False,)
    asked: set[bytes] = set()
    jobs = []
    for number in range(len(recipe.branches)):
        for part in parts:
            features = stored_features(recipe, part, number, dataset)
            views = [View(i, m) for i in part.fit + part.validation for m in mirrored]
            missing = features.missing(views)
            missing = [v for v in missing if not asked.issuperset(features.keys(v).values())]
            features.store.close()
            for view in missing:
                asked.update(features.keys(view).values())
            for start in range(0, len(missing), _VIEWS_PER_JOB):
                chunk = missing[start : start + _VIEWS_PER_JOB]
                jobs.append(pool.submit(_fill, recipe, part, number, chunk))
    _follow(jobs, "features", on_progress)


def _fill(recipe: RunPlan, part: Part, number: int, views: list[View]) -> None:
    dataset = training_data(recipe.data)
    features = stored_features(recipe, part, number, dataset)
    trunk = _trunk_of(recipe.features_of(number))
    for view in views:
        features.fill(view, trunk)
    features.store.close()


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
    on_progress: OnProgress,
) -> None:
    epochs = sum(stage.epochs for _, n, _ in jobs for stage in recipe.branches[n].stages)
    done = 0
    with multiprocessing.Manager() as manager:
        finished_epochs = manager.Queue()
        pending = {
            pool.submit(train_branch, recipe, output, *job, partial(finished_epochs.put, 1))
            for job in jobs
        }
        while pending:
            finished, pending = wait(pending, _POLL_SECONDS)
            for job in finished:
                job.result()
            while True:
                try:
                    done += finished_epochs.get_nowait()
                except queue.Empty:
                    break
            on_progress("epochs", done, epochs)


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
    save_checkpoint(model, path, card, half=True, graph=graph_of(model))
    return path


def _of_fit(recipe: RunPlan, dataset: EyeTrackingDataset, part: Part) -> dict[str, torch.Tensor]:
    """What a model takes from the fitted images as it is."""
    fitted = dataset.subset(part.fit)
    if isinstance(recipe, ScanpathRecipe):
        return {"viewing_ms": viewing_quantiles_ms(fitted)}
    config = recipe.features_of(0)
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


def _score(recipe: RunPlan, part: Part, model: Path) -> None:
    dataset = training_data(recipe.data)
    if not part.test:
        raise DataError(f"{part.name}: has no test images")
    scored = predicting(load_model(str(model)), dataset, recipe.name)
    report = evaluate(scored, dataset, metrics=recipe.metrics, images=part.test)
    report.save(model.parent / "report.json")
