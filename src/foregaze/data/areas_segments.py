"""Areas of interest in a segment map: an integer id for each pixel, as PNG or NPY.

A palette PNG holds the numbers of its colors.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer
from PIL import Image

from foregaze.data.areas_shape import AreaError, SegmentArea, segment_areas
from foregaze.types import Size

_ID_MODES = ("1", "L", "P", "I", "I;16", "I;16B")
"""Modes of Pillow with one whole number for each pixel."""


def read_segment_areas(path: Path, size: Size, background: int | None) -> list[SegmentArea]:
    """An area for each id; see `segment_areas`.

    Raises:
        AreaError: If the file holds no map of ids at the image's size; without the path.
    """
    array = _npy(path, size) if path.suffix.lower() == ".npy" else _png(path, size)
    return segment_areas(array, background)


def _check_size(shape: tuple[int, ...], size: Size) -> None:
    if shape != tuple(size):
        found = "x".join(map(str, shape[::-1]))
        raise AreaError(
            f"is a segment map of {found} px, and the image has {size[1]}x{size[0]} px (W x H); "
            "a map has one id for each pixel of the image"
        )


def _npy(path: Path, size: Size) -> Integer[np.ndarray, "H W"]:
    try:
        array: Any = np.load(path, allow_pickle=False)
    except Exception as error:  # a damaged header raises whatever Python's parser does
        raise AreaError(f"is no .npy file of numbers ({str(error).splitlines()[0]})") from error
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.integer):
        raise AreaError(f"holds {array.dtype}, expected whole numbers: an id for each pixel")
    _check_size(array.shape, size)
    return array


def _png(path: Path, size: Size) -> Integer[np.ndarray, "H W"]:
    try:
        with Image.open(path) as image:
            _check_mode(image.mode)
            _check_size((image.height, image.width), size)
            return np.asarray(image).astype(np.int64)
    except AreaError:
        raise
    except Exception as error:  # decoders raise anything
        raise AreaError(f"is no readable PNG file ({str(error).splitlines()[0]})") from error


def _check_mode(mode: str) -> None:
    if mode not in _ID_MODES:
        raise AreaError(
            f"is a picture in {mode}; a segment map has one channel, of ids (gray or palette)"
        )
