"""The center bias that a prediction is made with, whatever the caller gives."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float
from scipy.ndimage import zoom
from scipy.special import logsumexp
from torch import Tensor

from foregaze.backbones.downloads import cached_download, download, first_line
from foregaze.backbones.weights import is_ready_offline
from foregaze.errors import DataError, ShapeError, WeightsError
from foregaze.models.deepgaze_release import CENTERBIAS
from foregaze.types import Size

MIT1003 = "mit1003"
"""Name of the center bias that the published DeepGaze models are used with."""
_MASS_TOLERANCE = 1e-3
_KEPT_SIZES = 4
_KEPT_PIXELS = 4_000_000
"""Of the largest image whose center bias is kept; 32 MB."""


@runtime_checkable
class DatasetCenterBias(Protocol):
    """Where people look on a data set, such as `foregaze.data.CenterBias`."""

    def log_density(self, size: Size) -> Float[np.ndarray, "H W"]:
        """Log density in nats for an image of a size; `exp` sums to one."""


CenterBiasLike: TypeAlias = np.ndarray | Tensor | str | DatasetCenterBias | None
"""A log density (H, W) at the image's size; "uniform" for none; "mit1003"; the center bias of a
data set; None for the model's own."""
_ACCEPTED = (
    f"expected a log density (H, W), 'uniform', '{MIT1003}' or the center bias of a data set"
)
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

AtSize = Callable[[Size], Float[np.ndarray, "H W"]]
"""Log density in nats of a center bias for images of a size."""


class KeptCenterBias:
    """A center bias that is read once, at the sizes of images; the last few are kept.

    Args:
        read: Gives it at its own size.
        resize: Brings it to the size of an image.
    """

    def __init__(
        self,
        read: Callable[[], Float[np.ndarray, "h w"]],
        resize: Callable[[Float[np.ndarray, "h w"], Size], Float[np.ndarray, "H W"]],
    ) -> None:
        self._read = read
        self._resize = resize
        self._source: Float[np.ndarray, "h w"] | None = None
        self._kept: dict[Size, Float[np.ndarray, "H W"]] = {}

    def __call__(self, size: Size) -> Float[np.ndarray, "H W"]:
        """Log density in nats; `exp` sums to one. Not to be written into."""
        kept = self._kept
        if size in kept:
            log_density = kept[size]
        else:
            if self._source is None:
                self._source = self._read()
            log_density = self._resize(self._source, size)
        if size[0] * size[1] <= _KEPT_PIXELS:  # replaced and never changed, for threads' sake
            others = [(other, kept[other]) for other in kept if other != size]
            self._kept = dict([*others, (size, log_density)][-_KEPT_SIZES:])
        return log_density


def centerbias_on(
    given: CenterBiasLike, size: Size, own: AtSize, mit1003: AtSize
) -> Float[np.ndarray, "H W"]:
    """Log density in nats at the image's size; `exp` sums to one.

    Args:
        given: What the caller wants.
        size: (H, W) of the image.
        own: The model's own.
        mit1003: That of MIT1003.

    Raises:
        ShapeError: If it is none of what is accepted, or an array has another size or is not
            normalized.
        WeightsError: If the file of "mit1003" is not there.
    """
    if given is None:
        return own(size)
    if isinstance(given, str):
        if given == "uniform":
            return np.full(size, -np.log(size[0] * size[1]))
        if given == MIT1003:
            return mit1003(size)
        raise ShapeError(f"centerbias is {given!r}, {_ACCEPTED}")
    if isinstance(given, Tensor):
        given = given.detach().cpu().numpy()
    if isinstance(given, np.ndarray):
        return checked_centerbias(given, size)
    if callable(getattr(given, "log_density", None)):
        return given.log_density(size)
    hint = ""
    if isinstance(getattr(given, "log_density", None), np.ndarray):
        hint = "; give its log_density"
    raise ShapeError(f"centerbias is a {type(given).__name__}, {_ACCEPTED}{hint}")


def checked_centerbias(centerbias: np.ndarray, size: Size) -> Float[np.ndarray, "H W"]:
    """A caller's log density, in float64.

    Raises:
        ShapeError: If it has another size than the image or does not sum to one.
    """
    if np.shape(centerbias) != size:
        raise ShapeError(
            f"centerbias has shape {np.shape(centerbias)}, expected {size}: one value per pixel"
        )
    log_density = np.asarray(centerbias, dtype=np.float64)
    mass = float(np.exp(log_density).sum())
    if not abs(mass - 1) < _MASS_TOLERANCE:
        raise ShapeError(
            f"centerbias sums to {mass:.6g} after exp, expected 1: subtract its logsumexp first"
        )
    return log_density


def read_log_density(path: Path) -> Float[np.ndarray, "H W"]:
    """The map of floating point numbers in a .npy file; nothing in the file can run.

    Raises:
        DataError: If the file holds none.
    """
    try:
        with path.open("rb") as file:
            _check_length(file)
            array = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # a damaged header raises whatever Python's parser does
        raise DataError(f"{path}: is no .npy file of numbers ({first_line(error)})") from error
    if array.ndim != 2 or not array.size or not np.issubdtype(array.dtype, np.floating):
        raise DataError(
            f"{path}: holds {array.dtype} of shape {array.shape}, expected floating point numbers "
            "of shape (H, W)"
        )
    if np.isnan(array).any() or np.isposinf(array).any():
        raise DataError(f"{path}: holds NaN or plus infinity, expected a log density")
    return array


def _check_length(file: BinaryIO) -> None:
    """Raise a `ValueError` if a .npy file is shorter than its header says; ends at its start."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"version {version[0]}.{version[1]} of the format")
    shape, _, dtype = _HEADERS[version](file)
    expected, start = math.prod(shape) * dtype.itemsize, file.tell()
    found = file.seek(0, 2) - start
    if found < expected:
        raise ValueError(
            f"{dtype} of shape {shape} are {expected:,} bytes, and there are {found:,}"
        )
    file.seek(0)


def mit1003_file(beside: Path | None = None) -> Path:
    """The published file of MIT1003's center bias: beside a checkpoint, or in the cache.

    Args:
        beside: A checkpoint.

    Raises:
        WeightsError: If it is at neither place; nothing is downloaded here.
    """
    cached = cached_download(CENTERBIAS.source)
    if beside is not None and (beside.parent / cached.name).is_file():
        return beside.parent / cached.name
    if not is_ready_offline(CENTERBIAS.source):
        address = CENTERBIAS.source.partition("#")[0]
        or_beside = "" if beside is None else f", or as {beside.parent / cached.name}"
        raise WeightsError(
            f"the center bias of MIT1003 is not here: save {address} as {cached}{or_beside}; or "
            "give centerbias, such as 'uniform'"
        )
    return download(CENTERBIAS.source)


def read_mit1003(beside: Path | None = None) -> Float[np.ndarray, "h w"]:
    """MIT1003's center bias at its own size.

    Args:
        beside: A checkpoint.

    Raises:
        WeightsError: If the file is not there, or holds no log density.
    """
    path = mit1003_file(beside)
    try:
        return read_log_density(path)
    except DataError as error:
        raise WeightsError(f"{error}; it should be the center bias of MIT1003") from error


def stretched(log_density: Float[np.ndarray, "h w"], size: Size) -> Float[np.ndarray, "H W"]:
    """A center bias at another size as the published models' authors resize theirs.

    By nearest neighbors, then normalized.
    """
    factors = (size[0] / log_density.shape[0], size[1] / log_density.shape[1])
    resized = zoom(log_density, factors, order=0, mode="nearest")
    at_size: Float[np.ndarray, "H W"] = resized - logsumexp(resized)
    return at_size
