"""Writes small data sets in the layout that SALICON is published in."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

SIZE = (480, 640)
# By worker: x, y from 1.
FIXATIONS = [[(1, 1), (640, 480), (321, 2)], [(5, 6)], []]


def name_of(number: int, split: str) -> str:
    return f"COCO_{split}2014_{number:012}.jpg"


def gaze(fixations: Sequence[Sequence[tuple[int, int]]] = FIXATIONS) -> np.ndarray:
    """The struct array `gaze`; a trace has 25 samples, from (11, 301) to (35, 325)."""
    fields = [(name, object) for name in ("location", "timestamp", "fixations")]
    workers = np.empty((len(fixations), 1), dtype=fields)
    for place, found in enumerate(fixations):
        samples = np.arange(25, dtype=np.uint16)
        workers[place, 0] = (
            np.column_stack([samples + 11, samples + 301]),
            samples[:, None] * 17.0,
            np.array(found, dtype=np.uint16).reshape(-1, 2),
        )
    return workers


def save_gaze(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    resolution = np.array([SIZE])
    scipy.io.savemat(path, {"image": path.stem, "resolution": resolution, "gaze": content})


def save_json(path: Path, split: str, numbers: Sequence[int]) -> None:
    """Annotations of MS COCO's kind, with row before column."""
    images = [{"id": n, "file_name": name_of(n, split), "license": 4} for n in numbers]
    annotations = [
        {"id": worker, "image_id": n, "worker_id": 900 - worker, "fixations": rows}
        for n in numbers
        for worker, rows in enumerate([[[1, 640], [480, 2]], [[n, 5]]])
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"type": "fixations", "images": images, "annotations": annotations}))


def write_images(root: Path, split: str, numbers: Sequence[int] = (9, 25)) -> Path:
    (root / "images" / split).mkdir(parents=True)
    for number in numbers:
        path = root / "images" / split / name_of(number, split)
        Image.new("RGB", SIZE[::-1]).save(path)
    return root


def write_salicon(root: Path, split: str = "train", numbers: Sequence[int] = (9, 25)) -> Path:
    """A small copy of SALICON's published layout."""
    write_images(root, split, numbers)
    for number in numbers:
        path = root / "fixations" / split / name_of(number, split)
        save_gaze(path.with_suffix(".mat"), gaze())
    return root
