"""PASCAL-S: 850 photographs of PASCAL VOC 2010, 12 observers, two seconds of free viewing.

Li, Hou, Koch, Rehg & Yuille (2014), "The secrets of salient object segmentation", CVPR. Layout of
salObj.zip, of which the fixations are used: `datasets/imgs/pascal/N.jpg`, N from 1, and
`datasets/fixations/pascalFix.mat` (version 7.3) with the cell `fixCell`: for image N a table of
row, column and observer, all from 1. `datasets/fixations/pascalSize.mat`, if it is there, says how
large images are (`sizeData`: height, width), and is checked.

Pixel numbers from 1 become pixel centers by subtracting 0.5. The authors do not say that rows are
in viewing order nor that viewers started at the center: rows of an observer are taken in their
order, as pysaliency takes them, and first fixations are evidence. Durations and pixels per degree
are not published. The count of 12 observers is pysaliency's; more are refused.
"""

from pathlib import Path
from typing import Any

import numpy as np

from foregaze.data.matlab import MATLAB_OFFSET_PX, read_cells, read_mat, rows_of
from foregaze.data.published import Published, place_of
from foregaze.data.tables import Table, join_tables, scanpath_table
from foregaze.errors import DataError
from foregaze.images import read_image
from foregaze.types import EyeTrackingDataset, Size, Stimuli, drop_outside

OBSERVERS = 12
LONGEST_SIDE = 500
LAYOUT = """\
datasets/imgs/pascal/N.jpg              from salObj.zip, N from 1 to 850
datasets/fixations/pascalFix.mat        fixations
datasets/fixations/pascalSize.mat       sizes of the images; may be missing
"""
PUBLISHED = Published(
    title="PASCAL-S",
    where_from=(
        "PASCAL-S's folder datasets/ holds imgs/pascal/*.jpg and fixations/pascalFix.mat, "
        "from http://cbs.ic.gatech.edu/salobj/download/salObj.zip"
    ),
    images=850,
)


def load_pascal_s(root: str | Path) -> EyeTrackingDataset:
    """PASCAL-S's stimuli with their fixations.

    Args:
        root: datasets/ or the folder around it; images may be fewer than 850.

    Raises:
        DataError: If a file is missing, damaged, or does not hold what PASCAL-S publishes.
        ImageError: If a stimulus is no readable image.
    """
    root = PUBLISHED.find_folder(Path(root), "imgs/pascal")
    paths = PUBLISHED.image_paths(root / "imgs" / "pascal")
    sizes = PUBLISHED.sizes(paths, _is_published, f"of at most {LONGEST_SIDE} pixels a side")
    if (root / "fixations" / "pascalSize.mat").exists():
        _check_sizes(root / "fixations" / "pascalSize.mat", paths, sizes)
    path = root / "fixations" / "pascalFix.mat"
    cells = read_cells(path, "fixCell", PUBLISHED)
    tables = [_table(path, cells, place_of(image, len(cells), path)) for image in paths]
    fixations, dropped = drop_outside(join_tables(tables), sizes)
    return EyeTrackingDataset(
        name="pascal-s",
        stimuli=Stimuli(tuple(paths), sizes, read_image),
        fixations=fixations,
        starts_at_center=False,
        px_per_dva=None,
        dropped_fixations=dropped,
    )


def _is_published(size: Size) -> bool:
    return max(size) <= LONGEST_SIDE


def _check_sizes(path: Path, images: list[Path], sizes: tuple[Size, ...]) -> None:
    table = read_mat(path, "sizeData", PUBLISHED)
    with PUBLISHED.as_published(path, "table 'sizeData'"):
        published = rows_of(table, 2).astype(int)
    for image, (height, width) in zip(images, sizes, strict=True):
        expected = tuple(published[place_of(image, len(published), path)][:2].tolist())
        if (height, width) != expected:
            raise DataError(
                f"{image}: is {width}x{height}, but PASCAL-S publishes it at "
                f"{expected[1]}x{expected[0]}"
            )


def _table(path: Path, cells: Any, place: int) -> Table:
    with PUBLISHED.as_published(path, f"cell {place + 1} of 'fixCell'"):
        row, column, observer = rows_of(cells[place], 3)[:, :3].T
        outside = (observer < 1) | (observer > OBSERVERS) | (observer % 1 != 0)
        if outside.any():
            raise ValueError(f"observer {observer[outside][0]:g}, expected 1 to {OBSERVERS}")
        x, y = column - MATLAB_OFFSET_PX, row - MATLAB_OFFSET_PX
        scanpaths = [
            scanpath_table(int(who) - 1, x[observer == who], y[observer == who])
            for who in np.unique(observer)
        ]
        return np.concatenate([np.zeros((0, 5)), *scanpaths])
