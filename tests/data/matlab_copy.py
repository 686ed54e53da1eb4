"""Writes MATLAB files as MATLAB does where SciPy cannot: version 7.3, and `containers.Map`."""

import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

INT8, INT32, UINT32, MATRIX = 1, 5, 6, 14
STRUCT, UINT8_ARRAY, UINT32_ARRAY, OPAQUE = 2, 9, 13, 17


def cell(values: Sequence[Any]) -> np.ndarray:
    """MATLAB's N x 1 cell."""
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array


def save_map(path: Path, content: Mapping[str, Any]) -> None:
    """A variable `allData` that is a `containers.Map`, in a file of version 5."""
    keys = np.empty((1, len(content)), dtype=object)
    keys[0] = list(content)
    values = np.empty((1, len(content)), dtype=object)
    values[0] = list(content.values())
    saved = {"keys": keys, "values": values, "uniformity": 1, "keyType": "char", "valueType": "any"}
    cells = _as_matrix(cell([np.zeros((9, 1), np.uint8), np.zeros((0, 0)), saved]))
    wrapper = _matrix(OPAQUE, b"", _text(b"MCOS") + _text(b"FileWrapper__") + cells)
    field_names = struct.pack("<HHI", INT32, 4, 5) + _element(INT8, b"MCOS\0")
    inside = _matrix(STRUCT, b"", field_names + wrapper, dimensions=(1, 1))
    workspace = b"\0\1IM" + bytes(4) + inside
    reference = np.array([0xDD000000, 2, 1, 1, 1, 1], np.uint32).tobytes()
    reference = _matrix(UINT32_ARRAY, b"", _element(UINT32, reference), dimensions=(6, 1))
    variable = _text(b"MCOS") + _text(b"containers.Map") + reference
    with path.open("wb") as file:
        file.write(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM")
        file.write(_matrix(OPAQUE, b"allData", variable))
        body = _element(2, workspace)
        file.write(_matrix(UINT8_ARRAY, b"", body, dimensions=(1, len(workspace))))


def save_map_73(path: Path, content: Mapping[str, Any]) -> None:
    """The same in a file of version 7.3."""
    with h5py.File(path, "w") as file:
        variable = file.create_dataset("allData", data=np.zeros((1, 6), np.uint32))
        variable.attrs["MATLAB_class"] = np.bytes_("containers.Map")
        saved = {"keys": cell(list(content)), "values": cell(list(content.values()))}
        cells = cell([np.zeros((1, 9), np.uint8), saved])
        write_73(file.create_group("#subsystem#"), "MCOS", cells)


def save_73(path: Path, content: Mapping[str, Any]) -> None:
    """Variables in a file of version 7.3."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in content.items():
            write_73(file, name, value)


def write_73(group: h5py.Group, name: str, value: Any) -> None:
    if isinstance(value, dict):
        inner = group.create_group(name)
        for key, field in value.items():
            write_73(inner, key, field)
    elif isinstance(value, str):
        letters = group.create_dataset(name, data=np.array([[ord(c)] for c in value], np.uint16))
        letters.attrs["MATLAB_class"] = np.bytes_("char")
    elif isinstance(value, np.ndarray) and value.dtype == object:
        references = group.create_dataset(name, shape=value.T.shape, dtype=h5py.ref_dtype)
        references.attrs["MATLAB_class"] = np.bytes_("cell")
        store = group.file.require_group("#refs#")
        for place, item in np.ndenumerate(value.T):
            key = str(len(store))
            write_73(store, key, item)
            references[place] = store[key].ref
    elif np.size(value) == 0:
        empty = group.create_dataset(name, data=np.array(np.shape(value), np.uint64))
        empty.attrs["MATLAB_empty"] = np.int32(1)
    else:
        group.create_dataset(name, data=np.asarray(value).T)


def _as_matrix(value: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"x": value})
    return buffer.getvalue()[128:]


def _matrix(
    kind: int, name: bytes, body: bytes, dimensions: tuple[int, ...] | None = None
) -> bytes:
    flags = _element(UINT32, struct.pack("<II", kind, 0))
    if dimensions is None:  # objects have none
        return _element(MATRIX, flags + _text(name) + body)
    size = _element(INT32, struct.pack(f"<{len(dimensions)}i", *dimensions))
    return _element(MATRIX, flags + size + _text(name) + body)


def _text(text: bytes) -> bytes:
    return _element(INT8, text)


def _element(kind: int, payload: bytes) -> bytes:
    return struct.pack("<II", kind, len(payload)) + payload + bytes(-len(payload) % 8)
