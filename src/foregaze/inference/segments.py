"""Segments as a caller gives them, checked."""

from pathlib import Path
from typing import TypeAlias

import numpy as np

from foregaze.errors import ShapeError
from foregaze.segment_maps import read_segment_map
from foregaze.segmentation import Segments
from foregaze.types import Size

SegmentsLike: TypeAlias = str | Path | np.ndarray | None
"""An id for each pixel of an image: whole numbers (H, W), or the path of a PNG or NPY file."""


def checked_segments(segments: str | Path | np.ndarray, size: Size) -> Segments:
    """Segments at an image's size.

    Args:
        segments: As given.
        size: (H, W) of the image.

    Raises:
        DataError: If a file holds no map of the image's size.
        ShapeError: If an array is none, or an id is negative or beyond all use.
    """
    if isinstance(segments, str | Path):
        ids = read_segment_map(Path(segments), size)
    else:
        ids = np.asarray(segments)
        if ids.shape != size or ids.dtype.kind not in "iu":
            raise ShapeError(
                f"segments have shape {ids.shape} and type {ids.dtype}, expected whole numbers of "
                f"shape {size}: one id for each pixel"
            )
    for wrong in (int(ids.min()), int(ids.max())):
        if not 0 <= wrong <= np.iinfo(np.int32).max:
            source = f"{segments}: " if isinstance(segments, str | Path) else ""
            raise ShapeError(f"{source}a segment has the id {wrong}, expected 0 or more")
    return ids.astype(np.int32)
