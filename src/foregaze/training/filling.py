"""What training reads, computed before it begins: features of all views, segments of all images."""

import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from foregaze.errors import OutputError
from foregaze.models.guided import SpadeConfig
from foregaze.training.branch import Part, stored_features
from foregaze.training.dataset import training_data
from foregaze.training.fitting import device_of
from foregaze.training.frames import View
from foregaze.training.guided_recipe import GuidedRecipe
from foregaze.training.recipe import RunPlan
from foregaze.training.segments import segment_images, write_segment_keys
from foregaze.types import EyeTrackingDataset

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""

POLL_SECONDS = 0.5
_PER_JOB = 20
"""Views or images."""
_SPARE_BYTES = 500_000_000
"""Of disk space that a run leaves free, for checkpoints and logs."""


def follow(jobs: Iterable[Future[Any]], what: str, on_progress: OnProgress) -> None:
    """Report jobs as they finish; the first error ends the run."""
    pending = set(jobs)
    total = len(pending)
    while pending:
        finished, pending = wait(pending, POLL_SECONDS)
        for job in finished:
            job.result()
        on_progress(what, total - len(pending), total)


def fill_features(
    recipe: RunPlan,
    dataset: EyeTrackingDataset,
    parts: list[Part],
    pool: ProcessPoolExecutor,
    on_progress: OnProgress,
) -> None:
    """Compute and store the features that a recipe's branches are trained on.

    Raises:
        OutputError: If there is no room for them.
    """
    data = recipe.data
    mirrored = (False, True) if data.mirror else (False,)
    asked: set[bytes] = set()
    todo = []
    for number in range(len(recipe.branches)):
        for part in parts:
            features = stored_features(recipe, part, number, dataset)
            views = [
                View(i, m, (), v)
                for i in part.fit
                for m in mirrored
                for v in range(data.variants + 1)
            ]
            tested = part.test if isinstance(recipe, GuidedRecipe) else []
            views += [View(i, mirrored=False) for i in part.validation + tested]
            missing = features.missing(views)
            missing = [v for v in missing if not asked.issuperset(features.keys(v).values())]
            features.store.close()
            for view in missing:
                asked.update(features.keys(view).values())
            todo += [
                (part, number, missing[start : start + _PER_JOB])
                for start in range(0, len(missing), _PER_JOB)
            ]
    if todo:
        _check_space(recipe, dataset, *todo[0], sum(len(views) for *_, views in todo))
    jobs = [pool.submit(_fill_features, recipe, *job) for job in todo]
    follow(jobs, "features", on_progress)


def _check_space(
    recipe: RunPlan,
    dataset: EyeTrackingDataset,
    part: Part,
    number: int,
    views: list[View],
    count: int,
) -> None:
    """Store one view's features, and see whether there is room for those of all."""
    features = stored_features(recipe, part, number, dataset)
    features.fill(views[0], features.network().to(device_of(recipe.trainer)))
    needed = count * sum(2 * x.numel() for x in features[views[0]].values())
    features.store.close()
    free = shutil.disk_usage(recipe.store).free
    if needed + _SPARE_BYTES > free:
        raise OutputError(
            f"{recipe.store}: features of {count} views need {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are free there: make room, or name another folder with "
            "--set store=DIR"
        )


def _fill_features(recipe: RunPlan, part: Part, number: int, views: list[View]) -> None:
    features = stored_features(recipe, part, number, training_data(recipe.data))
    network = features.network().to(device_of(recipe.trainer))
    for view in views:
        features.fill(view, network)
    features.store.close()


def fill_segments(
    recipe: RunPlan,
    dataset: EyeTrackingDataset,
    output: Path,
    pool: ProcessPoolExecutor,
    on_progress: OnProgress,
) -> None:
    """Make and store the segments of all images, for models that see some.

    Raises:
        DataError: If an image has no segments or too many.
    """
    if not isinstance(recipe, GuidedRecipe) or recipe.segments is None:
        return
    images = list(range(len(dataset)))
    jobs = [
        pool.submit(_fill_segments, recipe, recipe.segments, images[start : start + _PER_JOB])
        for start in range(0, len(images), _PER_JOB)
    ]
    follow(jobs, "segments", on_progress)
    write_segment_keys(output, {k: v for job in jobs for k, v in job.result().items()})


def _fill_segments(recipe: GuidedRecipe, config: SpadeConfig, images: list[int]) -> dict[str, str]:
    return segment_images(config, training_data(recipe.data), recipe.segment_store, images)
