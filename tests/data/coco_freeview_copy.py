"""Writes small data sets in the layout that COCO-FreeView is published in."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

SIZE = (1050, 1680)
TRAIN = ("000000000139.jpg", "000000000285.jpg")
VALID = ("000000000632.jpg",)
TEST = ("000000000724.jpg",)


def scanpath(name: str, subject: int, split: str, start: float = 840.0) -> dict[str, Any]:
    return {
        "name": name,
        "subject": subject,
        "task": "none",
        "condition": "freeview",
        "X": [start, start + 10.25, start + 20.5],
        "Y": [525.0, 500.5, 476.0],
        "T": [180, 240, 300],
        "length": 3,
        "split": split,
    }


def save_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", SIZE[::-1]).save(path)


def save_scanpaths(root: Path, scanpaths: Sequence[dict[str, Any]]) -> None:
    path = root / "COCOFreeView_fixations_trainval.json"
    path.write_text(json.dumps(scanpaths))


def scanpaths() -> list[dict[str, Any]]:
    return [
        scanpath(name, subject, split, 840.0 + subject)
        for split, names in (("train", TRAIN), ("valid", VALID))
        for name in names
        for subject in range(1, 11)
    ]


def write_coco_freeview(root: Path) -> Path:
    """A small copy of COCO-FreeView's published layout."""
    for name in (*TRAIN, *VALID, *TEST):
        save_image(root / "images" / "car" / name)
    save_image(root / "coco_search18_images_TA" / "stop sign" / TRAIN[0])  # a copy
    save_scanpaths(root, scanpaths())
    return root
