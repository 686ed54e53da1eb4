"""The center bias that a prediction is made with, whatever the caller gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float
from scipy.ndimage import zoom
from scipy.special import logsumexp

from foregaze.backbones.downloads import cached_download, download
from foregaze.backbones.weights import is_ready_offline
from foregaze.errors import DataError, ShapeError, WeightsError
from foregaze.models.deepgaze_release import CENTERBIAS
from foregaze.types import Size

MIT1003 = "mit1003"
"""Name of the center bias that the published DeepGaze models are used with."""
_MASS_TOLERANCE = 1e-3


@runtime_checkable
class DatasetCenterBias(Protocol):
    """Where people look on a data set, such as `foregaze.data.CenterBias`."""

    def log_density(self, size: Size) -> Float[np.ndarray, "H W"]:
        """Log density in nats for an image of a size; `exp` sums to one."""


CenterBiasLike: TypeAlias = np.ndarray | str | DatasetCenterBias | None
"""A log density (H, W) at the image's size; "uniform" for none; "mit1003"; the center bias of a
data set; None for the model's own."""


def centerbias_on(
    given: CenterBiasLike,
    size: Size,
    own: Callable[[], Float[np.ndarray, "H W"]],
    beside: Path | None = None,
) -> Float[np.ndarray, "H W"]:
    """Log density in nats at the image's size; `exp` sums to one.

    Args:
        given: What the caller wants.
        size: (H, W) of the image.
        own: Asked for the model's own.
        beside: A checkpoint beside which the file of "mit1003" may lie.

    Raises:
        ShapeError: If an array has another size or is not normalized, or a name is not known.
        WeightsError: If the file of "mit1003" is not there.
    """
    if given is None:
        return own()
    if isinstance(given, str):
        if given == "uniform":
            return np.full(size, -np.log(size[0] * size[1]))
        if given == MIT1003:
            return mit1003_centerbias(size, mit1003_file(beside))
        raise ShapeError(
            f"centerbias is {given!r}, expected a log density (H, W), 'uniform', '{MIT1003}' or "
            "the center bias of a data set"
        )
    if isinstance(given, DatasetCenterBias):
        return given.log_density(size)
    return checked_centerbias(given, size)


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
            array = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: is no .npy file of numbers ({error})") from error
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
        raise DataError(
            f"{path}: holds {array.dtype} of shape {array.shape}, expected floating point numbers "
            "of shape (H, W)"
        )
    return array


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


def mit1003_centerbias(size: Size, path: Path) -> Float[np.ndarray, "H W"]:
    """MIT1003's center bias at a size.

    Raises:
        WeightsError: If the file holds no log density.
    """
    try:
        square = read_log_density(path)
    except DataError as error:
        raise WeightsError(f"{error}; it should be the center bias of MIT1003") from error
    return stretched(square, size)


def stretched(log_density: Float[np.ndarray, "h w"], size: Size) -> Float[np.ndarray, "H W"]:
    """A center bias at another size as the published models' authors resize theirs.

    By nearest neighbors, then normalized.
    """
    factors = (size[0] / log_density.shape[0], size[1] / log_density.shape[1])
    resized = zoom(log_density, factors, order=0, mode="nearest")
    at_size: Float[np.ndarray, "H W"] = resized - logsumexp(resized)
    return at_size
