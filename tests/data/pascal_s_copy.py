"""Writes small data sets in the layout that PASCAL-S is published in."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.matlab_copy import cell, save_73

SIZES = {"1.jpg": (375, 500), "2.jpg": (500, 333)}
# Row, column and observer, from 1.
FIXATIONS = [
    [(1, 1, 1), (375, 500, 2), (20, 30, 1), (40, 50, 12)],
    [(500, 333, 3)],
    [(1, 1, 1)],
]


def save_fixations(root: Path, fixations: list[list[tuple[float, ...]]], save=save_73) -> None:
    path = root / "fixations" / "pascalFix.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, {"fixCell": cell([np.array(rows, dtype=float) for rows in fixations])})


def save_sizes(root: Path, sizes: list[tuple[int, int]]) -> None:
    save_73(root / "fixations" / "pascalSize.mat", {"sizeData": np.array(sizes, dtype=float)})


def write_pascal_s(root: Path) -> Path:
    """A small copy of PASCAL-S's published layout: two of its images."""
    (root / "imgs" / "pascal").mkdir(parents=True)
    for name, size in SIZES.items():
        Image.new("RGB", size[::-1]).save(root / "imgs" / "pascal" / name)
    save_fixations(root, FIXATIONS)
    save_sizes(root, [*SIZES.values(), (300, 400)])
    return root
