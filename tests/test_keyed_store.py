"""What `tests/backbones/test_feature_store.py` does not test of stores."""

import errno
import os

import lmdb
import pytest

from foregaze.errors import OutputError
from foregaze.keyed_store import KeyedStore


class Texts(KeyedStore):
    kind = "text store"

    def get(self, key):
        return self._read(key, lambda value: bytes(value).decode())

    def put(self, **texts):
        self._write({key.encode(): text.encode() for key, text in texts.items()})


def test_values_come_back(tmp_path):
    store = Texts(tmp_path / "deep" / "store")
    store.put(a="first", b="second")
    assert (store.get(b"a"), store.get(b"b"), store.get(b"c")) == ("first", "second", None)
    assert (store.has(b"a"), store.has(b"c"), len(store)) == (True, False, 2)


class Failing:
    """In place of an environment."""

    def __init__(self, error):
        self.error = error

    def begin(self, **options):
        raise self.error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (lmdb.MapFullError("MDB_MAP_FULL"), "there is no room for more in this text store (MDB_M"),
        (
            lmdb.DiskError(os.strerror(errno.ENOSPC)),
            "there is no room for more in this text store (No space left on device); free space on "
            "its disk, or name another folder",
        ),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            "there is no room for more in this text store",
        ),
        (lmdb.CorruptedError("MDB_CORRUPTED"), "is no usable text store (MDB_CORRUPTED)"),
        (PermissionError(errno.EACCES, "Permission denied"), "is no usable text store ("),
    ],
)
def test_what_the_disk_refuses_is_told(tmp_path, monkeypatch, error, message):
    monkeypatch.setattr(Texts, "_open", lambda self: Failing(error))
    with pytest.raises(OutputError) as told:
        Texts(tmp_path).put(a="b")
    assert str(told.value).startswith(f"{tmp_path}: {message}")


def test_a_full_map_stores_nothing(tmp_path):
    store = Texts(tmp_path)
    store.put(a="first")
    store._environment.set_mapsize(1 << 16)
    with pytest.raises(OutputError, match="there is no room for more in this text store"):
        store.put(b="x", c="x" * (1 << 17))
    assert (store.get(b"a"), store.get(b"b"), len(store)) == ("first", None, 1)
