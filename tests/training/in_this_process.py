"""Training without worker processes, for tests that replace parts of it or have no time."""

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from foregaze.training import run as training
from foregaze.training.recipe import RunPlan


class _Pool(ProcessPoolExecutor):
    """Does at once what it is given, and starts no process."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*arguments, **options))
        except Exception as error:
            done.set_exception(error)
        return done


@contextmanager
def in_this_process() -> Iterator[pytest.MonkeyPatch]:
    """Runs within the block have one worker: this process, with one thread like any other."""
    epochs: queue.Queue[int] = queue.Queue()

    @contextmanager
    def workers(recipe: RunPlan) -> Iterator[tuple[_Pool, queue.Queue[int]]]:
        del recipe
        with _Pool(1) as pool:
            yield pool, epochs

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training, "_workers", workers)
            patch.setattr(training, "_finished_epochs", epochs)
            yield patch
    finally:
        torch.set_num_threads(threads)
