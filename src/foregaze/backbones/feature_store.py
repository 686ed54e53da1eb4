"""Frozen features on disk, computed once per image.

One LMDB environment; a value holds the half-precision features of one image for one key, and the
key is a hash of everything that they depend on. LMDB's transactions make a value visible whole or
not at all, whatever happens to the process that writes it, and let several processes write.
"""

import hashlib
import struct
from pathlib import Path

import lmdb
import numpy as np
import torch

from foregaze.backbones.staged import Features
from foregaze.errors import OutputError

_LAYOUT = b"FG1\0"
"""First bytes of every value; a change of layout changes them, and so every key."""
_MAP_BYTES = 1 << 40
"""Address space that LMDB may use; the file grows with what is written."""


def feature_key(*parts: str) -> bytes:
    """Key of a value: a hash of all that determines it.

    Args:
        parts: Backbone and where it is cut, hash of its weights, preprocessing, hash of the image.
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

    def get(self, key: bytes) -> Features | None:
        """Features in half precision, or None where there are none yet."""
        with self._open().begin(buffers=True) as transaction:
            value = transaction.get(key)
            return None if value is None else _unpack(value)

    def put(self, key: bytes, features: Features) -> None:
        """Store features, rounded to half precision; durable when this returns."""
        try:
            with self._open().begin(write=True) as transaction:
                transaction.put(key, _pack(features))
        except lmdb.Error as error:
            raise OutputError(f"{self.folder}: features cannot be written ({error})") from error

    def has(self, key: bytes) -> bool:
        """Whether there are features under a key."""
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


def _pack(features: Features) -> bytes:
    parts = [_LAYOUT, struct.pack("<I", len(features))]
    for feature in features:
        array = feature.detach().cpu().to(torch.float16).contiguous().numpy()
        parts.append(struct.pack(f"<I{array.ndim}I", array.ndim, *array.shape))
        parts.append(array.tobytes())
    return b"".join(parts)


def _unpack(value: memoryview) -> Features:
    assert bytes(value[:4]) == _LAYOUT
    (count,) = struct.unpack_from("<I", value, 4)
    at, features = 8, []
    for _ in range(count):
        (ndim,) = struct.unpack_from("<I", value, at)
        shape = struct.unpack_from(f"<{ndim}I", value, at + 4)
        at += 4 + 4 * ndim
        size = int(np.prod(shape)) * 2
        array = np.frombuffer(bytes(value[at : at + size]), dtype=np.float16).reshape(shape)
        features.append(torch.from_numpy(array.copy()))
        at += size
    return tuple(features)
