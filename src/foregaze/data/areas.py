"""Areas of interest from files: told by their ending and, for JSON, by their content.

`.json`: our own form, LabelMe's, or COCO's; `.csv`: rectangles, or polygons by their vertices;
`.png` and `.npy`: integer maps of segments.
"""

from collections.abc import Sequence
from pathlib import Path

from foregaze.data.areas_csv import read_csv_areas
from foregaze.data.areas_json import read_json_areas
from foregaze.data.areas_segments import read_segment_areas
from foregaze.data.areas_shape import (
    Area,
    AreaError,
    OutlinedArea,
    SegmentArea,
    circle_area,
    parts_area,
    polygon_area,
    rectangle_area,
    segment_areas,
)
from foregaze.errors import DataError
from foregaze.segment_maps import SEGMENT_MAP_SUFFIXES
from foregaze.types import Size

KINDS = (".csv", ".json", ".npy", ".png")
"""Endings of files that hold areas."""

MOST_AREAS = 256
"""More are refused: their orders are told pair by pair."""


def read_areas(
    path: str | Path,
    size: Size,
    image_name: str | None = None,
    *,
    background: int | None = None,
) -> list[Area]:
    """Areas of one image.

    Args:
        path: The file.
        size: (H, W) of the image. Areas are cut at its edges, see `Area.outside_share`.
        image_name: File name of the image, by which a COCO file with several finds it.
        background: For segment maps: the id that is no area. Without it every id is one.

    Returns:
        Areas in the order of the file, those of a segment map by id; their names are unique.

    Raises:
        DataError: If the file cannot be read or is of no known kind, or if an area is empty,
            crosses itself, has another's name or lies outside the image.
        ConfigError: If a JSON file lacks a key, has an unknown one, or a value of a wrong type.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise DataError(
            f"{path}: areas come from {', '.join(KINDS)} files, not from {kind or 'others'}"
        )
    if background is not None and kind not in SEGMENT_MAP_SUFFIXES:
        raise DataError(f"{path}: a background is an id of segment maps (.npy, .png); leave it out")
    if not path.is_file():
        raise DataError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    areas: Sequence[Area]
    try:
        if kind == ".csv":
            areas = read_csv_areas(path, size)
        elif kind == ".json":
            areas = read_json_areas(path, size, image_name)
        else:
            areas = read_segment_areas(path, size, background)
        check_areas(areas)
    except AreaError as error:
        raise AreaError(f"{path}: {error}") from error
    return list(areas)


def check_areas(areas: Sequence[Area]) -> None:
    """Stop where areas cannot be told apart, or are none.

    Raises:
        AreaError: If there are none, more than `MOST_AREAS`, or two of one name.
    """
    if not areas:
        raise AreaError("no areas; give at least one")
    if len(areas) > MOST_AREAS:
        raise AreaError(
            f"{len(areas)} areas; the limit is {MOST_AREAS}: leave some out, or join them"
        )
    names = [area.name for area in areas]
    for name in names:
        if not name.isprintable():
            raise AreaError(f"an area is called {name!r}; a name is one line of printable text")
    for name in names:
        if names.count(name) > 1:
            raise AreaError(
                f"{names.count(name)} areas are called {name!r}; give each its own name"
            )


def cut_areas_note(areas: Sequence[Area]) -> str | None:
    """What lies outside the image and was cut off, in words; None if nothing."""
    cut = [
        f"{area.name!r} ({100 * area.outside_share:.2g}%)"
        for area in areas
        if area.outside_share > 1e-9
    ]
    if not cut:
        return None
    more = f" and {len(cut) - 4} more" if len(cut) > 4 else ""
    return f"cut off where they leave the image: {', '.join(cut[:4])}{more}"


__all__ = [
    "KINDS",
    "MOST_AREAS",
    "Area",
    "AreaError",
    "OutlinedArea",
    "SegmentArea",
    "check_areas",
    "circle_area",
    "cut_areas_note",
    "parts_area",
    "polygon_area",
    "read_areas",
    "rectangle_area",
    "segment_areas",
]
