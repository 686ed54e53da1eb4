"""Predictions in files, for other programs or from them: one file per image, or one HDF5 file.

A folder holds `<image's name without suffix>.npy` or `.png` (with the folders that the image's
name has; .npy goes before .png); an HDF5 file holds one dataset per image under the image's name,
as pysaliency exports models. Arrays have the image's size. An array whose `exp` sums to one is a
log density in nats, any other one a saliency map; all of a model are one or the other.

PNG files hold saliency maps: gray levels of 8 or 16 bits as they are, fewer bits spread over 0 to
255. Of color, also from a palette, the luma (ITU-R 601) in 8 bits counts; alpha is left out, and
beside it 16 bits become 8.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import h5py
import numpy as np
from jaxtyping import Float
from PIL import Image

from foregaze.data import hdf5
from foregaze.errors import DataError, OutputError, ShapeError
from foregaze.evaluation.maps import PredictedMaps, log_sum
from foregaze.files import whole_file
from foregaze.types import EyeTrackingDataset, Size, Stimuli

HDF5_SUFFIXES = (".hdf5", ".h5")
FILE_TOLERANCE = 0.01
"""Largest |logsumexp| of what counts as a log density; half precision is that far off."""

GZIP = 9
"""Compression of HDF5 files, as pysaliency's."""


class Found(NamedTuple):
    """The array of one image."""

    values: Float[np.ndarray, "H W"]
    where: str
    """File and, in an HDF5 file, dataset; for messages."""


Read = Callable[[int], Found]
"""Reads the array of the image with an index."""


@dataclass(frozen=True, eq=False)
class PredictionFiles:
    """Predictions for the images of a data set, read when they are asked for."""

    are_densities: bool
    """Whether they are log densities; saliency maps else."""
    decided_by: str
    """The file that said so."""
    hint: str
    """What may have been meant, where saliency maps look like densities; else empty."""
    _read: Read

    def maps(self, image: int) -> PredictedMaps:
        """What the file of an image says.

        Raises:
            DataError: If the file is missing or damaged, or a log density among saliency maps or
                the other way round.
        """
        values, where = self._read(image)
        total = log_sum(values)
        if np.isfinite(total) and (abs(total) <= FILE_TOLERANCE) != self.are_densities:
            theirs = "log density" if self.are_densities else "saliency map"
            raise DataError(
                f"{where}: exp of it sums to {np.exp(min(total, 700.0)):.6g}, but "
                f"{self.decided_by} holds a {theirs}; exp of a log density sums to 1, and all "
                "images have either log densities or saliency maps"
            )
        if not self.are_densities:
            return PredictedMaps(saliency_map=values)
        if not np.isfinite(total):  # for `PredictedMaps.check` to refuse
            return PredictedMaps(values)
        return PredictedMaps(values - values.dtype.type(total))


def read_predictions(path: Path, dataset: EyeTrackingDataset) -> PredictionFiles:
    """Predictions for a data set from a folder or an HDF5 file.

    The first image that has evidence fixations decides whether all of them are log densities or
    saliency maps. Only its array is read here; that those of other images are there is checked, and
    what they hold when they are asked for.

    Raises:
        DataError: If there is no such place, it holds no prediction for some image that has
            fixations, two images would have one file, or no image has fixations.
    """
    needed = np.unique(dataset.fixations.image).tolist()
    if not needed:
        raise DataError(f"{dataset.name}: no image has fixations to score predictions on")
    evidence = dataset.evidence().image
    first = int(evidence.min()) if len(evidence) else needed[0]
    if path.is_dir():
        read = _folder_reader(path, dataset.stimuli, needed)
    elif path.suffix.lower() in HDF5_SUFFIXES:
        read = _hdf5_reader(path, dataset.stimuli, needed, first)
    else:
        raise DataError(
            f"{path}: predictions come as a folder of .npy or .png files, or as one HDF5 file "
            f"({' or '.join(HDF5_SUFFIXES)})" + ("" if path.exists() else "; there is no such file")
        )
    values, where = read(first)
    are_densities = abs(log_sum(values)) <= FILE_TOLERANCE
    return PredictionFiles(are_densities, where, "" if are_densities else _hint(values), read)


def _hint(values: Float[np.ndarray, "H W"]) -> str:
    """What an array that is read as a saliency map may have been meant to be."""
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        return ""
    if values.min() >= 0 and abs(values.sum() - 1) < 0.05:
        return "the first sums to one: if these are densities, give their natural logs"
    if values.max() < 0:
        for base, total in (("e", log_sum(values)), ("2", log_sum(values * np.log(2)))):
            if abs(total) < 0.5:
                return (
                    f"the first looks like a log density to base {base} that sums to "
                    f"{np.exp(total):.3g}: log densities are natural logs and sum to 1 within 1%"
                )
    return ""


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
    names = dataset.stimuli.names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{dataset.name}: two stimuli are called {twice}")
    with whole_file(path, overwrite=False) as unfinished, h5py.File(unfinished, "w") as file:
        for image, name in enumerate(names):
            values = _array_of(predict(image), dataset.stimuli.sizes[image], name)
            file.create_dataset(name, data=values, compression=GZIP)


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


def _folder_reader(folder: Path, stimuli: Stimuli, needed: Sequence[int]) -> Read:
    stems = [PurePosixPath(name).with_suffix("").as_posix() for name in stimuli.names]
    _check_unique(
        folder,
        [f"{stem}.npy" for stem in stems],
        stimuli,
        "; give their predictions as one HDF5 file, under the images' whole names",
    )

    def file_of(image: int) -> Path | None:
        candidates = (folder / f"{stems[image]}{suffix}" for suffix in (".npy", ".png"))
        return next((path for path in candidates if path.is_file()), None)

    def read(image: int) -> Found:
        path = file_of(image)
        if path is None:
            raise DataError(_missing_file(folder, stems[image], stimuli.names[image]))
        values = _read_npy(path) if path.suffix == ".npy" else _read_png(path)
        return _checked(values, f"{path}")

    missing = [image for image in needed if file_of(image) is None]
    if missing:
        what = _missing_file(folder, stems[missing[0]], stimuli.names[missing[0]])
        raise DataError(f"{what}; {len(missing)} of {len(needed)} images with fixations have none")
    return read


def _check_unique(path: Path, keys: Sequence[str], stimuli: Stimuli, advice: str = "") -> None:
    """Refuse two images whose predictions would be one."""
    image_of: dict[str, Path] = {}
    for key, image in zip(keys, stimuli.paths, strict=True):
        if key in image_of:
            raise DataError(
                f"{path}: {key} would belong to two images, {image_of[key]} and {image}{advice}"
            )
        image_of[key] = image


def _missing_file(folder: Path, stem: str, name: str) -> str:
    return f"{folder}: holds no {stem}.npy or {stem}.png for image {name}"


def _hdf5_reader(path: Path, stimuli: Stimuli, needed: Sequence[int], first: int) -> Read:
    with hdf5.opened(path) as file:
        keys = _hdf5_keys(file, stimuli, first)
        _check_unique(path, keys, stimuli)
        missing = [image for image in needed if not hdf5.holds_dataset(file, keys[image])]
        held = ", ".join(list(file)[:3])
    if missing:
        raise DataError(
            f"{path}: holds no dataset for image {stimuli.names[missing[0]]}; it begins with "
            f"{held or 'nothing'}; {len(missing)} of {len(needed)} images with fixations have none"
        )

    def read(image: int) -> Found:
        with hdf5.opened(path) as file:
            return _checked(hdf5.array(file, keys[image]), f"{path}: {keys[image]}")

    return read


def _hdf5_keys(file: h5py.File, stimuli: Stimuli, first: int) -> list[str]:
    """Names of the datasets of all images: their paths, without some leading folders.

    How many are left out is what the image `first` says, as in pysaliency: the folders that all
    images of the exported data set share, which may be other ones than those of `stimuli`.
    """
    parts = stimuli.paths[first].parts
    for start in range(len(parts)):
        key = "/".join(parts[start:])
        if not key.startswith("/") and hdf5.holds_dataset(file, key):
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
            if image.mode.startswith("I"):  # 16 bits
                return np.asarray(image)
            # a palette with alpha is converted so that Pillow does not warn of losing it
            whole = image.convert("RGBA") if image.mode == "P" else image
            if whole.mode in ("RGB", "RGBA"):
                red, green, blue = np.asarray(whole.convert("RGB")).astype(np.int64).T
                if (red != green).any() or (green != blue).any():
                    raise DataError(
                        f"{path}: is a color image, expected gray values: a heat map's colors are "
                        "no saliency map"
                    )
            return np.asarray(whole.convert("L"))
    except (OSError, SyntaxError) as error:
        raise DataError(f"{path}: is no readable image ({error})") from error


def _checked(values: np.ndarray, where: str) -> Found:
    if values.ndim != 2 or values.dtype.kind not in "fiub":
        raise DataError(
            f"{where}: holds {values.dtype} values of shape {values.shape}, expected numbers (H, W)"
        )
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float32 if values.dtype == np.float16 else np.float64)
    return Found(values, where)
