"""Segments on disk, made once per image and settings, with how they came about.

A key hashes a provenance (`Segmenter.provenance`): method, settings, versions, weights, image. A
value holds that provenance as JSON, and ids in the smallest type that they fit, compressed.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from foregaze.errors import OutputError, ShapeError
from foregaze.keyed_store import KeyedStore
from foregaze.segmentation.segmenter import Segmenter, Segments
from foregaze.types import ImageArray

_LAYOUT = b"SG1\0"
"""First bytes of every value; a change of layout changes them, and so every key."""
_HEADER = struct.Struct("<4sIIIB")
"""Layout, bytes of the provenance, height, width, bytes of an id."""

Value = TypeVar("Value")


def segment_key(provenance: Mapping[str, Any]) -> bytes:
    """Key of segments: a hash of how they come about."""
    return hashlib.sha256(_LAYOUT + _to_json(provenance)).digest()


class SegmentStore(KeyedStore):
    """Segments by their keys; see `KeyedStore`.

    Raises:
        OutputError: From every method, if the folder cannot be opened, read or written.
    """

    kind = "segment store"

    def get(self, key: bytes) -> Segments | None:
        """Segments, or None where there are none yet."""
        return self._checked(key, _unpack)

    def provenance(self, key: bytes) -> dict[str, Any] | None:
        """How the segments under a key came about."""
        return self._checked(key, _unpack_provenance)

    def put(self, provenance: Mapping[str, Any], segments: Segments) -> bytes:
        """Store segments, durably when this returns, and give their key.

        Raises:
            ShapeError: If an id is negative.
        """
        key = segment_key(provenance)
        self._write({key: _pack(provenance, segments)})
        return key

    def keys(self) -> list[bytes]:
        """Keys of all segments in the store, sorted."""
        with self._transaction() as transaction:
            return [bytes(key) for key in transaction.cursor().iternext(values=False)]

    def segments(
        self, segmenter: Segmenter, image: ImageArray, name: str | None = None
    ) -> Segments:
        """Segments of an image: from here, or made and stored.

        Args:
            segmenter: Makes them.
            image: See `Segmenter.segments`.
            name: See `Segmenter.segments`.
        """
        provenance = segmenter.provenance(image, name)
        found = self.get(segment_key(provenance))
        if found is None:
            found = segmenter.segments(image, name)
            self.put(provenance, found)
        return found

    def _checked(self, key: bytes, unpack: Callable[[memoryview], Value]) -> Value | None:
        try:
            return self._read(key, unpack)
        except (ValueError, zlib.error, struct.error) as error:
            raise OutputError(
                f"{self.folder}: holds something else than segments under {key.hex()}; name "
                f"another folder ({error})"
            ) from error


def _to_json(provenance: Mapping[str, Any]) -> bytes:
    """The same bytes whatever the order of keys."""
    return json.dumps(provenance, sort_keys=True, separators=(",", ":")).encode()


def _pack(provenance: Mapping[str, Any], segments: Segments) -> bytes:
    if segments.size and segments.min() < 0:
        raise ShapeError(f"segments have the id {segments.min()}; ids are 0 or larger")
    kind = np.min_scalar_type(int(segments.max(initial=0))).newbyteorder("<")
    text = _to_json(provenance)
    header = _HEADER.pack(_LAYOUT, len(text), *segments.shape, kind.itemsize)
    return header + text + zlib.compress(segments.astype(kind).tobytes(), 6)


def _unpack(value: memoryview) -> Segments:
    length, height, width, itemsize = _unpack_header(value)
    ids = zlib.decompress(value[_HEADER.size + length :])
    return np.frombuffer(ids, f"<u{itemsize}").reshape(height, width).astype(np.int32)


def _unpack_provenance(value: memoryview) -> dict[str, Any]:
    length, *_ = _unpack_header(value)
    provenance: dict[str, Any] = json.loads(bytes(value[_HEADER.size : _HEADER.size + length]))
    return provenance


def _unpack_header(value: memoryview) -> tuple[int, int, int, int]:
    layout, length, height, width, itemsize = _HEADER.unpack_from(value)
    if layout != _LAYOUT:
        raise ValueError(f"its first bytes are {bytes(layout)!r}")
    return length, height, width, itemsize
