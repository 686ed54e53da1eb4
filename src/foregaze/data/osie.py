"""OSIE: 700 photographs of 800x600 pixels, 15 observers, three seconds of free viewing.

Xu, Jiang, Wang, Kankanhalli & Zhao (2014), "Predicting human gaze beyond pixels", Journal of
Vision 14(1):28. MIT licence. Layout: `stimuli/NNNN.jpg`, `eye/fixations.mat`, `mouse_amt/NNNN.mat`
and `mouse_lab/NNNN.mat`. MATLAB pixel centers lie at integers from 1, so 0.5 is subtracted.
A few crowd workers traced an image twice: the first time counts.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Int

from foregaze.data.matlab import MATLAB_OFFSET_PX, read_mat
from foregaze.data.published import Published
from foregaze.data.tables import MOUSE_SKIPPED, MOUSE_STEP, Table, join_tables, scanpath_table
from foregaze.errors import DataError
from foregaze.images import image_size, read_image
from foregaze.types import EyeTrackingDataset, Stimuli, drop_outside

Recording = Literal["eye", "mouse_amt", "mouse_lab"]

OBSERVERS = 15
PX_PER_DVA = 24.0
SAME_PICTURE = (("1279.jpg", "1374.jpg"),)
LAYOUT = """\
stimuli/NNNN.jpg        data/ of the repository; 1001.jpg to 1700.jpg
eye/fixations.mat       fixations
mouse_amt/NNNN.mat      mouse traces of crowd workers, for osie-mouse-amt
mouse_lab/NNNN.mat      mouse traces from the lab, for osie-mouse-lab
"""
PUBLISHED = Published(
    title="OSIE",
    where_from="OSIE's folder holds stimuli/, eye/fixations.mat, mouse_amt/ and mouse_lab/",
    images=700,
)


def load_osie(root: str | Path, recording: Recording = "eye") -> EyeTrackingDataset:
    """OSIE's stimuli with its eye fixations or its mouse traces.

    Args:
        root: The folder as its authors publish it; images may be fewer than 700.
        recording: "eye" for fixations; "mouse_amt" (crowd workers) or "mouse_lab" for every tenth
            sample of the mouse-contingent traces as pseudo-fixations, without durations.

    Raises:
        DataError: If a file is missing, damaged, or does not hold what OSIE publishes.
        ImageError: If a stimulus is no readable image.
    """
    root = Path(root)
    paths = PUBLISHED.image_paths(root / "stimuli")
    sizes = tuple(image_size(path) for path in paths)
    tables = (
        _eye_tables(root / "eye" / "fixations.mat", paths)
        if recording == "eye"
        else [_mouse_table(root / recording / f"{path.stem}.mat") for path in paths]
    )
    fixations, dropped = drop_outside(join_tables(tables), sizes)
    return EyeTrackingDataset(
        name="osie" if recording == "eye" else f"osie-{recording}",
        stimuli=Stimuli(tuple(paths), sizes, read_image),
        fixations=fixations,
        starts_at_center=recording == "eye",
        px_per_dva=PX_PER_DVA,
        dropped_fixations=dropped,
        same_picture=SAME_PICTURE,
    )


def _eye_tables(path: Path, stimuli: list[Path]) -> list[Table]:
    cells = read_mat(path, "fixations", PUBLISHED)
    by_name: dict[str, Any] = {}
    for cell in np.ravel(cells):
        with PUBLISHED.as_published(path, "cell 'fixations'"):
            by_name[str(cell["img"])] = np.ravel(cell["subjects"])
    missing = [stimulus.name for stimulus in stimuli if stimulus.name not in by_name]
    if missing:
        raise DataError(f"{path}: no fixations for {len(missing)} stimuli, {missing[0]} first")
    return [_eye_table(path, s.name, by_name[s.name]) for s in stimuli]


def _eye_table(path: Path, name: str, observers: Any) -> Table:
    if len(observers) != OBSERVERS:
        raise DataError(f"{path}: {name} has {len(observers)} observers, expected {OBSERVERS}")
    scanpaths = []
    for observer, scanpath in enumerate(observers):
        with PUBLISHED.as_published(path, f"{name}, observer {observer + 1}"):
            x, y, duration_ms = (
                np.ravel(scanpath[key]).astype(np.float64)
                for key in ("fix_x", "fix_y", "fix_duration")
            )
            x, y = x - MATLAB_OFFSET_PX, y - MATLAB_OFFSET_PX
            scanpaths.append(scanpath_table(observer, x, y, duration_ms))
    return np.concatenate(scanpaths)


def _mouse_table(path: Path) -> Table:
    trace = read_mat(path, "fixations", PUBLISHED)
    with PUBLISHED.as_published(path, "struct 'fixations'"):
        worker = np.ravel(trace["subj"]).astype(np.int64)
        order = np.ravel(trace["order"]).astype(np.int64)
        row, column = np.atleast_2d(trace["coord"]).astype(np.float64).T
        table = np.column_stack(
            [
                worker,
                (order - MOUSE_SKIPPED - 1) // MOUSE_STEP,
                column - MATLAB_OFFSET_PX,
                row - MATLAB_OFFSET_PX,
                np.full(len(order), np.nan),
            ]
        )
        kept = (order > MOUSE_SKIPPED) & (order % MOUSE_STEP == 1) & _first_trace(worker, order)
        rows: Table = table[kept]
    return rows


def _first_trace(
    worker: Int[np.ndarray, " N"], order: Int[np.ndarray, " N"]
) -> Bool[np.ndarray, " N"]:
    """Whether each sample belongs to the first trace of its worker."""
    begins = np.append(True, (np.diff(worker) != 0) | (np.diff(order) <= 0))
    _, first_of_worker = np.unique(worker[begins], return_index=True)
    in_first: Bool[np.ndarray, " N"] = np.isin(np.cumsum(begins) - 1, first_of_worker)
    return in_first
