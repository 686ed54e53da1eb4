"""Files and folders that are written whole or not at all."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foregaze.errors import OutputError


def write_whole(path: Path, text: str) -> None:
    """Write a text file in UTF-8; its folder is made if it is missing.

    A reader sees the earlier file or the whole new one, never a part.

    Raises:
        OutputError: If it cannot be written there.
    """
    with whole_file(path, overwrite=True) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def whole_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """An unfinished file that gets its name once the block has ended well.

    It lies in the same folder, which is made if it is missing. After an error it is gone.

    Args:
        path: Name of the finished file.
        overwrite: Whether it may replace an earlier file.

    Raises:
        OutputError: If a file is there that must stay, or it cannot be written.
    """
    check_free(path, overwrite=overwrite)
    unfinished = _unfinished(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield unfinished
            check_free(path, overwrite=overwrite)
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """An unfinished folder that gets its name once the block has ended well.

    It lies beside the finished one; folders around it are made if they are missing. After an error
    it is gone with all that is in it.

    Args:
        folder: Name of the finished folder, which is not there yet, or empty.

    Raises:
        OutputError: If something is there, or it cannot be written.
    """
    unfinished = _unfinished(folder.absolute())
    try:
        if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{folder}: is already there; name a new or empty folder")
        unfinished.mkdir(parents=True)
        try:
            yield unfinished
            os.replace(unfinished, folder)  # fails if the folder has been filled meanwhile
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from error


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise an `OutputError` if a file is there that must stay."""
    if not overwrite and os.path.lexists(path):
        raise OutputError(f"{path}: is already there; give another name")


def _unfinished(path: Path) -> Path:
    """A hidden name beside a path that nothing else has, leftovers of stopped programs included."""
    return path.with_name(f".{uuid.uuid4().hex}.part")
