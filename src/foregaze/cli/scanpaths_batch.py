"""The work of `foregaze scanpaths`: what is sampled on each image, and its pictures."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foregaze.cli.batch import each_image
from foregaze.cli.output import written_together
from foregaze.cli.predict_batch import Viewing
from foregaze.cli.predict_plan import Plan
from foregaze.cli.recorded import Observers
from foregaze.errors import DataError, ImageError, ShapeError
from foregaze.evaluation.scanpath_csv import COLUMNS, DURATION
from foregaze.images import read_image
from foregaze.inference.conditional import Conditional
from foregaze.inference.drawing import Sampling, draw_viewings
from foregaze.inference.history import checked_history
from foregaze.inference.predictor import Predictor
from foregaze.scanpath_metrics import Scanpath
from foregaze.types import ImageArray, Size
from foregaze.viz import (
    animate_scanpath,
    draw_samples_and_observers,
    draw_scanpaths,
    draw_steps,
    save_figure,
)

_DECIMALS = 3


@dataclass(frozen=True)
class Recorded:
    """Whom samples are compared with."""

    observers: Observers
    chosen: int
    """Number of the scanpath that steps are drawn along."""


@dataclass(frozen=True, eq=False)
class _Viewed:
    """One image, all that is drawn on it, and the model there."""

    path: Path
    pixels: ImageArray
    sampled: list[Scanpath]
    conditional: Conditional
    predictor: Predictor
    recorded: Recorded | None
    kept: str
    """What titles say of the samples, if they are not exact ones."""

    @property
    def name(self) -> str:
        """What tables call the image."""
        if self.recorded is None:
            return self.path.name
        return self.recorded.observers.stimulus_name(self.path)


def draw_batch(
    predictor: Predictor,
    plan: Plan,
    sampling: Sampling,
    viewing: Viewing,
    recorded: Recorded | None,
) -> list[str]:
    """Write the pictures that are planned, and say where they are.

    Args:
        predictor: The model.
        plan: What to read and write; its formats are keys of `WRITERS`.
        sampling: What to sample on each image.
        viewing: How the images are seen.
        recorded: Recorded scanpaths, if there are any.

    Returns:
        For each image of a batch that was skipped, why.

    Raises:
        ForegazeError: The only image cannot be used, or what has nothing to do with the image.
        OutputError: A result cannot be written.
    """
    kept = f" (most typical of {sampling.drawn})" if sampling.typical < 1 else ""

    def work(image: Path) -> None:
        pixels = read_image(image)
        if recorded is not None:
            recorded.observers.one(image, recorded.chosen)  # before any work
        try:
            conditional = viewing.on(image, pixels, predictor)
            size = (pixels.shape[0], pixels.shape[1])
            sampled = _draw(sampling, predictor, conditional, size)
            viewed = _Viewed(image, pixels, sampled, conditional, predictor, recorded, kept)
            with written_together(plan.output, plan.names(image)) as unfinished:
                for result, path in zip(plan.formats, unfinished, strict=True):
                    WRITERS[result](path, viewed)
        except ShapeError as error:
            raise ShapeError(f"{image}: {error}") from error

    return each_image(plan, work, skipped=(DataError, ImageError, ShapeError))


def _draw(
    sampling: Sampling, predictor: Predictor, conditional: Conditional, size: Size
) -> list[Scanpath]:
    """Scanpaths, led by the fixation that the model takes as given if it does so."""
    history = np.empty((0, 2))
    if predictor.sees_history:
        history = checked_history(None, None, size, starts=predictor.starts)
    sampled = draw_viewings(conditional, history, sampling, size)
    if not len(history):
        return sampled
    unknown = np.full(len(history), np.nan)
    return [
        Scanpath(
            np.append(history[:, 0], one.x),
            np.append(history[:, 1], one.y),
            np.append(unknown, one.duration_ms),
        )
        for one in sampled
    ]


def _write_numbered(path: Path, viewed: _Viewed) -> None:
    title = viewed.path.name + viewed.kept
    save_figure(draw_scanpaths(viewed.pixels, viewed.sampled, title=title), path)


def _write_steps(path: Path, viewed: _Viewed) -> None:
    predictor, recorded = viewed.predictor, viewed.recorded
    scanpath, whose = viewed.sampled[0], "sampled scanpath 1"
    given = predictor.sees_history and not predictor.starts
    if recorded is not None:
        scanpath = recorded.observers.one(viewed.path, recorded.chosen)
        whose = f"observer {recorded.chosen}"
        given = not predictor.starts and (given or recorded.observers.start_is_given)
    figure = draw_steps(
        viewed.pixels,
        scanpath,
        viewed.conditional,
        first=int(given),
        title=f"{viewed.path.name}, {whose}{viewed.kept * (recorded is None)}",
    )
    save_figure(figure, path)


def _write_samples(path: Path, viewed: _Viewed) -> None:
    assert viewed.recorded is not None
    observers = viewed.recorded.observers
    figure = draw_samples_and_observers(
        viewed.pixels,
        {"model": viewed.sampled, "observers": observers.on(viewed.path)},
        px_per_dva=observers.px_per_dva,
        title=viewed.path.name + viewed.kept,
    )
    save_figure(figure, path)


def _write_animation(path: Path, viewed: _Viewed) -> None:
    sees = viewed.predictor.sees_history
    animate_scanpath(
        viewed.pixels,
        viewed.sampled[0],
        path,
        conditional=viewed.conditional if sees else None,
        overwrite=True,
    )


def _write_table(path: Path, viewed: _Viewed) -> None:
    table = to_csv(viewed.sampled, viewed.name)
    path.write_bytes(table.encode("utf-8", errors="surrogateescape"))


WRITERS = {
    "scanpaths.png": _write_numbered,
    "steps.png": _write_steps,
    "samples.png": _write_samples,
    "scanpaths.gif": _write_animation,
    "scanpaths.csv": _write_table,
}
"""What is written for an image, by the end of the file's name."""


def to_csv(scanpaths: Sequence[Scanpath], image: str) -> str:
    """The table that `foregaze evaluate --scanpaths` reads; scanpaths are called observers.

    Positions are rounded down, so that none leaves the image; durations that are not known are
    empty.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow((*COLUMNS, DURATION))
    scale = 10**_DECIMALS
    for observer, scanpath in enumerate(scanpaths):
        x, y = (np.floor(column * scale) / scale for column in (scanpath.x, scanpath.y))
        for order, duration in enumerate(scanpath.duration_ms):
            place = f"{x[order]:.{_DECIMALS}f}", f"{y[order]:.{_DECIMALS}f}"
            lasting = "" if np.isnan(duration) else f"{duration:.1f}"
            table.writerow((image, observer, order, *place, lasting))
    return text.getvalue()
