"""Writes small data sets in the layout that DUT-OMRON is published in."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

SIZES = {"im005.jpg": (300, 400), "sun_a.jpg": (400, 266)}
# x, y from 0 and observer from 1.
FIXATIONS = [(0, 0, 1), (399, 299, 2), (20, 30, 1)]


def save_fixations(root: Path, name: str, rows: Sequence[Sequence[int]]) -> None:
    path = root / "DUT-OMRON-eye-fixations" / "mat" / f"{Path(name).stem}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {"s": np.array(rows, dtype=np.uint16)})


def write_dut_omron(root: Path) -> Path:
    """A small copy of DUT-OMRON's published layout."""
    (root / "DUT-OMRON-image").mkdir(parents=True)
    for name, (height, width) in SIZES.items():
        Image.new("RGB", (width, height)).save(root / "DUT-OMRON-image" / name)
        save_fixations(root, name, [(width, height, 0), *FIXATIONS])
    return root
