"""Files that are written whole or not at all."""

import os
from pathlib import Path

from foregaze.errors import OutputError


def write_whole(path: Path, text: str) -> None:
    """Write a text file in UTF-8; its folder is made if it is missing.

    A reader sees the earlier file or the whole new one, never a part.

    Raises:
        OutputError: If it cannot be written there.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(text, encoding="utf-8", newline="\n")
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{path}: cannot be written ({reason})") from error
