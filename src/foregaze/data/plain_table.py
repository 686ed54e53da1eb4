"""The table of fixations in the plain form: reading it, and saying what is wrong with it.

Rows are counted from 1, without the heading.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from foregaze.errors import DataError

REQUIRED = ("image", "observer", "x", "y")
OPTIONAL = ("duration_ms", "order", "category")
TABLES = ("fixations.csv", "fixations.parquet")

# Columns of a pyarrow.Table, which is imported only where one is read.
Columns = dict[str, Any]


def find_table(folder: Path) -> Path:
    """The one table of a folder.

    Raises:
        DataError: If there is none, or both.
    """
    found = [folder / name for name in TABLES if (folder / name).exists()]
    if len(found) != 1:
        what = "both are here, keep one" if found else "none is here"
        raise DataError(f"{folder}: expected {TABLES[0]} or {TABLES[1]}, {what}")
    return found[0]


def read_table(path: Path) -> Columns:
    """Known columns of a CSV or Parquet file; those of a CSV file are text.

    Raises:
        DataError: If the file is damaged, or has not the columns of the plain form.
    """
    import pyarrow
    from pyarrow import csv, parquet

    try:
        if path.suffix == ".parquet":
            table = parquet.read_table(path)
        else:
            columns = dict.fromkeys((*REQUIRED, *OPTIONAL), pyarrow.string())
            table = csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=columns))
        table.validate(full=True)  # text in a Parquet file may be no UTF-8
        names = table.column_names
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())
        kind = "Parquet" if path.suffix == ".parquet" else "CSV"
        raise DataError(f"{path}: is not a readable {kind} file ({reason})") from error
    _check_columns(path, names)
    if not table.num_rows:
        raise DataError(f"{path}: holds no fixations")
    return {name: table[name].combine_chunks() for name in names}


def _check_columns(path: Path, names: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise DataError(
            f"{path}: column {missing[0]!r} is missing; needed are {', '.join(REQUIRED)}, "
            f"found are {', '.join(names)}"
        )
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path}: column {name!r} is there twice")
        if name not in REQUIRED + OPTIONAL:
            raise DataError(
                f"{path}: unknown column {name!r}; known are {', '.join(REQUIRED + OPTIONAL)}"
            )


def text_column(path: Path, columns: Columns, name: str) -> list[str]:
    """A column of text, in which no row is empty."""
    import pyarrow

    column = columns[name]
    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type)):
        raise DataError(f"{path}: column {name!r} is {column.type}, expected text")
    values: list[str | None] = column.to_pylist()
    for row, value in enumerate(values, start=1):
        if not value:
            raise DataError(f"{path}: row {row} has no {name}")
    return [value for value in values if value]


def number_column(
    path: Path, columns: Columns, name: str, *, may_be_missing: bool = False
) -> Float[np.ndarray, " N"]:
    """A column of numbers, none of which is infinite; NaN where one is missing."""
    import pyarrow

    column = columns[name]
    if pyarrow.types.is_string(column.type):
        numbers = _parsed(path, name, column.to_pylist())
    elif pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type):
        numbers = column.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    else:
        raise DataError(f"{path}: column {name!r} is {column.type}, expected numbers")
    wrong = np.isinf(numbers) if may_be_missing else ~np.isfinite(numbers)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"{path}: row {row + 1} has {name} {numbers[row]:g}, expected a number")
    return np.array(numbers, dtype=np.float64)


def _parsed(path: Path, name: str, values: list[str | None]) -> Float[np.ndarray, " N"]:
    numbers = np.empty(len(values))
    for row, value in enumerate(values):
        try:
            numbers[row] = float(value) if value else np.nan
        except ValueError:
            raise DataError(
                f"{path}: row {row + 1} has {name} {value!r}, expected a number"
            ) from None
    return numbers


def order_column(path: Path, columns: Columns) -> Int[np.ndarray, " N"]:
    """Whole numbers from 0."""
    numbers = number_column(path, columns, "order")
    wrong = (numbers < 0) | (numbers % 1 != 0) | (numbers >= 2**31)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{path}: row {row + 1} has order {numbers[row]:g}, expected a whole number from 0"
        )
    return numbers.astype(np.int64)


def observer_column(path: Path, columns: Columns) -> Int[np.ndarray, " N"]:
    """Observers as numbers from 0 in their sorted order: by number if all are whole numbers."""
    import pyarrow

    column = columns["observer"]
    if pyarrow.types.is_integer(column.type):
        column = column.cast(pyarrow.string())
    observers = text_column(path, {"observer": column}, "observer")
    names = set(observers)
    whole = all(name.removeprefix("-").isdecimal() for name in names)
    number_of = {name: n for n, name in enumerate(sorted(names, key=int if whole else str))}
    return np.array([number_of[name] for name in observers], dtype=np.int64)
