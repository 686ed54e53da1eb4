"""Areas of interest in LabelMe's JSON.

Each shape is an area by its label. Shapes of one label and one `group_id` are parts of one area;
other shapes of one label are numbered in the order of the file: "person 1", "person 2".
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, Strict

from foregaze.config import Config, make_config
from foregaze.data.areas_shape import (
    AreaError,
    OutlinedArea,
    circle_area,
    joined,
    polygon_area,
    rectangle_area,
    renamed,
)
from foregaze.types import Size

_Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]


class LabelMeShape(Config):
    """An outline with a label; LabelMe writes more keys."""

    model_config = ConfigDict(extra="ignore")

    label: Annotated[str, Field(min_length=1)]
    points: list[tuple[_Number, _Number]]
    shape_type: str = "polygon"
    """Files of early versions do not say."""
    group_id: int | None = None


class LabelMeFile(Config):
    """The shapes on one image; LabelMe writes more keys."""

    model_config = ConfigDict(extra="ignore")

    shapes: list[LabelMeShape]
    imageWidth: int | None = None  # noqa: N815
    imageHeight: int | None = None  # noqa: N815


def read_labelme(path: Path, content: dict[str, Any], size: Size) -> list[OutlinedArea]:
    """Areas of a LabelMe file.

    Raises:
        AreaError: If the file is about an image of another size, or a shape is no area.
        ConfigError: If a key is missing, or a value of a wrong type.
    """
    file = make_config(LabelMeFile, content, str(path))
    height, width = size
    if (file.imageWidth or width, file.imageHeight or height) != (width, height):
        raise AreaError(
            f"is about an image of {file.imageWidth}x{file.imageHeight} px, and this one has "
            f"{width}x{height} px (W x H)"
        )
    groups: dict[tuple[str, int | str], list[OutlinedArea]] = {}
    for number, shape in enumerate(file.shapes):
        # a shape without a group is one of its own: text never equals a group's number
        group = f"shape {number}" if shape.group_id is None else shape.group_id
        groups.setdefault((shape.label, group), []).append(_area(shape, size))
    areas = [
        parts[0] if len(parts) == 1 else joined(parts[0].name, parts) for parts in groups.values()
    ]
    labels = [area.name for area in areas]
    taken: dict[str, int] = {}
    named = []
    for area in areas:
        if labels.count(area.name) > 1:
            taken[area.name] = taken.setdefault(area.name, 0) + 1
            area = renamed(area, f"{area.name} {taken[area.name]}")
        named.append(area)
    return named


def _area(shape: LabelMeShape, size: Size) -> OutlinedArea:
    if shape.shape_type not in _MAKERS:
        raise AreaError(
            f"shape {shape.label!r} is a {shape.shape_type!r}; areas are made of "
            f"{', '.join(sorted(_MAKERS))}"
        )
    return _MAKERS[shape.shape_type](shape, size)


def _rectangle(shape: LabelMeShape, size: Size) -> OutlinedArea:
    """From two opposite corners, or all four."""
    if len(shape.points) not in (2, 4):
        raise AreaError(
            f"shape {shape.label!r} is a rectangle of {len(shape.points)} points; expected two "
            "opposite corners, or all four"
        )
    if len(shape.points) == 4:
        return polygon_area(shape.label, shape.points, size)
    xs, ys = zip(*shape.points, strict=True)
    x, y = min(xs), min(ys)
    return rectangle_area(shape.label, x, y, max(xs) - x, max(ys) - y, size)


def _circle(shape: LabelMeShape, size: Size) -> OutlinedArea:
    """From its center and a point on it."""
    if len(shape.points) != 2:
        raise AreaError(
            f"shape {shape.label!r} is a circle of {len(shape.points)} points; expected two: its "
            "center and one on it"
        )
    (x, y), (x_on, y_on) = shape.points
    radius = ((x_on - x) ** 2 + (y_on - y) ** 2) ** 0.5
    return circle_area(shape.label, x, y, radius, size)


def _polygon(shape: LabelMeShape, size: Size) -> OutlinedArea:
    return polygon_area(shape.label, shape.points, size)


_MAKERS: dict[str, Callable[[LabelMeShape, Size], OutlinedArea]] = {
    "circle": _circle,
    "polygon": _polygon,
    "rectangle": _rectangle,
}
