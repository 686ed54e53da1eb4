"""Scores on disk while they are being made, so that a long evaluation can go on where it stopped.

A journal is a file of JSON lines: the first says what is being scored, each other one holds one
model's scores on one image. A line that was cut off when the program ended is ignored.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from foregaze import __version__
from foregaze.errors import DataError, OutputError
from foregaze.evaluation.models import ScoredModel
from foregaze.evaluation.references import References
from foregaze.evaluation.score_image import ImageScores
from foregaze.types import EyeTrackingDataset

Pair = tuple[ImageScores | None, ImageScores | None]
"""Scores over the evidence and over all fixations."""


class Journal:
    """Scores by model and image.

    Scores are used again only for a model of the same name and identity, and a journal only with
    the same settings.

    Args:
        path: The file; made with the first score.
        settings: What else scores depend on (see `settings_of`).

    Raises:
        DataError: If the file holds scores of other settings.
        OutputError: If it cannot be read or written.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self._found: dict[tuple[str, str, int], Pair] = {}
        self._first_line = json.dumps(settings)
        try:
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError(f"{path}: cannot keep the scores here ({error})") from error
        if lines:
            self._read(lines, json.loads(self._first_line))

    def read(self, model: ScoredModel, image: int) -> Pair | None:
        """Scores of a model on the image with an index, if they are known."""
        return self._found.get((model.name, model.identity, image))

    def write(self, model: ScoredModel, image: int, scores: Pair) -> None:
        """Keep the scores of a model on an image.

        Raises:
            OutputError: If they cannot be written.
        """
        entry = {
            "model": model.name,
            "identity": model.identity,
            "image": image,
            "scores": [part and asdict(part) for part in scores],
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            begins = not self.path.exists() or not self.path.stat().st_size
            with self.path.open("a", encoding="utf-8") as file:
                if begins:
                    file.write(self._first_line + "\n")
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise OutputError(f"{self.path}: cannot keep the scores here ({error})") from error

    def _read(self, lines: list[str], settings: dict[str, Any]) -> None:
        begun = _parsed(lines[0])
        if begun != settings:
            differing = sorted(
                key for key in settings if not begun or begun.get(key) != settings[key]
            )
            raise DataError(
                f"{self.path}: holds scores of another evaluation (different: "
                f"{', '.join(differing)}); give another --output, or remove the file"
            )
        for number, line in enumerate(lines[1:], start=2):
            entry = _parsed(line)
            if entry is None:
                continue
            try:
                evidence, everything = (
                    None if part is None else ImageScores(**part) for part in entry["scores"]
                )
                key = entry["model"], entry["identity"], entry["image"]
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(
                    f"{self.path}: line {number} holds no scores; remove the file to begin again"
                ) from error
            self._found[key] = evidence, everything
        if _parsed(lines[-1]) is None:  # so that the next line does not continue it
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n")


def settings_of(references: References, metrics: Sequence[str]) -> dict[str, Any]:
    """What the scores of any model depend on, beside the model."""
    return {
        "foregaze": __version__,
        "metrics": list(metrics),
        "data set": _digest(references.dataset),
        "references": references.describe(),
    }


def _digest(dataset: EyeTrackingDataset) -> str:
    """SHA-256 of all that scores see of a data set, files by their size."""
    stimuli = dataset.stimuli
    digest = hashlib.sha256()
    for name, size, path in zip(stimuli.names, stimuli.sizes, stimuli.paths, strict=True):
        length = path.stat().st_size if path.is_file() else -1
        digest.update(f"{name} {size} {length}\n".encode())
    for column in fields(dataset.fixations):
        digest.update(np.ascontiguousarray(getattr(dataset.fixations, column.name)).tobytes())
    rest = dataset.starts_at_center, dataset.px_per_dva, dataset.blur_px, dataset.same_picture
    digest.update(repr(rest).encode())
    return digest.hexdigest()


def _parsed(line: str) -> dict[str, Any] | None:
    """A line as a dictionary; None if it is cut off."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
