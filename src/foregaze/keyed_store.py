"""Values on disk under keys that hash all that they depend on: one LMDB environment for a folder.

LMDB's transactions make a value visible whole or not at all, whatever happens to the process that
writes it, and let several processes write.
"""

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from weakref import WeakValueDictionary

import lmdb

from foregaze.errors import OutputError

_MAP_BYTES = 1 << 40
"""Address space that LMDB may use; the file grows with what is written."""

_ENVIRONMENTS: WeakValueDictionary[tuple[int, Path], lmdb.Environment] = WeakValueDictionary()
"""Open environments by process and folder: LMDB opens a folder at most once per process."""

Value = TypeVar("Value")


class KeyedStore:
    """A dictionary on disk, safe for several processes; its kinds say what values are.

    Opened lazily in each process, so that it can be handed to data-loading workers. Stores of the
    same folder share one environment within a process.

    Raises:
        OutputError: From every method, if the folder cannot be opened, read or written.
    """

    kind: ClassVar[str] = "store"
    """What messages call it."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._environment: lmdb.Environment | None = None
        self._process = 0

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "_environment": None, "_process": 0}

    def has(self, key: bytes) -> bool:
        """Whether there is a value under a key."""
        with self._transaction() as transaction:
            return transaction.get(key) is not None

    def __len__(self) -> int:
        with self._transaction() as transaction:
            return int(transaction.stat()["entries"])

    def close(self) -> None:
        """Release the files; the next access opens them again."""
        self._environment = None  # closed with the last store of this process and folder

    def _read(self, key: bytes, unpack: Callable[[Any], Value]) -> Value | None:
        """What `unpack` makes of a value's bytes, which end with the call; None without a value.

        Args:
            key: Of the value.
            unpack: Takes a buffer.
        """
        with self._transaction() as transaction:
            value = transaction.get(key)
            return None if value is None else unpack(value)

    def _write(self, values: Mapping[bytes, bytes]) -> None:
        """Store values: all or none, and durable when this returns."""
        with self._transaction(write=True) as transaction:
            for key, value in values.items():
                transaction.put(key, value)

    @contextmanager
    def _transaction(self, *, write: bool = False) -> Iterator[lmdb.Transaction]:
        try:
            with self._open().begin(write=write, buffers=True) as transaction:
                yield transaction
        except (OSError, lmdb.Error) as error:
            is_full = isinstance(error, lmdb.MapFullError | lmdb.DiskError)
            if is_full or getattr(error, "errno", None) == errno.ENOSPC:
                problem = f"there is no room for more in this {self.kind} ({error})"
                remedy = "; free space on its disk, or name another folder"
                raise OutputError(f"{self.folder}: {problem}{remedy}") from error
            raise OutputError(f"{self.folder}: is no usable {self.kind} ({error})") from error

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
