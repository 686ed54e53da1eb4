"""Writes small data sets in the layout that OSIE is published in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

SIZE = (60, 80)


def cell(values: Sequence[Any]) -> np.ndarray:
    """MATLAB's N x 1 cell."""
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array


def scanpath(length: int = 3, start: float = 10.0) -> dict[str, np.ndarray]:
    """Fixations at (start, start + 5), (start + 1, start + 6), ..."""
    x = start + np.arange(length)
    return {
        "fix_x": x[None],
        "fix_y": (x + 5)[None],
        "fix_duration": np.full((1, length), 200, np.uint16),
    }


def eye_cell(name: str, scanpaths: Sequence[Any]) -> dict[str, Any]:
    return {"img": name, "subjects": cell(scanpaths)}


def save_eye(root: Path, cells: Sequence[dict[str, Any]]) -> None:
    (root / "eye").mkdir(exist_ok=True)
    content = {"fixations": cell(cells)}
    scipy.io.savemat(root / "eye" / "fixations.mat", content, do_compression=True)


def save_mouse(path: Path, samples: Sequence[tuple[int, int, int, int]]) -> None:
    """Samples are worker, order, row, column."""
    worker, order, row, column = np.array(samples, dtype=np.uint16).reshape(-1, 4).T
    trace = {
        "subj": worker[:, None],
        "coord": np.column_stack([row, column]),
        "order": order[:, None],
    }
    path.parent.mkdir(exist_ok=True)
    scipy.io.savemat(path, {"fixations": trace})


def write_osie(root: Path, names: Sequence[str] = ("1001.jpg", "1002.jpg")) -> Path:
    """A small copy of OSIE's published layout: 15 observers with three fixations per image."""
    (root / "stimuli").mkdir(parents=True)
    for name in names:
        Image.new("RGB", SIZE[::-1]).save(root / "stimuli" / name)
        trace = [(7, order, 30, 40 + order % 10) for order in range(1, 32)]
        for recording in ("mouse_amt", "mouse_lab"):
            save_mouse(root / recording / f"{Path(name).stem}.mat", trace)
    save_eye(root, [eye_cell(name, [scanpath(start=10 + o) for o in range(15)]) for name in names])
    return root
