"""Writes small data sets in the layout that Toronto is published in."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

SIZE = (511, 681)


def save_maps(root: Path, maps: Sequence[np.ndarray]) -> None:
    cells = np.empty((1, len(maps)), dtype=object)
    cells[0, :] = list(maps)
    path = root / "fixdens" / "origfixdata.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {"white": cells}, do_compression=True)


def fixation_map(*pixels: tuple[int, int]) -> np.ndarray:
    """Ones at x, y from 0."""
    locations = np.zeros(SIZE, np.uint8)
    for x, y in pixels:
        locations[y, x] = 1
    return locations


def write_toronto(root: Path, images: int = 3) -> Path:
    """A small copy of Toronto's published layout: the first of its images."""
    folder = root / "fixdens" / "Original Image Set"
    folder.mkdir(parents=True)
    for number in range(1, images + 1):
        Image.new("RGB", SIZE[::-1]).save(folder / f"{number}.jpg")
    save_maps(root, [fixation_map((0, 0), (680, 510), (n, 7)) for n in range(1, images + 1)])
    return root
