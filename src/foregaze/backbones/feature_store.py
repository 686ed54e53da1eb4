"""Frozen features on disk, computed once per image.

One LMDB environment; a value holds one stage's features of one image in half precision, and its key
is a hash of everything that they depend on. LMDB's transactions make a value visible whole or
not at all, whatever happens to the process that writes it, and let several processes write.
"""

import hashlib
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakValueDictionary

import lmdb
import numpy as np
import torch
from torch import Tensor

from foregaze.errors import OutputError, ShapeError

_LAYOUT = b"FG1\0"
"""First bytes of every value; a change of layout changes them, and so every key."""
_MAP_BYTES = 1 << 40
"""Address space that LMDB may use; the file grows with what is written."""


def feature_key(*parts: str) -> bytes:
    """Key of a value: a hash of all that determines it.

    Args:
        parts: Backbone and stage, hash of its weights, preprocessing, hash of the image.
    """
    return hashlib.sha256(_LAYOUT + "\0".join(parts).encode()).digest()


_ENVIRONMENTS: WeakValueDictionary[tuple[int, Path], lmdb.Environment] = WeakValueDictionary()
"""Open environments by process and folder: LMDB opens a folder at most once per process."""


class FeatureStore:
    """A dictionary on disk from key to features, safe for several processes.

    Opened lazily in each process, so that it can be handed to data-loading workers. Stores of the
    same folder share one environment within a process.

    Raises:
        OutputError: From every method, if the folder cannot be opened, read or written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._environment: lmdb.Environment | None = None
        self._process = 0

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "_environment": None, "_process": 0}

    def get(self, key: bytes) -> Tensor | None:
        """A feature in half precision, or None where there is none yet."""
        with self._transaction() as transaction:
            value = transaction.get(key)
            return None if value is None else _unpack(value)

    def put(self, features: Mapping[bytes, Tensor]) -> None:
        """Store features, rounded to half precision: all or none, and durable when this returns.

        Raises:
            ShapeError: If a value is not finite in half precision.
        """
        packed = {key: _pack(feature) for key, feature in features.items()}
        with self._transaction(write=True) as transaction:
            for key, value in packed.items():
                transaction.put(key, value)

    def has(self, key: bytes) -> bool:
        """Whether there is a feature under a key."""
        with self._transaction() as transaction:
            return transaction.get(key) is not None

    def __len__(self) -> int:
        with self._transaction() as transaction:
            return int(transaction.stat()["entries"])

    def close(self) -> None:
        """Release the files; the next access opens them again."""
        self._environment = None  # closed with the last store of this process and folder

    @contextmanager
    def _transaction(self, *, write: bool = False) -> Iterator[lmdb.Transaction]:
        try:
            with self._open().begin(write=write, buffers=True) as transaction:
                yield transaction
        except (OSError, lmdb.Error) as error:
            raise OutputError(f"{self.folder}: is no usable feature store ({error})") from error

    def _open(self) -> lmdb.Environment:
        if self._environment is None or self._process != os.getpid():
            self._environment = _environment(self.folder)
            self._process = os.getpid()
        return self._environment


def _environment(folder: Path) -> lmdb.Environment:
    for (process, _), inherited in list(_ENVIRONMENTS.items()):
        if process != os.getpid():  # LMDB's are of no use after a fork
            inherited.close()
    folder.mkdir(parents=True, exist_ok=True)
    place = (os.getpid(), folder.resolve())
    environment = _ENVIRONMENTS.get(place)
    if environment is None:
        environment = lmdb.open(str(folder), map_size=_MAP_BYTES, readahead=False, max_readers=512)
        environment.reader_check()  # frees the places of readers that were killed
        _ENVIRONMENTS[place] = environment
    return environment


def _pack(feature: Tensor) -> bytes:
    half = feature.detach().cpu().to(torch.float16)
    if not half.isfinite().all():
        raise ShapeError("features hold values that are not finite in half precision")
    header = struct.pack(f"<I{half.ndim}I", half.ndim, *half.shape)
    return _LAYOUT + header + half.numpy().tobytes()  # in C order, whatever the strides


def _unpack(value: bytes | memoryview) -> Tensor:
    assert bytes(value[:4]) == _LAYOUT
    (ndim,) = struct.unpack_from("<I", value, 4)
    shape = struct.unpack_from(f"<{ndim}I", value, 8)
    array = np.frombuffer(value, dtype=np.float16, offset=8 + 4 * ndim).reshape(shape)
    return torch.from_numpy(array.copy())  # the buffer ends with its transaction
