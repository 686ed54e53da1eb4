"""The work of `foregaze predict`: image after image, and the files of each."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from foregaze.cli.batch import each_image
from foregaze.cli.output import written_together
from foregaze.cli.predict_plan import Plan
from foregaze.errors import DataError, ImageError, ShapeError
from foregaze.evaluation.scanpath_csv import COLUMNS, DURATION
from foregaze.images import read_image
from foregaze.inference.centerbias import CenterBiasLike
from foregaze.inference.conditional import Conditional, Extent
from foregaze.inference.history import checked_history
from foregaze.inference.prediction import Prediction
from foregaze.inference.predictor import Predictor
from foregaze.types import ImageArray
from foregaze.viz import draw_prediction, save_figure

_DECIMALS = 3

Drawn: TypeAlias = Float[np.ndarray, "_ 3"]
"""A scanpath: x and y in pixels, and durations in ms, NaN where they are not known."""


@dataclass(frozen=True)
class Samples:
    """What is sampled on each image."""

    count: int
    """Number of fixations, or of scanpaths."""
    extent: Extent | None
    """How long scanpaths go on; None for single fixations."""
    seed: int

    @property
    def timed(self) -> bool:
        """Whether scanpaths end after a time, so that durations count."""
        return self.extent is not None and self.extent.seconds is not None

    def draw(self, prediction: Prediction) -> list[Drawn]:
        """Independent fixations as scanpaths; single fixations as scanpaths of one."""
        length = 1 if self.extent is None else self.extent.length
        assert length is not None
        sampled = prediction.sample(self.count * length, seed=self.seed).reshape(-1, length, 2)
        return list(_drawn(sampled))

    def following(self, conditional: Conditional, history: Float[np.ndarray, "T 2"]) -> list[Drawn]:
        """Scanpaths that go on from a history, led by it: recorded ones hold their first one."""
        assert self.extent is not None
        if self.extent.length is not None:
            sampled = conditional.sample(history, self.count, self.extent.length, self.seed)
            following = list(_drawn(sampled))
        else:
            viewings = conditional.viewings(history, self.count, self.extent, self.seed)
            following = [
                _drawn(np.column_stack([one.x, one.y]), one.duration_ms) for one in viewings
            ]
        return [np.concatenate([_drawn(history), path]) for path in following]

    def to_csv(self, scanpaths: Sequence[Drawn], image: str) -> str:
        """A table; scanpaths, called observers, and their fixations are numbered from 0.

        That of scanpaths is what `foregaze evaluate --scanpaths` reads.
        """
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        columns = ("fixation", "x", "y") if self.extent is None else COLUMNS
        table.writerow((*columns, DURATION) if self.timed else columns)
        for observer, scanpath in enumerate(scanpaths):
            for order, (x, y, lasting) in enumerate(scanpath):
                place = (observer,) if self.extent is None else (image, observer, order)
                row = (*place, f"{x:.{_DECIMALS}f}", f"{y:.{_DECIMALS}f}")
                duration = "" if np.isnan(lasting) else f"{lasting:.{_DECIMALS}f}"
                table.writerow((*row, duration) if self.timed else row)
        return text.getvalue()


@dataclass(frozen=True)
class Viewing:
    """How the images are seen; see `Predictor.on`."""

    centerbias: Callable[[Path], CenterBiasLike]
    """For the path of an image."""
    history: list[tuple[float, float]] | None
    """Past fixations x, y, oldest first; None for what a model takes where none are given."""
    pixels_per_degree: float | None
    viewers: str | None
    """Name of a data set."""
    segments: Callable[[Path], Path | None]
    """For the path of an image, the file with its segments; None for the model's own segmenter."""

    def on(self, image: Path, pixels: ImageArray, predictor: Predictor) -> Conditional:
        """A model on an image; one pass of its backbone."""
        return predictor.on(
            pixels,
            centerbias=self.centerbias(image),
            pixels_per_degree=self.pixels_per_degree,
            dataset=self.viewers,
            segments=self.segments(image),
        )

    def past(self, pixels: ImageArray, predictor: Predictor) -> Float[np.ndarray, "T 2"]:
        """The past fixations on an image; none at all where a model predicts first ones."""
        x_hist, y_hist = None, None
        if self.history is not None:
            x_hist, y_hist = [x for x, _ in self.history], [y for _, y in self.history]
        size = (pixels.shape[0], pixels.shape[1])
        return checked_history(x_hist, y_hist, size, starts=predictor.starts)


def predict_batch(
    predictor: Predictor, plan: Plan, samples: Samples, viewing: Viewing
) -> list[str]:
    """Write the predictions that are planned, and say where they are.

    Args:
        predictor: The model.
        plan: What to read and write.
        samples: What to sample on each image.
        viewing: How the images are seen.

    Returns:
        For each image of a batch that was skipped, why.

    Raises:
        ForegazeError: The only image cannot be used, or what has nothing to do with the image.
        OutputError: A result cannot be written.
    """
    return each_image(
        plan,
        lambda image: _predict_image(predictor, image, plan, samples, viewing),
        skipped=(DataError, ImageError, ShapeError),
    )


def _predict_image(
    predictor: Predictor, image: Path, plan: Plan, samples: Samples, viewing: Viewing
) -> None:
    pixels = read_image(image)
    try:
        history = viewing.past(pixels, predictor)
        conditional = viewing.on(image, pixels, predictor)
    except ShapeError as error:  # from the image's size, the center bias or the history
        raise ShapeError(f"{image}: {error}") from error
    follows = samples.extent is not None and (predictor.sees_history or samples.timed)
    prediction = None
    if not follows or set(plan.formats) != {"csv"}:
        prediction = conditional(history)
    if follows:
        scanpaths = samples.following(conditional, history)
    else:
        assert prediction is not None
        scanpaths = samples.draw(prediction)
    with written_together(plan.output, plan.names(image)) as unfinished:
        for extension, path in zip(plan.formats, unfinished, strict=True):
            if extension == "csv":
                table = samples.to_csv(scanpaths, image.name)
                path.write_bytes(table.encode("utf-8", errors="surrogateescape"))
                continue
            assert prediction is not None
            if extension == "png":
                points = np.concatenate(scanpaths)[:, :2]
                _write_picture(path, pixels, prediction, points, image.name)
            else:
                with path.open("wb") as file:  # given a name, np.save would add an extension
                    np.save(file, prediction.log_density)


def _drawn(
    positions: Float[np.ndarray, "*n 2"], duration_ms: Float[np.ndarray, "*n"] | None = None
) -> Float[np.ndarray, "*n 3"]:
    """Positions as the table has them, rounded down lest they leave the image, and durations."""
    scale = 10**_DECIMALS
    rounded = np.floor(positions * scale) / scale
    if duration_ms is None:
        duration_ms = np.full(positions.shape[:-1], np.nan)
    return np.concatenate([rounded, duration_ms[..., None]], axis=-1)


def _write_picture(
    path: Path,
    pixels: ImageArray,
    prediction: Prediction,
    points: Float[np.ndarray, "N 2"],
    title: str,
) -> None:
    x, y = points.T
    save_figure(draw_prediction(pixels, prediction.log_density, x, y, title=title), path)
