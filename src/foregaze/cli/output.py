"""Files that commands write: checked before the work, and whole or not at all after it."""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from foregaze.errors import OutputError


def check_folder(folder: Path) -> None:
    """Make sure that files can be written into a folder, which need not exist yet.

    Raises:
        OutputError: If a file is in the way, or the nearest folder that exists is not writable.
    """
    nearest = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if not nearest.is_dir():
        if nearest == folder:
            raise OutputError(f"{folder}: is not a folder; results are written into a folder")
        raise OutputError(f"{folder}: cannot be made, because {nearest} is not a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"{nearest}: no permission to write into this folder")


def check_file(path: Path, *, overwrite: bool) -> None:
    """Make sure that a file can be written.

    Raises:
        OutputError: If it cannot, or exists already and must not be replaced.
    """
    if path.is_dir():
        raise OutputError(f"{path}: is a folder, expected the name of a file")
    if os.path.lexists(path) and not overwrite:
        raise OutputError(f"{path}: exists already; give another name, or --overwrite")
    check_folder(path.parent)


@contextmanager
def written_together(folder: Path, names: Sequence[str]) -> Iterator[list[Path]]:
    """Unfinished files that get their names together once the block has ended well.

    The folder is made if it is missing. After an error nothing is left, not even the folder.

    Raises:
        OutputError: If a file cannot be written.
    """
    new_folders = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    unfinished = [folder / f".{uuid.uuid4().hex}.part" for _ in names]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield unfinished
        for path, name in zip(unfinished, names, strict=True):
            os.replace(path, folder / name)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{folder}: cannot write {', '.join(names)} ({reason})") from error
    finally:
        for path in unfinished:
            with suppress(OSError):
                path.unlink()
        for place in new_folders:
            with suppress(OSError):  # it holds results
                place.rmdir()
