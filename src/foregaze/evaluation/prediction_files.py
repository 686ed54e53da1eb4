"""Predictions that another program wrote: one file per image, or one HDF5 file.

A folder holds `<image's name without suffix>.npy` or `.png` (with the folders that the image's
name has); an HDF5 file holds one dataset per image under the image's name, as pysaliency exports
models. Arrays have the image's size. An array whose `exp` sums to one is a log density in nats,
any other one a saliency map; PNG files hold saliency maps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float
from PIL import Image

from foregaze.errors import DataError
from foregaze.evaluation.maps import PredictedMaps
from foregaze.types import EyeTrackingDataset

HDF5_SUFFIXES = (".hdf5", ".h5")
FILE_TOLERANCE = 0.01
"""Largest |logsumexp| of what counts as a log density; half precision is that far off."""

ReadArray = Callable[[str], Float[np.ndarray, "H W"]]


@dataclass(frozen=True, eq=False)
class PredictionFiles:
    """Predictions for the images of a data set, read when they are asked for."""

    path: Path
    dataset: EyeTrackingDataset
    are_densities: bool
    """Whether they are log densities; saliency maps else."""
    _read: ReadArray

    def maps(self, image: int) -> PredictedMaps:
        """What the file of an image says.

        Raises:
            DataError: If the file is missing or damaged, or a log density among saliency maps or
                the other way round.
        """
        name = self.dataset.stimuli.names[image]
        values = self._read(name)
        if not self.are_densities:
            return PredictedMaps(saliency_map=values)
        return PredictedMaps(_normalized(values, f"{self.path}: {name}"))


def read_predictions(path: Path, dataset: EyeTrackingDataset) -> PredictionFiles:
    """Predictions for a data set from a folder or an HDF5 file.

    The first image decides whether all of them are log densities or saliency maps.

    Raises:
        DataError: If there is no such place, or it does not hold a prediction for every image that
            has fixations.
    """
    if path.is_dir():
        read = _folder_reader(path)
    elif path.suffix.lower() in HDF5_SUFFIXES:
        read = _hdf5_reader(path)
    else:
        raise DataError(
            f"{path}: predictions come as a folder of .npy or .png files, or as one HDF5 file "
            f"({' or '.join(HDF5_SUFFIXES)})" + ("" if path.exists() else "; there is no such file")
        )
    names = dataset.stimuli.names
    first = read(names[0])
    return PredictionFiles(path, dataset, abs(_log_sum(first)) <= FILE_TOLERANCE, read)


def _folder_reader(folder: Path) -> ReadArray:
    def read(name: str) -> Float[np.ndarray, "H W"]:
        stem = folder / Path(name).with_suffix("")
        for suffix, read_file in ((".npy", _read_npy), (".png", _read_png)):
            path = stem.with_name(stem.name + suffix)
            if path.is_file():
                return _checked(read_file(path), str(path))
        raise DataError(f"{folder}: holds no {stem.name}.npy or {stem.name}.png for image {name}")

    return read


def _hdf5_reader(path: Path) -> ReadArray:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        reason = "no such file" if not path.exists() else f"is no readable HDF5 file ({error})"
        raise DataError(f"{path}: {reason}") from error

    def read(name: str) -> Float[np.ndarray, "H W"]:
        entry = file.get(name)
        if not isinstance(entry, h5py.Dataset):
            held = ", ".join(list(file)[:3])
            raise DataError(f"{path}: holds no dataset for image {name}; it begins with {held}")
        try:
            return _checked(entry[()], f"{path}: {name}")
        except OSError as error:
            raise DataError(f"{path}: {name} is damaged ({error})") from error

    return read


def _read_npy(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is no readable .npy file ({error})") from error


def _read_png(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            values = np.asarray(image if image.mode.startswith(("I", "F")) else image.convert("L"))
    except (OSError, SyntaxError) as error:
        raise DataError(f"{path}: is no readable image ({error})") from error
    return values


def _checked(values: np.ndarray, where: str) -> Float[np.ndarray, "H W"]:
    if values.ndim != 2 or values.dtype.kind not in "fiub":
        raise DataError(
            f"{where}: holds {values.dtype} values of shape {values.shape}, expected numbers (H, W)"
        )
    if values.dtype in (np.float32, np.float64):
        return values
    return values.astype(np.float32 if values.dtype == np.float16 else np.float64)


def _log_sum(values: Float[np.ndarray, "H W"]) -> float:
    peak = float(values.max())
    if not np.isfinite(peak):
        return np.inf
    return peak + float(np.log(np.exp(values.astype(np.float64) - peak).sum()))


def _normalized(values: Float[np.ndarray, "H W"], where: str) -> Float[np.ndarray, "H W"]:
    total = _log_sum(values)
    if not abs(total) <= FILE_TOLERANCE:
        raise DataError(
            f"{where}: exp of it sums to {np.exp(min(total, 700.0)):.6g}, but the first image's "
            "file holds a log density, whose exp sums to 1"
        )
    log_density: Float[np.ndarray, "H W"] = values - values.dtype.type(total)
    return log_density
