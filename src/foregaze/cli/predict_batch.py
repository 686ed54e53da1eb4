"""The work of `foregaze predict`: image after image, and the files of each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from jaxtyping import Float

from foregaze.cli.output import written_together
from foregaze.cli.predict_plan import Plan
from foregaze.cli.progress import FEW, ProgressDisplay
from foregaze.errors import ForegazeError, OutputError, ShapeError
from foregaze.images import read_image
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

    def draw(self, prediction: Prediction) -> Float[np.ndarray, "N 2"]:
        """Rows of x, y, one scanpath after the other.

        They are cut off after the decimals that the file holds, since rounding up could carry
        them out of the image.
        """
        scale = 10**_DECIMALS
        points = prediction.sample(self.count * (self.length or 1), seed=self.seed)
        cut: Float[np.ndarray, "N 2"] = np.floor(points * scale) / scale
        return cut

    def to_csv(self, points: Float[np.ndarray, "N 2"]) -> str:
        """A table of what `draw` gave; scanpaths and their fixations are numbered from 0."""
        lines = ["fixation,x,y" if self.length is None else "scanpath,fixation,x,y"]
        for number, (x, y) in enumerate(points):
            place = f"{number}"
            if self.length is not None:
                place = f"{number // self.length},{number % self.length}"
            lines.append(f"{place},{x:.{_DECIMALS}f},{y:.{_DECIMALS}f}")
        return "\n".join(lines) + "\n"


def predict_batch(predictor: Predictor, plan: Plan, samples: Samples, centerbias: Any) -> list[str]:
    """Write the predictions that are planned, and say where they are.

    Args:
        predictor: The model.
        plan: What to read and write.
        samples: What to sample on each image.
        centerbias: As in `Predictor.predict`.

    Returns:
        For each image of a batch that was skipped, why.

    Raises:
        ForegazeError: The only image cannot be used.
        OutputError: A result cannot be written.
    """
    done: list[Path] = []
    problems: list[str] = []
    with ProgressDisplay() as show:
        for number, image in enumerate(plan.images):
            show("images", number, len(plan.images))
            try:
                _predict_image(predictor, image, plan, samples, centerbias)
                done.append(image)
            except OutputError:
                raise
            except ForegazeError as error:
                if not plan.is_batch:
                    raise
                problems.append(str(error))
    if len(done) <= FEW:
        for image in done:
            for name in plan.names(image):
                typer.echo(plan.output / name)
    else:
        count = f"{len(done)} of {len(plan.images)}" if problems else f"{len(done)}"
        typer.echo(f"{count} images: {' and '.join(plan.formats)} files in {plan.output}")
    return problems


def _predict_image(
    predictor: Predictor, image: Path, plan: Plan, samples: Samples, centerbias: Any
) -> None:
    pixels = read_image(image)
    try:
        prediction = predictor.predict(pixels, centerbias=centerbias)
    except ShapeError as error:  # from the center bias
        raise ShapeError(f"{image}: {error}") from error
    points = samples.draw(prediction)
    with written_together(plan.output, plan.names(image)) as unfinished:
        for extension, path in zip(plan.formats, unfinished, strict=True):
            if extension == "png":
                _write_picture(path, pixels, prediction, points, image.name)
            elif extension == "npy":
                with path.open("wb") as file:  # given a name, np.save would add an extension
                    np.save(file, prediction.log_density)
            else:
                path.write_text(samples.to_csv(points), encoding="utf-8", newline="\n")


def _write_picture(
    path: Path,
    pixels: ImageArray,
    prediction: Prediction,
    points: Float[np.ndarray, "N 2"],
    title: str,
) -> None:
    x, y = points.T
    save_figure(draw_prediction(pixels, prediction.log_density, x, y, title=title), path)
