"""Frozen features on disk, computed once per image.

One LMDB environment; a value holds one stage's features of one image in half precision, and its key
is a hash of everything that they depend on. LMDB's transactions make a value visible whole or
not at all, whatever happens to the process that writes it, and let several processes write.
"""

import hashlib
import struct
from collections.abc import Mapping
from pathlib import Path

import lmdb
import numpy as np
import torch
from torch import Tensor

from foregaze.errors import OutputError

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


class FeatureStore:
    """A dictionary on disk from key to features, safe for several processes.

    Opened lazily in each process, so that it can be handed to data-loading workers.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._environment: lmdb.Environment | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "_environment": None}

    def get(self, key: bytes) -> Tensor | None:
        """A feature in half precision, or None where there is none yet."""
        with self._open().begin(buffers=True) as transaction:
            value = transaction.get(key)
            return None if value is None else _unpack(value)

    def put(self, features: Mapping[bytes, Tensor]) -> None:
        """Store features, rounded to half precision: all or none, and durable when this returns."""
        try:
            with self._open().begin(write=True) as transaction:
                for key, feature in features.items():
                    transaction.put(key, _pack(feature))
        except lmdb.Error as error:
            raise OutputError(f"{self.folder}: features cannot be written ({error})") from error

    def has(self, key: bytes) -> bool:
        """Whether there is a feature under a key."""
        with self._open().begin(buffers=True) as transaction:
            return transaction.get(key) is not None

    def __len__(self) -> int:
        return int(self._open().stat()["entries"])

    def close(self) -> None:
        """Release the files; the next access opens them again."""
        if self._environment is not None:
            self._environment.close()
            self._environment = None

    def _open(self) -> lmdb.Environment:
        if self._environment is None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._environment = lmdb.open(
                    str(self.folder), map_size=_MAP_BYTES, readahead=False, max_readers=512
                )
            except (OSError, lmdb.Error) as error:
                raise OutputError(
                    f"{self.folder}: no feature store can be opened there ({error})"
                ) from error
        return self._environment


def _pack(feature: Tensor) -> bytes:
    array = feature.detach().cpu().to(torch.float16).contiguous().numpy()
    header = struct.pack(f"<I{array.ndim}I", array.ndim, *array.shape)
    return _LAYOUT + header + array.tobytes()


def _unpack(value: memoryview) -> Tensor:
    assert bytes(value[:4]) == _LAYOUT
    (ndim,) = struct.unpack_from("<I", value, 4)
    shape = struct.unpack_from(f"<{ndim}I", value, 8)
    array = np.frombuffer(value, dtype=np.float16, offset=8 + 4 * ndim).reshape(shape)
    return torch.from_numpy(array.copy())  # the buffer ends with its transaction
