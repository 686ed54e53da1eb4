"""Predictions in files, for other programs or from them: one file per image, or one HDF5 file.

A folder holds `<image's name without suffix>.npy` or `.png` (with the folders that the image's
name has); an HDF5 file holds one dataset per image under the image's name, as pysaliency exports
models. Arrays have the image's size. An array whose `exp` sums to one is a log density in nats,
any other one a saliency map; PNG files hold saliency maps.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float
from PIL import Image

from foregaze.errors import DataError, OutputError, ShapeError
from foregaze.evaluation.maps import PredictedMaps
from foregaze.types import EyeTrackingDataset, Size, Stimuli

HDF5_SUFFIXES = (".hdf5", ".h5")
FILE_TOLERANCE = 0.01
"""Largest |logsumexp| of what counts as a log density; half precision is that far off."""

GZIP = 9
"""Compression of HDF5 files, as pysaliency's."""

ReadArray = Callable[[int], Float[np.ndarray, "H W"]]
"""The array of the image with an index."""


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
        values = self._read(image)
        if not self.are_densities:
            return PredictedMaps(saliency_map=values)
        name = self.dataset.stimuli.names[image]
        return PredictedMaps(_normalized(values, f"{self.path}: {name}"))


def read_predictions(path: Path, dataset: EyeTrackingDataset) -> PredictionFiles:
    """Predictions for a data set from a folder or an HDF5 file.

    The first image decides whether all of them are log densities or saliency maps.

    Raises:
        DataError: If there is no such place, or it does not hold a prediction for every image that
            has fixations.
    """
    if path.is_dir():
        read = _folder_reader(path, dataset.stimuli)
    elif path.suffix.lower() in HDF5_SUFFIXES:
        read = _hdf5_reader(path, dataset.stimuli)
    else:
        raise DataError(
            f"{path}: predictions come as a folder of .npy or .png files, or as one HDF5 file "
            f"({' or '.join(HDF5_SUFFIXES)})" + ("" if path.exists() else "; there is no such file")
        )
    first = read(0)
    return PredictionFiles(path, dataset, abs(_log_sum(first)) <= FILE_TOLERANCE, read)


def save_predictions(
    predict: Callable[[int], Float[np.ndarray, "H W"] | PredictedMaps],
    dataset: EyeTrackingDataset,
    path: str | Path,
) -> None:
    """Write predictions for all images of a data set into one HDF5 file, as pysaliency does.

    `read_predictions` and pysaliency's `HDF5Model` and `HDF5SaliencyMapModel` read it.

    Args:
        predict: Log density in nats or saliency map of the image with an index; of several maps,
            the log density if there is one. `predict` of a `SpatialModel` is such a function.
        dataset: Whose images they are.
        path: A file that is not there yet.

    Raises:
        OutputError: If the file is there, or cannot be written.
        ShapeError: If a prediction is not as large as its image, or holds NaN.
        DataError: If two images have one name.
    """
    path = Path(path)
    if path.suffix.lower() not in HDF5_SUFFIXES:
        raise OutputError(f"{path}: expected a name that ends in {' or '.join(HDF5_SUFFIXES)}")
    if os.path.lexists(path):
        raise OutputError(f"{path}: is already there; give another name")
    names = dataset.stimuli.names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{dataset.name}: two stimuli are called {twice}")
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with h5py.File(partial, "w") as file:
                for image, name in enumerate(names):
                    values = _array_of(predict(image), dataset.stimuli.sizes[image], name)
                    file.create_dataset(name, data=values, compression=GZIP)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _array_of(
    predicted: Float[np.ndarray, "H W"] | PredictedMaps, size: Size, name: str
) -> Float[np.ndarray, "H W"]:
    values = predicted
    if isinstance(values, PredictedMaps):
        kept = values.saliency_map if values.log_density is None else values.log_density
        assert kept is not None
        values = kept
    if values.shape != size:
        raise ShapeError(f"{name}: prediction has shape {values.shape}, the image has {size}")
    if np.isnan(values).any():
        raise ShapeError(f"{name}: prediction holds NaN")
    return values


def _folder_reader(folder: Path, stimuli: Stimuli) -> ReadArray:
    names = stimuli.names

    def read(image: int) -> Float[np.ndarray, "H W"]:
        stem = folder / Path(names[image]).with_suffix("")
        for suffix, read_file in ((".npy", _read_npy), (".png", _read_png)):
            path = stem.with_name(stem.name + suffix)
            if path.is_file():
                return _checked(read_file(path), str(path))
        raise DataError(
            f"{folder}: holds no {stem.name}.npy or {stem.name}.png for image {names[image]}"
        )

    return read


def _hdf5_reader(path: Path, stimuli: Stimuli) -> ReadArray:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        reason = "no such file" if not path.exists() else f"is no readable HDF5 file ({error})"
        raise DataError(f"{path}: {reason}") from error
    keys = _hdf5_keys(file, stimuli)

    def read(image: int) -> Float[np.ndarray, "H W"]:
        entry = file.get(keys[image])
        if not isinstance(entry, h5py.Dataset):
            held = ", ".join(list(file)[:3])
            name = stimuli.names[image]
            raise DataError(f"{path}: holds no dataset for image {name}; it begins with {held}")
        try:
            return _checked(entry[()], f"{path}: {keys[image]}")
        except OSError as error:
            raise DataError(f"{path}: {keys[image]} is damaged ({error})") from error

    return read


def _hdf5_keys(file: h5py.File, stimuli: Stimuli) -> list[str]:
    """Names of the datasets of all images: their paths, without some leading folders.

    How many are left out is what the first image says, as in pysaliency: the folders that all
    images of the exported data set share, which may be other ones than those of `stimuli`.
    """
    first = stimuli.paths[0].parts
    for start in range(len(first)):
        key = "/".join(first[start:])
        if not key.startswith("/") and isinstance(file.get(key), h5py.Dataset):
            return ["/".join(path.parts[start:]) for path in stimuli.paths]
    return list(stimuli.names)


def _read_npy(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
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
