"""Areas of interest in a table.

Rectangles have the columns `name,x,y,width,height`. Polygons have `name,x,y`, a vertex in each row,
in the order of the rows or of a column `vertex`. All in pixels.
"""

from pathlib import Path

import numpy as np

from foregaze.data.areas_shape import AreaError, OutlinedArea, polygon_area, rectangle_area
from foregaze.data.columns import (
    LARGEST,
    Columns,
    number_column,
    read_columns,
    text_column,
    whole_number_column,
)
from foregaze.types import Size

_SIDES = ("width", "height")


def read_csv_areas(path: Path, size: Size) -> list[OutlinedArea]:
    """Areas in the order in which their names come up.

    Raises:
        DataError: If it is no such table.
        AreaError: If an area is none, see `foregaze.data.areas_shape`; without the path.
    """
    if len(path.read_bytes().splitlines()) == 1:  # the heading
        raise AreaError("no areas; give at least one")
    columns = read_columns(path, ("name", "x", "y"), (*_SIDES, "vertex"), others_allowed=False)
    sides = [side for side in _SIDES if side in columns]
    if not sides:
        return _polygons(path, columns, size)
    if len(sides) == 1 or "vertex" in columns:
        raise AreaError(
            f"has the columns {', '.join(columns)}; expected name,x,y,width,height for rectangles, "
            "or name,x,y and, if need be, vertex for polygons"
        )
    names = text_column(path, columns, "name")
    sides_of = [number_column(path, columns, name).tolist() for name in ("x", "y", *_SIDES)]
    return [
        rectangle_area(name, x, y, width, height, size)
        for name, x, y, width, height in zip(names, *sides_of, strict=True)
    ]


def _polygons(path: Path, columns: Columns, size: Size) -> list[OutlinedArea]:
    names = text_column(path, columns, "name")
    vertices = np.stack([number_column(path, columns, axis) for axis in "xy"], axis=1)
    number = np.arange(len(names))
    if "vertex" in columns:
        number = whole_number_column(path, columns, "vertex", lowest=-LARGEST)
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows = rows_of.setdefault(name, [])
        if rows and rows[-1] != row - 1 and "vertex" not in columns:
            raise AreaError(
                f"area {name!r} goes on in row {row + 1} after another one; give areas names of "
                "their own, or a column vertex"
            )
        rows.append(row)
    areas = []
    for name, rows in rows_of.items():
        ordered = sorted(rows, key=lambda row: int(number[row]))
        if len({int(number[row]) for row in rows}) < len(rows):
            raise AreaError(f"area {name!r} has one number in the column vertex twice")
        areas.append(polygon_area(name, vertices[ordered].tolist(), size))
    return areas
