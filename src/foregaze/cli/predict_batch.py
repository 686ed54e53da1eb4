"""The work of `foregaze predict`: image after image, and the files of each."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from foregaze.cli.batch import each_image
from foregaze.cli.output import written_together
from foregaze.cli.predict_plan import Plan
from foregaze.errors import ShapeError
from foregaze.evaluation.scanpath_csv import COLUMNS
from foregaze.images import read_image
from foregaze.inference.centerbias import CenterBiasLike
from foregaze.inference.conditional import Conditional
from foregaze.inference.history import checked_history
from foregaze.inference.prediction import Prediction
from foregaze.inference.predictor import Predictor
from foregaze.types import ImageArray
from foregaze.viz import draw_prediction, save_figure

_DECIMALS = 3


@dataclass(frozen=True)
class Samples:
    """What is sampled on each image."""

    count: int
    """Number of fixations, or of scanpaths."""
    length: int | None
    """Fixations of each scanpath; None for single fixations."""
    seed: int

    def draw(self, prediction: Prediction) -> Float[np.ndarray, "n T 2"]:
        """Independent fixations as scanpaths of x, y; single fixations as scanpaths of one."""
        length = self.length or 1
        return prediction.sample(self.count * length, seed=self.seed).reshape(-1, length, 2)

    def following(
        self, conditional: Conditional, history: Float[np.ndarray, "T 2"]
    ) -> Float[np.ndarray, "n L 2"]:
        """Scanpaths that go on from a history, led by it: recorded ones hold their first one."""
        assert self.length is not None
        sampled = conditional.sample(history, self.count, self.length, self.seed)
        return np.concatenate([np.repeat(history[None], self.count, axis=0), sampled], axis=1)

    def to_csv(self, scanpaths: Float[np.ndarray, "n T 2"], image: str) -> str:
        """A table; scanpaths, called observers, and their fixations are numbered from 0.

        That of scanpaths is what `foregaze evaluate --scanpaths` reads.
        """
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(("fixation", "x", "y") if self.length is None else COLUMNS)
        for observer, scanpath in enumerate(scanpaths):
            for order, (x, y) in enumerate(scanpath):
                place = (observer,) if self.length is None else (image, observer, order)
                table.writerow((*place, f"{x:.{_DECIMALS}f}", f"{y:.{_DECIMALS}f}"))
        return text.getvalue()


@dataclass(frozen=True)
class Viewing:
    """How the images are seen; see `Predictor.on`."""

    centerbias: Callable[[Path], CenterBiasLike]
    """For the path of an image."""
    history: list[tuple[float, float]] | None
    """Past fixations x, y, oldest first; None for the model's own choice."""
    pixels_per_degree: float | None
    viewers: str | None
    """Name of a data set."""

    def on(self, image: Path, pixels: ImageArray, predictor: Predictor) -> Conditional:
        """A model on an image; one pass of its backbone."""
        return predictor.on(
            pixels,
            centerbias=self.centerbias(image),
            pixels_per_degree=self.pixels_per_degree,
            dataset=self.viewers,
        )

    def past(self, pixels: ImageArray) -> Float[np.ndarray, "T 2"]:
        """The past fixations on an image."""
        x_hist, y_hist = None, None
        if self.history is not None:
            x_hist, y_hist = [x for x, _ in self.history], [y for _, y in self.history]
        return checked_history(x_hist, y_hist, (pixels.shape[0], pixels.shape[1]))


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
    return each_image(plan, lambda image: _predict_image(predictor, image, plan, samples, viewing))


def _predict_image(
    predictor: Predictor, image: Path, plan: Plan, samples: Samples, viewing: Viewing
) -> None:
    pixels = read_image(image)
    try:
        history = viewing.past(pixels)
        conditional = viewing.on(image, pixels, predictor)
    except ShapeError as error:  # from the image's size, the center bias or the history
        raise ShapeError(f"{image}: {error}") from error
    follows = samples.length is not None and predictor.sees_history
    prediction = None
    if not follows or set(plan.formats) != {"csv"}:
        prediction = conditional(history)
    if follows:
        scanpaths = samples.following(conditional, history)
    else:
        assert prediction is not None
        scanpaths = samples.draw(prediction)
    scale = 10**_DECIMALS  # rounding up could carry a fixation out of the image
    scanpaths = np.floor(scanpaths * scale) / scale
    with written_together(plan.output, plan.names(image)) as unfinished:
        for extension, path in zip(plan.formats, unfinished, strict=True):
            if extension == "csv":
                table = samples.to_csv(scanpaths, image.name)
                path.write_bytes(table.encode("utf-8", errors="surrogateescape"))
                continue
            assert prediction is not None
            if extension == "png":
                _write_picture(path, pixels, prediction, scanpaths.reshape(-1, 2), image.name)
            else:
                with path.open("wb") as file:  # given a name, np.save would add an extension
                    np.save(file, prediction.log_density)


def _write_picture(
    path: Path,
    pixels: ImageArray,
    prediction: Prediction,
    points: Float[np.ndarray, "N 2"],
    title: str,
) -> None:
    x, y = points.T
    save_figure(draw_prediction(pixels, prediction.log_density, x, y, title=title), path)
