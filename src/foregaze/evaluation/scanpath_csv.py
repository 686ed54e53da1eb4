"""Generated scanpaths as a table: one row for each fixation.

Columns `image` (name of the stimulus), `observer` (number of the sample), `order` (position in
the scanpath; only its order counts, so that it may start anywhere and skip), `x`, `y` (stimulus
pixels) and, optionally, `duration_ms`, empty where it is not known. Other columns are ignored.
Tables are written as CSV, and read from that or from Parquet (`.parquet`).
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from foregaze.data.columns import (
    LARGEST,
    duration_column,
    first_duplicate,
    image_column,
    number_column,
    read_columns,
    whole_number_column,
)
from foregaze.errors import DataError
from foregaze.evaluation.scanpaths import scanpaths_by_image
from foregaze.files import write_whole
from foregaze.scanpath_metrics import Scanpath
from foregaze.types import EyeTrackingDataset, Fixations

COLUMNS = ("image", "observer", "order", "x", "y")
DURATION = "duration_ms"


def read_scanpaths(path: str | Path, dataset: EyeTrackingDataset) -> dict[int, list[Scanpath]]:
    """Scanpaths by the index of their image, those of one image by their `observer` number.

    Raises:
        DataError: Naming the row (counted from 1, below the header) where there is one: if the
            file is no such table, or holds an unknown image, a value of the wrong type, a
            fixation outside its image, or one fixation twice.
    """
    path = Path(path)
    fixations = _fixations(path, dataset)
    height, width = np.array(dataset.stimuli.sizes, dtype=np.float64)[fixations.image].T
    x, y = fixations.x, fixations.y
    outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    if outside.any():
        row = int(np.argmax(outside))
        raise DataError(
            f"{path}: row {row + 1} has a fixation at ({x[row]:g}, {y[row]:g}), outside its image "
            f"of {width[row]:g}x{height[row]:g} px ({int(outside.sum())} such rows); positions are "
            "in stimulus pixels"
        )
    if twice := first_duplicate([fixations.image, fixations.observer, fixations.order]):
        raise DataError(
            f"{path}: rows {twice[0] + 1} and {twice[1] + 1} have the same image, observer and "
            "order"
        )
    return scanpaths_by_image(fixations)


def write_scanpaths(
    path: str | Path, generated: Mapping[int, Sequence[Scanpath]], dataset: EyeTrackingDataset
) -> None:
    """Write the table that `read_scanpaths` reads; without durations if none is known.

    Raises:
        DataError: If an image is not in the data set.
        OutputError: If it cannot be written there.
    """
    known = any(np.isfinite(s.duration_ms).any() for group in generated.values() for s in group)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*COLUMNS, DURATION] if known else COLUMNS)
    for image in sorted(generated):
        if not 0 <= image < len(dataset):
            raise DataError(
                f"scanpaths on image {image}, but {dataset.name} has {len(dataset)} images, "
                "numbered from 0"
            )
        name = dataset.stimuli.names[image]
        for observer, scanpath in enumerate(generated[image]):
            durations = ["" if np.isnan(d) else repr(d) for d in scanpath.duration_ms.tolist()]
            for order, duration in enumerate(durations):
                x, y = float(scanpath.x[order]), float(scanpath.y[order])
                row = [name, observer, order, repr(x), repr(y)]
                table.writerow([*row, duration] if known else row)
    write_whole(Path(path), text.getvalue())


def _fixations(path: Path, dataset: EyeTrackingDataset) -> Fixations:
    """The table, row by row."""
    columns = read_columns(path, COLUMNS, (DURATION,), others_allowed=True)
    image = image_column(path, columns, dataset.stimuli.names, dataset.name)
    return Fixations(
        image=image,
        observer=whole_number_column(path, columns, "observer", lowest=-LARGEST),
        order=whole_number_column(path, columns, "order", lowest=-LARGEST),
        x=number_column(path, columns, "x"),
        y=number_column(path, columns, "y"),
        duration_ms=duration_column(path, columns, len(image)),
    )
