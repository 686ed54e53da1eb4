"""Generated scanpaths as a table: one row for each fixation.

Columns `image` (name of the stimulus), `observer` (number of the sample), `order` (position in
the scanpath; only its order counts, so that it may start anywhere and skip), `x`, `y` (stimulus
pixels) and, optionally, `duration_ms`, empty where it is not known. Other columns are ignored.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from foregaze.errors import DataError
from foregaze.evaluation.scanpaths import scanpaths_by_image
from foregaze.files import write_whole
from foregaze.scanpath_metrics import Scanpath
from foregaze.types import EyeTrackingDataset, Fixations

COLUMNS = ("image", "observer", "order", "x", "y")
DURATION = "duration_ms"
LARGEST = 2**31 - 1
"""Observer or order number that a table may hold."""


def read_scanpaths(path: str | Path, dataset: EyeTrackingDataset) -> dict[int, list[Scanpath]]:
    """Scanpaths by the index of their image, those of one image by their `observer` number.

    Raises:
        DataError: Naming the row (counted from 1, below the header) where there is one: if the
            file is no such table, or holds an unknown image, a value of the wrong type, a
            fixation outside its image, or one fixation twice.
    """
    path = Path(path)
    fixations = _fixations(path, _read_columns(path), dataset)
    height, width = np.array(dataset.stimuli.sizes, dtype=np.float64)[fixations.image].T
    x, y = fixations.x, fixations.y
    outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    _refuse(path, outside, "a fixation outside its image (positions are in stimulus pixels)")
    _refuse(path, fixations.duration_ms < 0, "a negative duration")
    _refuse(path, _repeats(fixations), "an image, observer and order that an earlier row has too")
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


def _read_columns(path: Path) -> dict[str, Any]:
    """The known columns as strings."""
    import pyarrow
    from pyarrow import csv as arrow_csv

    wanted = (*COLUMNS, DURATION)
    try:
        table = arrow_csv.read_csv(
            path,
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, pyarrow.string())
            ),
        )
    except (OSError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: is no table of scanpaths ({reason})") from error
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)}; scanpaths have the columns "
            f"{', '.join(COLUMNS)} and optionally {DURATION}"
        )
    for name in wanted:
        if table.column_names.count(name) > 1:
            raise DataError(f"{path}: {table.column_names.count(name)} columns are named {name}")
    if not table.num_rows:
        raise DataError(f"{path}: holds no scanpath")
    return {name: table.column(name) for name in wanted if name in table.column_names}


def _fixations(path: Path, columns: dict[str, Any], dataset: EyeTrackingDataset) -> Fixations:
    """The columns' values, row by row."""
    number = {name: index for index, name in enumerate(dataset.stimuli.names)}
    names = columns["image"].to_pylist()
    for row, name in enumerate(names):
        if name not in number:
            raise DataError(
                f"{path}: row {row + 1}: {dataset.name} has no image {name!r}; its {len(number)} "
                f"images begin with {next(iter(number), 'none')!r}"
            )
    duration_ms = np.full(len(names), np.nan)
    if DURATION in columns:
        duration_ms = _numbers(path, DURATION, columns[DURATION], may_be_empty=True)
    return Fixations(
        image=np.array([number[name] for name in names], dtype=np.int64),
        observer=_integers(path, "observer", columns["observer"]),
        order=_integers(path, "order", columns["order"]),
        x=_numbers(path, "x", columns["x"], may_be_empty=False),
        y=_numbers(path, "y", columns["y"], may_be_empty=False),
        duration_ms=duration_ms,
    )


def _repeats(fixations: Fixations) -> Bool[np.ndarray, " N"]:
    """Rows whose image, observer and order an earlier row has."""
    key = np.stack([fixations.image, fixations.observer, fixations.order], axis=1)
    first = np.unique(key, axis=0, return_index=True)[1]
    repeats = np.ones(len(fixations), dtype=bool)
    repeats[first] = False
    return repeats


def _integers(path: Path, name: str, column: Any) -> Int[np.ndarray, " N"]:
    cells = column.to_pylist()
    return np.array(_parsed(path, name, cells, _whole_number, "a whole number"), dtype=np.int64)


def _numbers(path: Path, name: str, column: Any, *, may_be_empty: bool) -> Float[np.ndarray, " N"]:
    """Finite numbers, and NaN for empty cells where they are allowed."""
    cells = column.to_pylist()
    empty = np.array([not cell.strip() for cell in cells], dtype=bool)
    if may_be_empty:
        cells = [cell if cell.strip() else "0" for cell in cells]
    values = np.array(_parsed(path, name, cells, float, "a number"), dtype=np.float64)
    for row in np.flatnonzero(~np.isfinite(values)).tolist():
        raise DataError(f"{path}: row {row + 1}: {name} is {cells[row]!r}, not a finite number")
    return np.where(empty, np.nan, values) if may_be_empty else values


def _whole_number(cell: str) -> int:
    value = int(cell)
    if abs(value) > LARGEST:
        raise ValueError(f"{value} is beyond {LARGEST}")
    return value


def _parsed(
    path: Path, name: str, cells: list[str], parse: Callable[[str], Any], what: str
) -> list[Any]:
    values = []
    for row, cell in enumerate(cells):
        try:
            values.append(parse(cell))
        except ValueError as error:
            raise DataError(f"{path}: row {row + 1}: {name} is {cell!r}, not {what}") from error
    return values


def _refuse(path: Path, wrong: Bool[np.ndarray, " N"], what: str) -> None:
    """Stop at the first row that is wrong."""
    if wrong.any():
        raise DataError(
            f"{path}: row {int(np.argmax(wrong)) + 1}: {what} ({int(wrong.sum())} such rows)"
        )
