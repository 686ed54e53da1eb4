"""Areas of interest in a segment map: an integer id for each pixel, as PNG or NPY."""

from pathlib import Path

from foregaze.data.areas_shape import SegmentArea, segment_areas
from foregaze.segment_maps import read_segment_map
from foregaze.types import Size


def read_segment_areas(path: Path, size: Size, background: int | None) -> list[SegmentArea]:
    """An area for each id; see `segment_areas`.

    Raises:
        DataError: If the file holds no map of ids at the image's size.
        AreaError: If there is no area in it; without the path.
    """
    return segment_areas(read_segment_map(path, size), background)
