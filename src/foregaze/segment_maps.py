"""Segment maps in files: a whole number for each pixel, as PNG or NPY.

A palette PNG holds the numbers of its colors, not the colors.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer
from PIL import Image

from foregaze.errors import DataError
from foregaze.types import Size

SEGMENT_MAP_SUFFIXES = (".npy", ".png")
"""Endings of files that hold a segment map."""

_ID_MODES = ("1", "L", "P", "I", "I;16", "I;16B")
"""Modes of Pillow with one whole number for each pixel."""


def segment_map_at(base: Path, besides: Path | None = None) -> Path | None:
    """The map whose path without its ending is `base`; None if there is none.

    Args:
        base: Folder and name.
        besides: A file that is no map, such as the image itself.

    Raises:
        DataError: If there are two.
    """
    paths = [base.with_name(base.name + suffix) for suffix in SEGMENT_MAP_SUFFIXES]
    found = [p for p in paths if p.is_file() and not (besides and p.samefile(besides))]
    if len(found) == 2:
        raise DataError(f"{found[0]} and {found[1]}: one map for an image, please; remove one")
    return found[0] if found else None


def read_segment_map(path: Path, size: Size) -> Integer[np.ndarray, "H W"]:
    """The map in a file; its ids may be any whole numbers.

    Args:
        path: A `.npy` file, or a picture with one channel.
        size: (H, W) of the image that it belongs to.

    Raises:
        DataError: If there is no such file, it holds no whole numbers, or is of another size.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected a segment map, PNG or NPY")
    return _npy(path, size) if path.suffix.lower() == ".npy" else _png(path, size)


def _check_size(path: Path, shape: tuple[int, ...], size: Size) -> None:
    if shape != tuple(size):
        found = "x".join(map(str, shape[::-1]))
        raise DataError(
            f"{path}: is a segment map of {found} px, and the image has {size[1]}x{size[0]} px "
            "(W x H); a map has one id for each pixel of the image"
        )


def _npy(path: Path, size: Size) -> Integer[np.ndarray, "H W"]:
    try:
        array: Any = np.load(path, allow_pickle=False)
    except Exception as error:  # a damaged header raises whatever Python's parser does
        raise DataError(f"{path}: is no .npy file of numbers ({_first_line(error)})") from error
    if not isinstance(array, np.ndarray):  # an archive of several
        raise DataError(f"{path}: is no .npy file of numbers (it holds several arrays)")
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if not np.issubdtype(array.dtype, np.integer):
        raise DataError(
            f"{path}: holds {array.dtype}, expected whole numbers: an id for each pixel"
        )
    _check_size(path, array.shape, size)
    ids: Integer[np.ndarray, "H W"] = array
    return ids


def _png(path: Path, size: Size) -> Integer[np.ndarray, "H W"]:
    try:
        with Image.open(path) as image:
            if image.mode not in _ID_MODES:
                raise DataError(
                    f"{path}: is a picture in {image.mode}; a segment map has one channel, of ids "
                    "(gray or palette)"
                )
            _check_size(path, (image.height, image.width), size)
            return np.asarray(image).astype(np.int64)
    except DataError:
        raise
    except Exception as error:  # decoders raise anything
        raise DataError(f"{path}: is no readable PNG file ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
