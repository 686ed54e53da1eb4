"""The table of fixations in the plain form."""

from pathlib import Path

import numpy as np
from jaxtyping import Int

from foregaze.data.columns import Columns, read_columns, text_column
from foregaze.errors import DataError

REQUIRED = ("image", "observer", "x", "y")
OPTIONAL = ("duration_ms", "order", "category")
TABLES = ("fixations.csv", "fixations.parquet")


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
    """Columns of a CSV or Parquet file; those of a CSV file are text.

    Raises:
        DataError: If the file is damaged, or has not the columns of the plain form.
    """
    return read_columns(path, REQUIRED, OPTIONAL, others_allowed=False)


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
