"""MATLAB files of both kinds, version 5 and HDF5 (version 7.3), as plain Python values.

Structs become dictionaries, cells and struct arrays lists or object arrays, text `str`; numbers
stay arrays, in MATLAB's row and column order. What SciPy squeezes is squeezed: use `np.ravel` and
`rows_of` on what comes back.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import scipy.io
from jaxtyping import Float

from foregaze.data.published import Published
from foregaze.errors import DataError

MATLAB_OFFSET_PX = 0.5
"""MATLAB's first pixel is 1 and has its center there; here it covers [0, 1)."""

_MAT5_HEADER = b"MATLAB 5.0 MAT-file".ljust(124)
_Read = TypeVar("_Read")


def read_mat(path: Path, variable: str | None, published: Published) -> Any:
    """One variable of a MATLAB file.

    Args:
        path: The file.
        variable: Its name; None for the only variable in the file.
        published: Whose file it is, for messages.

    Raises:
        DataError: If the file is missing or damaged, or does not hold the variable.
    """
    content = check_readable(path, published, lambda: _read_variables(path))
    if variable is not None:
        if variable not in content:
            raise DataError(f"{path}: holds no variable {variable!r}")
        return content[variable]
    if len(content) != 1:
        raise DataError(f"{path}: holds {len(content)} variables, expected one")
    return next(iter(content.values()))


def read_cells(path: Path, variable: str, published: Published) -> list[Any]:
    """A cell as a list, even if SciPy has squeezed a cell of one.

    Raises:
        DataError: As `read_mat`.
    """
    cells = read_mat(path, variable, published)
    is_cell = isinstance(cells, np.ndarray) and cells.dtype == object
    return list(cells.ravel()) if is_cell else [cells]


def read_container_map(path: Path, published: Published) -> dict[str, Any]:
    """The only `containers.Map` of a MATLAB file, which has text as keys.

    Such objects lie in an undocumented part of the file, as a struct with `keys` and `values`.

    Raises:
        DataError: If the file is missing or damaged, or holds no such map.
    """
    for value in check_readable(path, published, lambda: _saved_objects(path)):
        if isinstance(value, dict) and {"keys", "values"} <= value.keys():
            with published.as_published(path, "its map"):
                return dict(zip(map(str, value["keys"]), value["values"], strict=True))
    raise DataError(f"{path}: holds no containers.Map")


def rows_of(table: Any, columns: int) -> Float[np.ndarray, "_ _"]:
    """A table of at least so many columns.

    SciPy squeezes an only row away, which then has just these columns.

    Raises:
        ValueError: If it has another shape, or letters in it.
    """
    rows = np.asarray(table, dtype=np.float64)
    if not rows.size:
        return np.zeros((0, columns))
    if rows.shape == (columns,):
        rows = rows[None]
    if rows.ndim != 2 or rows.shape[1] < columns:
        raise ValueError(f"shape {rows.shape}, expected {columns} columns")
    return rows


def check_readable(path: Path, published: Published, read: Callable[[], _Read]) -> _Read:
    """What `read` returns of a file.

    Raises:
        DataError: If the file is missing, or `read` fails.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; {published.where_from}")
    try:
        return read()
    except Exception as error:  # SciPy and h5py raise many kinds on damaged files
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: is not a readable MATLAB file ({reason})") from error


def _read_variables(path: Path) -> dict[str, Any]:
    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            return {name: _plain(file[name]) for name in file if not name.startswith("#")}
    content = scipy.io.loadmat(path, simplify_cells=True)
    return {name: value for name, value in content.items() if not name.startswith("__")}


def _plain(item: h5py.Group | h5py.Dataset) -> Any:
    """What an HDF5 item holds, as SciPy would give it."""
    if isinstance(item, h5py.Group):
        return {name: _plain(value) for name, value in item.items()}
    if item.attrs.get("MATLAB_empty", 0):
        return np.zeros(0)
    values = item[()]
    if item.dtype == h5py.ref_dtype:
        inner = np.empty(values.size, dtype=object)
        for place, reference in enumerate(values.T.ravel(order="F")):
            inner[place] = _plain(item.file[reference])
        return inner
    if item.attrs.get("MATLAB_class") == b"char":
        return "".join(map(chr, values.ravel()))
    return np.asarray(values).T


def _saved_objects(path: Path) -> list[Any]:
    """What the objects of a file are saved as."""
    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            saved = file.get("#subsystem#/MCOS")
            return [] if saved is None else list(_plain(saved))
    content = scipy.io.loadmat(path).get("__function_workspace__")
    if content is None:
        return []
    # A MATLAB file inside the file: version and byte order, four empty bytes, one struct.
    inside = content.tobytes()
    saved = scipy.io.loadmat(io.BytesIO(_MAT5_HEADER + inside[:4] + inside[8:]))
    cells = saved["__function_workspace__"]["MCOS"][0, 0][0]["arr"]
    return [_simple(cell) for cell in cells.ravel()]


def _simple(value: Any) -> Any:
    """SciPy's nested arrays of one struct or cell each, as plain values."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names:
        structs = [{n: _simple(s[n]) for n in value.dtype.names} for s in value.ravel()]
        return structs[0] if len(structs) == 1 else structs
    if value.dtype == object:
        return [_simple(cell) for cell in value.ravel(order="F")]
    if value.dtype.kind == "U":
        return "".join(value.ravel())
    return value
