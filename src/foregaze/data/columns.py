"""Columns of a CSV or Parquet file, and what is wrong with them.

Rows are counted from 1, without the heading.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Num

from foregaze.errors import DataError

LARGEST = 2**31 - 1
"""Whole number that a table may hold."""

# Columns of a pyarrow.Table, which is imported only where one is read.
Columns = dict[str, Any]


def read_columns(
    path: Path, required: Sequence[str], optional: Sequence[str], *, others_allowed: bool
) -> Columns:
    """Known columns of a Parquet file, told by its suffix, or a CSV file; those of CSV are text.

    Args:
        path: The file.
        required: Columns that must be there.
        optional: Columns that may be there.
        others_allowed: Ignore other columns; they are refused else.

    Raises:
        DataError: If the file is missing or damaged, has other columns or no rows.
    """
    import pyarrow
    from pyarrow import csv, parquet

    known = (*required, *optional)
    try:
        if path.suffix == ".parquet":
            table = parquet.read_table(path)
        else:
            as_text = dict.fromkeys(known, pyarrow.string())
            table = csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=as_text))
        table.validate(full=True)  # text in a Parquet file may be no UTF-8
        names = table.column_names
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())
        kind = "Parquet" if path.suffix == ".parquet" else "CSV"
        raise DataError(f"{path}: is not a readable {kind} file ({reason})") from error
    missing = [name for name in required if name not in names]
    if missing:
        raise DataError(
            f"{path}: column {missing[0]!r} is missing; needed are {', '.join(required)}, "
            f"found are {', '.join(names)}"
        )
    for name in names:
        if names.count(name) > 1 and name in known:
            raise DataError(f"{path}: column {name!r} is there twice")
        if name not in known and not others_allowed:
            raise DataError(f"{path}: unknown column {name!r}; known are {', '.join(known)}")
    if not table.num_rows:
        raise DataError(f"{path}: holds no fixations")
    return {name: table[name].combine_chunks() for name in names if name in known}


def text_column(path: Path, columns: Columns, name: str) -> list[str]:
    """A column of text, in which no row is empty.

    Raises:
        DataError: If it is something else.
    """
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


def image_column(
    path: Path, columns: Columns, names: Sequence[str], where: str
) -> Int[np.ndarray, " N"]:
    """Indices of the stimuli that a column `image` names.

    Args:
        path: The file, for messages.
        columns: Its columns.
        names: Of all stimuli.
        where: Where these are, for messages.

    Raises:
        DataError: If a row has another name, or none.
    """
    number_of = {name: number for number, name in enumerate(names)}
    given = text_column(path, columns, "image")
    unknown = set(given) - number_of.keys()
    if unknown:
        row = min(row for row, name in enumerate(given) if name not in number_of)
        raise DataError(
            f"{path}: row {row + 1} has image {given[row]!r}, which is not in {where} "
            f"({len(unknown)} unknown names in all); its {len(names)} images begin with "
            f"{names[0]!r}"
        )
    return np.array([number_of[name] for name in given], dtype=np.int64)


def number_column(
    path: Path, columns: Columns, name: str, *, may_be_missing: bool = False
) -> Float[np.ndarray, " N"]:
    """A column of numbers, none of which is infinite; NaN where one is missing.

    Raises:
        DataError: If it is something else.
    """
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
            numbers[row] = float(value) if value and value.strip() else np.nan
        except ValueError:
            raise DataError(
                f"{path}: row {row + 1} has {name} {value!r}, expected a number"
            ) from None
    return numbers


def whole_number_column(
    path: Path, columns: Columns, name: str, *, lowest: int
) -> Int[np.ndarray, " N"]:
    """Whole numbers from `lowest` to `LARGEST`.

    Raises:
        DataError: If one is something else.
    """
    numbers = number_column(path, columns, name)
    wrong = (numbers < lowest) | (numbers % 1 != 0) | (numbers > LARGEST)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{path}: row {row + 1} has {name} {numbers[row]:.10g}, expected a whole number from "
            f"{lowest} to {LARGEST}"
        )
    return numbers.astype(np.int64)


def duration_column(path: Path, columns: Columns, rows: int) -> Float[np.ndarray, " N"]:
    """The column `duration_ms`; NaN where one is missing, and everywhere if there is no column.

    Raises:
        DataError: If one is no number, infinite or negative.
    """
    if "duration_ms" not in columns:
        return np.full(rows, np.nan)
    duration_ms = number_column(path, columns, "duration_ms", may_be_missing=True)
    if (duration_ms < 0).any():
        row = int(np.flatnonzero(duration_ms < 0)[0])
        raise DataError(f"{path}: row {row + 1} has duration_ms {duration_ms[row]:g}, below 0")
    return duration_ms


def first_duplicate(keys: Sequence[Num[np.ndarray, " N"]]) -> tuple[int, int] | None:
    """Indices of two rows that have the same value in each column; None if there are none."""
    by_key = np.lexsort(list(keys)[::-1])
    same = np.logical_and.reduce([np.diff(key[by_key]) == 0 for key in keys])
    if not same.any():
        return None
    first, second = by_key[np.flatnonzero(same)[0] :][:2]
    return int(first), int(second)
