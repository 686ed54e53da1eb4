"""Frozen features on disk, computed once per image.

A value holds one stage's features of one image in half precision, and its key is a hash of
everything that they depend on.
"""

import hashlib
import struct
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from foregaze.errors import ShapeError
from foregaze.keyed_store import KeyedStore

_LAYOUT = b"FG1\0"
"""First bytes of every value; a change of layout changes them, and so every key."""


def feature_key(*parts: str) -> bytes:
    """Key of a value: a hash of all that determines it.

    Args:
        parts: Backbone and stage, hash of its weights, preprocessing, hash of the image.
    """
    return hashlib.sha256(_LAYOUT + "\0".join(parts).encode()).digest()


class FeatureStore(KeyedStore):
    """Features by their keys; see `KeyedStore`.

    Raises:
        OutputError: From every method, if the folder cannot be opened, read or written.
    """

    kind = "feature store"

    def get(self, key: bytes) -> Tensor | None:
        """A feature in half precision, or None where there is none yet."""
        return self._read(key, _unpack)

    def put(self, features: Mapping[bytes, Tensor]) -> None:
        """Store features, rounded to half precision: all or none, and durable when this returns.

        Raises:
            ShapeError: If a value is not finite in half precision.
        """
        self._write({key: _pack(feature) for key, feature in features.items()})


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
