"""Downloads with checksum, progress and cache.

An address ends in `#sha256=` and the file's SHA-256, of which the first 8 digits or more will do:
some publishers put no more into the file's name. Where none is published, `#sha256=recorded` takes
the first file on trust and holds later uses of the cached one to it, until `forget_record`.
"""

import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

import platformdirs
from rich.console import Console
from rich.progress import Progress

from foregaze.errors import WeightsError

RECORDED = "recorded"
"""In place of a checksum: that of the first file."""
_RECORD = "sha256"
"""Name of the file beside a cached one that holds its recorded checksum."""
_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30.0


def cache_folder() -> Path:
    """Where downloads are kept: `$FOREGAZE_CACHE`, or the user's cache folder."""
    return Path(os.environ.get("FOREGAZE_CACHE") or platformdirs.user_cache_dir("foregaze"))


def cached_download(source: str) -> Path:
    """Where the file of an address is or would be kept.

    Raises:
        WeightsError: If the address does not end in a checksum.
    """
    address, checksum = _split_address(source)
    folder = checksum[:16]
    if checksum == RECORDED:
        folder = hashlib.sha256(address.encode()).hexdigest()[:16]
    return cache_folder() / folder / PurePosixPath(urlparse(address).path).name


def download(source: str) -> Path:
    """The file of an address, from the cache where it is there.

    Raises:
        WeightsError: If it cannot be had or does not match its checksum.
    """
    address, checksum = _split_address(source)
    target = cached_download(source)
    if target.is_file():
        _check_sha256(target, checksum, str(target), "; delete it to have it downloaded again")
        return target
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(
            f"{target.parent}: cannot be made ({error.strerror}); set FOREGAZE_CACHE to a folder "
            "that can be written"
        ) from error
    try:
        _fetch(address, partial)
        _check_sha256(partial, checksum, address)
        partial.replace(target)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the server's answer
        raise WeightsError(
            f"{address}: cannot be downloaded ({first_line(error)}); offline, download it "
            f"elsewhere and save it as {target}"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def forget_record(path: Path) -> None:
    """Let another file take the place of a cached one that turned out to be of no use.

    Args:
        path: A file; nothing happens unless it is a cached one whose checksum was recorded.
    """
    if path.parent.parent == cache_folder():
        (path.parent / _RECORD).unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def first_line(error: BaseException) -> str:
    """What an error says, without what follows its first line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _split_address(source: str) -> tuple[str, str]:
    address, _, checksum = source.partition("#sha256=")
    if checksum != RECORDED and not re.fullmatch("[0-9a-fA-F]{8,64}", checksum):
        raise WeightsError(
            f"{source}: expected the address to end in #sha256= and 8 to 64 hex digits, or "
            f"#sha256={RECORDED} where none are published"
        )
    return address, checksum.lower()


def _check_sha256(path: Path, checksum: str, name: str, remedy: str = "") -> None:
    found = file_sha256(path)
    if checksum == RECORDED:
        _check_record(path.parent / _RECORD, found, name)
    elif not found.startswith(checksum):
        raise WeightsError(f"{name}: SHA-256 is {found}, expected {checksum}{remedy}")


def _check_record(record: Path, found: str, name: str) -> None:
    if not record.exists():
        record.write_text(found + "\n")
    first = record.read_text().strip()
    if found != first:
        raise WeightsError(
            f"{name}: differs from the file that was first used here (SHA-256 is {found}, was "
            f"{first}); delete {record} to accept it"
        )


def _fetch(address: str, target: Path) -> None:
    with (
        urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as response,
        target.open("wb") as file,
        Progress(console=Console(stderr=True)) as bar,
    ):
        length = response.headers.get("Content-Length")
        task = bar.add_task(target.name.rsplit(".", 2)[0], total=int(length) if length else None)
        while chunk := response.read(_CHUNK_BYTES):
            file.write(chunk)
            bar.advance(task, len(chunk))
        if length and file.tell() != int(length):
            raise OSError(f"the connection ended after {file.tell()} of {length} bytes")
