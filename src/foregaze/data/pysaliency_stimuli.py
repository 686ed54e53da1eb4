"""Stimuli in pysaliency's HDF5 files: names of image files, or the images themselves.

`FileStimuli` (1.0, 2.0, 2.1): `filenames`, from 2.0 on relative to the HDF5 file's folder, and
`shapes`, (H, W) or (H, W, channels). `Stimuli` (1.0, 1.1): datasets "0", "1", ... of shape (H, W),
(H, W, 3) or (H, W, 4). Both list further datasets, one value per image, in `__attributes__`.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from foregaze.data.hdf5 import array, dataset, find_type, listed, opened, place, texts
from foregaze.errors import DataError
from foregaze.images import image_size, read_image
from foregaze.types import EyeTrackingDataset, ImageArray, Size, Stimuli

KNOWN = {"FileStimuli": ("1.0", "2.0", "2.1"), "Stimuli": ("1.0", "1.1")}
RELATIVE_SINCE = "2.0"
"""First version of `FileStimuli` with names relative to the HDF5 file's folder."""
FILENAMES = "filenames"
CATEGORY = "category"
IMAGE_FOLDER = "stimuli"
"""Where image files are copied to, beside the HDF5 file."""
GZIP = 9
ORIENTATION = 0x0112
"""EXIF's tag; 1 is upright."""


@dataclass(frozen=True, eq=False)
class StoredArrays:
    """Reads images that lie inside an HDF5 file, whose paths go on from the file's own."""

    file: Path
    keys: Mapping[Path, str]
    """Name of the dataset that each path stands for."""

    def __call__(self, path: Path) -> ImageArray:
        """See `foregaze.images.read_image`."""
        return read_image(self.raw(path))

    def raw(self, path: Path) -> np.ndarray:
        """The array as it is stored."""
        with opened(self.file) as file:
            return array(file, self.keys[path])


def read_stimuli(path: Path, names_from: Path | None = None) -> tuple[Stimuli, tuple[str, ...]]:
    """Stimuli and their categories, which are empty where they have none.

    Args:
        path: The HDF5 file.
        names_from: Folder that names of image files begin below; what all of them share by default.

    Raises:
        DataError: If the file is missing, damaged or of another type, or names image files that
            are not there or have other sizes.
        ImageError: If a stimulus is no readable image.
    """
    path = path.absolute()
    with opened(path) as file:
        kind, version = find_type(file, KNOWN)
        if kind == "FileStimuli":
            stimuli = _file_stimuli(file, path, version, names_from)
        else:
            stimuli = _stored_stimuli(file, path)
        if not len(stimuli):
            raise DataError(f"{path}: holds no stimuli")
        return stimuli, _categories(file, len(stimuli))


def _file_stimuli(file: h5py.File, path: Path, version: str, names_from: Path | None) -> Stimuli:
    names = texts(file, FILENAMES)
    sizes = [_size(file, shape) for shape in array(file, "shapes").tolist()]
    counts = {"filenames": len(names), "shapes": len(sizes)}
    if "size" in file.attrs:
        counts["size"] = int(file.attrs["size"])
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise DataError(f"{path}: says different numbers of stimuli ({said})")
    base = path.parent if version >= RELATIVE_SINCE else Path.cwd()
    paths = [Path(os.path.normpath(base / name)) for name in names]
    _check_present(path, paths, base)
    for image, size in zip(paths, sizes, strict=True):
        _check_size(path, image, size, image_size(image))
    return Stimuli(tuple(paths), tuple(sizes), read_image, names_from or _shared_folder(paths))


def _check_present(path: Path, images: Sequence[Path], base: Path) -> None:
    missing = [image for image in images if not image.is_file()]
    if missing:
        raise DataError(
            f"{missing[0]}: no such file, first of {len(missing)} missing stimuli; {path.name} "
            f"names {len(images)}, looked for from {base}"
        )


def _check_size(path: Path, image: Path, size: Size, found: Size) -> None:
    if found != size:
        turned = " (turned upright as its EXIF data say)" if found == size[::-1] else ""
        raise DataError(
            f"{image}: is {found[1]}x{found[0]}{turned}, but {path.name} says {size[1]}x{size[0]}"
        )


def _stored_stimuli(file: h5py.File, path: Path) -> Stimuli:
    if "size" not in file.attrs:
        raise DataError(f"{path}: has no attribute 'size', the number of its stimuli")
    keys = [str(number) for number in range(int(file.attrs["size"]))]
    sizes = tuple(_size(file, dataset(file, key).shape) for key in keys)
    names = keys
    if "__attributes__" in file.attrs and FILENAMES in listed(file):
        given = [Path(os.path.normpath("/" + name)) for name in texts(file, FILENAMES)]
        folder = _shared_folder(given)
        names = [n.relative_to(folder).as_posix() if folder else n.name for n in given]
        if len(set(names)) < len(names) or len(names) != len(keys):
            raise DataError(f"{path}: 'filenames' are not one name for each of {len(keys)} stimuli")
    paths = tuple(path / name for name in names)
    return Stimuli(paths, sizes, StoredArrays(path, dict(zip(paths, keys, strict=True))), path)


def _size(file: h5py.File, shape: Sequence[int] | np.ndarray) -> Size:
    if len(shape) not in (2, 3):
        raise DataError(f"{place(file)}: a stimulus has shape {tuple(shape)}, expected an image's")
    return int(shape[0]), int(shape[1])


def _shared_folder(paths: Sequence[Path]) -> Path | None:
    """The folders that all paths begin with, which pysaliency leaves out of names."""
    if len(paths) < 2:
        return None
    levels = zip(*(path.parent.parts for path in paths), strict=False)
    return Path(*(parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, levels)))


def _categories(file: h5py.File, count: int) -> tuple[str, ...]:
    if "__attributes__" not in file.attrs or CATEGORY not in listed(file):
        return ()
    values = array(file, CATEGORY)
    if values.shape != (count,):
        raise DataError(
            f"{place(file)}: {CATEGORY!r} has shape {values.shape}, there are {count} stimuli"
        )
    is_text = values.dtype.kind in "OSU"
    return tuple(texts(file, CATEGORY) if is_text else map(str, values.tolist()))


def shared_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names as pysaliency gives them to files in `IMAGE_FOLDER`: without the folders they share."""
    paths = [Path("/", name) for name in names]
    folder = _shared_folder(paths)
    if folder is None:
        return tuple(path.name for path in paths)
    return tuple(path.relative_to(folder).as_posix() for path in paths)


def write_stimuli(data: EyeTrackingDataset, path: Path) -> None:
    """Write stimuli as pysaliency 0.2.22 does; image files are copied as they are.

    Raises:
        DataError: If pysaliency's form cannot hold them.
    """
    of_name = dict(zip(data.stimuli.names, data.stimuli.paths, strict=True))
    for name, image in zip(data.stimuli.names, data.stimuli.paths, strict=True):
        if of_name[name] != image:
            raise DataError(f"{data.name}: two stimuli are called {name}")
    with h5py.File(path, "w-") as file:
        attributes: dict[str, Sequence[str]] = {}
        if data.categories:
            attributes[CATEGORY] = data.categories
        if all(image.is_file() for image in data.stimuli.paths):
            _write_files(data, file, path.parent)
        else:
            _write_arrays(data, file)
            if list(data.stimuli.names) != [str(number) for number in range(len(data))]:
                attributes[FILENAMES] = data.stimuli.names
        for attribute, values in attributes.items():
            _write_texts(file, attribute, values)
        file.attrs["__attributes__"] = np.bytes_(json.dumps(list(attributes)))
        file.attrs["size"] = len(data)


def _write_files(data: EyeTrackingDataset, file: h5py.File, folder: Path) -> None:
    file.attrs["type"] = np.bytes_("FileStimuli")
    file.attrs["version"] = np.bytes_("2.1")
    shapes = [
        _stored_shape(image, size)
        for image, size in zip(data.stimuli.paths, data.stimuli.sizes, strict=True)
    ]
    for name, image in zip(data.stimuli.names, data.stimuli.paths, strict=True):
        target = folder / IMAGE_FOLDER / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, target)
    _write_texts(file, FILENAMES, [f"{IMAGE_FOLDER}/{name}" for name in data.stimuli.names])
    stored = file.create_dataset("shapes", (len(shapes),), h5py.vlen_dtype(np.int64))
    for number, shape in enumerate(shapes):
        stored[number] = np.array(shape)


def _stored_shape(image: Path, size: Size) -> tuple[int, ...]:
    """Shape of the array as pysaliency decodes a file, which it does not turn upright."""
    with Image.open(image) as header:
        width, height = header.size
        channels = len(header.mode)  # pysaliency's rule: letters of Pillow's mode
        turned = header.format != "PNG" and header.getexif().get(ORIENTATION, 1) > 1
    if (height, width) != size or turned:
        raise DataError(
            f"{image}: is stored as {width}x{height} and turned or scaled to {size[1]}x{size[0]} "
            "when it is read; pysaliency takes images as they are stored: save it so first"
        )
    return (height, width, channels) if channels > 1 else (height, width)


def _write_arrays(data: EyeTrackingDataset, file: h5py.File) -> None:
    file.attrs["type"] = np.bytes_("Stimuli")
    file.attrs["version"] = np.bytes_("1.1")
    read = data.stimuli.read
    for number, path in enumerate(data.stimuli.paths):
        values = read.raw(path) if isinstance(read, StoredArrays) else read(path)
        file.create_dataset(str(number), data=values, compression="gzip", compression_opts=GZIP)


def _write_texts(file: h5py.File, name: str, values: Sequence[str]) -> None:
    encoded = np.array([value.encode("utf-8") for value in values])
    file.create_dataset(name, data=encoded, dtype=h5py.string_dtype())
