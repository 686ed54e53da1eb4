"""Scores on disk while they are being made, so that a long evaluation can go on where it stopped.

A journal is a file of JSON lines: the first says what is being scored, each other one holds one
model's scores on one image. A line that was cut off when the program ended is ignored.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from foregaze.errors import DataError, OutputError
from foregaze.evaluation.score_image import ImageScores

Pair = tuple[ImageScores | None, ImageScores | None]
"""Scores over the evidence and over all fixations."""


class Journal:
    """Scores by model and image.

    Args:
        path: The file; made if missing.
        settings: What must be equal for scores to be used again: data set, metrics, models.

    Raises:
        DataError: If the file holds scores of other settings.
        OutputError: If it cannot be read or written.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self._found: dict[tuple[str, int], Pair] = {}
        settings = json.loads(json.dumps(settings))
        try:
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            if not lines:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(settings) + "\n", encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError(f"{path}: cannot keep the scores here ({error})") from error
        if lines:
            self._read(lines, settings)

    def read(self, model: str, image: int) -> Pair | None:
        """Scores of a model on the image with an index, if they are known."""
        return self._found.get((model, image))

    def write(self, model: str, image: int, scores: Pair) -> None:
        """Keep the scores of a model on an image.

        Raises:
            OutputError: If they cannot be written.
        """
        entry = {
            "model": model,
            "image": image,
            "scores": [part and asdict(part) for part in scores],
        }
        try:
            with self.path.open("a", encoding="utf-8") as file:
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
        for line in lines[1:]:
            entry = _parsed(line)
            if entry is not None:
                evidence, everything = (
                    None if part is None else ImageScores(**part) for part in entry["scores"]
                )
                self._found[entry["model"], entry["image"]] = evidence, everything
        if _parsed(lines[-1]) is None:  # so that the next line does not continue it
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n")


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return entry
