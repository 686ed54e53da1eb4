"""Writes small data sets in the layout that CAT2000's training set is published in."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from tests.data.matlab_copy import cell, save_map

SIZE = (1080, 1920)
NAMES = ("Action/001.jpg", "Action/010.jpg", "Social/002.jpg")
# By image and trial: x, y and something else, from 1.
SCANPATHS = {
    name: {
        "24-53-bc.eye": [(100 + number, 200, 9), (1920, 1080, 9), (1920, 1080, 9), (7, 8, 9)],
        "24-53-ab.eye": [(np.nan, np.nan, 9), (1, 1, 9), (1921, 5, 9)],
    }
    for number, name in enumerate(NAMES)
}


def save_locations(path: Path, pixels: Sequence[tuple[int, int]]) -> None:
    """A binary map with ones at x, y from 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    locations = np.zeros(SIZE, np.uint8)
    for x, y in pixels:
        locations[y, x] = 1
    scipy.io.savemat(path, {"fixLocs": locations}, do_compression=True)


def save_scanpaths(
    path: Path, scanpaths: Mapping[str, Mapping[str, object]] = SCANPATHS, save=save_map
) -> None:
    """`allFixData.mat`."""
    trials = {
        name: cell([{"name": trial, "data": np.array(data, float)} for trial, data in of.items()])
        for name, of in scanpaths.items()
    }
    save(path, trials)


def write_cat2000(root: Path, names: Sequence[str] = NAMES, scanpaths: bool = True) -> Path:
    """A small copy of CAT2000's published layout."""
    for number, name in enumerate(names):
        path = root / "Stimuli" / name
        (path.parent / "Output").mkdir(parents=True, exist_ok=True)
        Image.new("L", SIZE[::-1]).save(path)
        (path.parent / "Output" / f"{path.stem}_SaliencyMap.jpg").write_bytes(b"a map")
        pixels = [(0, 0), (1919, 1079), (10 + number, 20)]
        save_locations((root / "FIXATIONLOCS" / name).with_suffix(".mat"), pixels)
    if scanpaths:
        save_scanpaths(root / "allFixData.mat")
    return root
