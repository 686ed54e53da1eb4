"""HDF5 files that other programs wrote: reading them, and saying what is wrong with them.

Letters: `M` rows, `L` columns.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float, Int

from foregaze.errors import DataError

_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError)
"""What h5py raises, depending on the place that is damaged."""


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file, open for reading.

    Raises:
        DataError: If there is no such file, or it is no HDF5 file, or cut short.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path}: is no readable HDF5 file ({_reason(error)})") from error
    with file:
        yield file


def find_type(group: h5py.Group, known: Mapping[str, tuple[str, ...]]) -> tuple[str, str]:
    """What the attributes `type` and `version` say.

    Args:
        group: A file or a group of one.
        known: Versions of each type that are read.

    Raises:
        DataError: If there is no type, or it or its version is not among the known ones.
    """
    kind, version = text_attribute(group, "type"), text_attribute(group, "version")
    if kind not in known:
        listed = ", ".join(f"{name} ({', '.join(known[name])})" for name in sorted(known))
        raise DataError(f"{place(group)}: holds {kind!r}, expected one of {listed}")
    if version not in known[kind]:
        raise DataError(
            f"{place(group)}: holds {kind} of version {version}, known are {', '.join(known[kind])}"
        )
    return kind, version


def text_attribute(group: h5py.Group, name: str) -> str:
    """An attribute that holds text, stored as text or as bytes.

    Raises:
        DataError: If there is none, or it is no text.
    """
    try:
        value = group.attrs.get(name)
    except _DAMAGE as error:
        raise DataError(f"{place(group)}: {name!r} is damaged ({_reason(error)})") from error
    if value is None:
        raise DataError(f"{place(group)}: has no attribute {name!r}, as pysaliency's files have")
    return _text(value, f"{place(group)}: attribute {name!r}")


def listed(group: h5py.Group, name: str = "__attributes__") -> list[str]:
    """An attribute that holds a list of names as JSON.

    Raises:
        DataError: If there is none, or it is no such list.
    """
    names = _json(group, name)
    if not isinstance(names, list) or not all(isinstance(entry, str) for entry in names):
        raise DataError(f"{place(group)}: attribute {name!r} is no list of names")
    return names


def inner_group(group: h5py.Group, name: str) -> h5py.Group:
    """A group inside a group.

    Raises:
        DataError: If there is none.
    """
    inner = _entry(group, name)
    if not isinstance(inner, h5py.Group):
        raise DataError(f"{place(group)}: holds no group {name!r}{_held(group)}")
    return inner


def holds_dataset(group: h5py.Group, name: str) -> bool:
    """Whether there is a dataset of this name.

    Raises:
        DataError: If that cannot be told, as the file is damaged.
    """
    return isinstance(_entry(group, name), h5py.Dataset)


def dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """A dataset, not yet read.

    Raises:
        DataError: If there is none.
    """
    entry = _entry(group, name)
    if not isinstance(entry, h5py.Dataset):
        raise DataError(f"{place(group)}: holds no dataset {name!r}{_held(group)}")
    return entry


def array(group: h5py.Group, name: str) -> np.ndarray:
    """The content of a dataset.

    Raises:
        DataError: If there is none, or it is damaged.
    """
    entry = dataset(group, name)
    try:
        return np.asarray(entry[()])
    except _DAMAGE as error:
        raise DataError(f"{place(group)}: {name!r} is damaged ({_reason(error)})") from error


def numbers(group: h5py.Group, name: str) -> Float[np.ndarray, " M"]:
    """A column of numbers.

    Raises:
        DataError: If it is something else.
    """
    values = array(group, name)
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise DataError(f"{place(group)}: {name!r} {_described(values)}, expected a row of numbers")
    return values.astype(np.float64)


def matrix(group: h5py.Group, name: str) -> Float[np.ndarray, "M L"]:
    """A table of numbers.

    Raises:
        DataError: If it is something else.
    """
    values = array(group, name)
    if values.ndim != 2 or values.dtype.kind not in "iuf":
        raise DataError(f"{place(group)}: {name!r} {_described(values)}, expected a number table")
    return values.astype(np.float64)


def whole_numbers(group: h5py.Group, name: str) -> Int[np.ndarray, " M"]:
    """A column of whole numbers from 0, however they are stored.

    Raises:
        DataError: If one is something else.
    """
    values = numbers(group, name)
    wrong = ~((values >= 0) & (values % 1 == 0) & (values < 2**53))  # NaN is wrong too
    if wrong.any():
        raise DataError(
            f"{place(group)}: {name!r} holds {values[wrong][0]:g}, expected whole numbers from 0"
        )
    return values.astype(np.int64)


def texts(group: h5py.Group, name: str) -> list[str]:
    """A column of texts.

    Raises:
        DataError: If it is something else.
    """
    values = array(group, name)
    if values.ndim != 1:
        raise DataError(f"{place(group)}: {name!r} {_described(values)}, expected a row of texts")
    where = f"{place(group)}: {name!r}"
    return [_text(value, where) for value in values.tolist()]


def place(group: h5py.Group) -> str:
    """File and, unless it is the outermost one, group; for messages."""
    return f"{group.file.filename}" + ("" if group.name == "/" else f": {group.name[1:]}")


def _entry(group: h5py.Group, name: str) -> Any:
    try:
        return group.get(name)
    except _DAMAGE as error:
        raise DataError(f"{place(group)}: {name!r} is damaged ({_reason(error)})") from error


def _json(group: h5py.Group, name: str) -> Any:
    text = text_attribute(group, name)
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{place(group)}: attribute {name!r} is no JSON ({error})") from error


def _text(value: Any, where: str) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{where} is no UTF-8 text") from error
    if not isinstance(value, str):
        raise DataError(f"{where} holds {type(value).__name__}, expected text")
    return value


def _described(values: np.ndarray) -> str:
    return f"has {values.dtype} values of shape {values.shape}"


def _held(group: h5py.Group) -> str:
    names = list(group)
    return f"; it holds {', '.join(names[:8])}" + (", ..." if len(names) > 8 else "")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())
