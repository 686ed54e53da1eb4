"""Areas of interest in JSON: our own form here, LabelMe's and COCO's told by their keys.

{"units": "px", "areas": [
    {"name": "logo", "rectangle": [x, y, width, height]},
    {"name": "face", "polygon": [[x, y], ...], "holes": [[[x, y], ...], ...]}]}
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict

from foregaze.config import Config, make_config
from foregaze.data.areas_coco import read_coco
from foregaze.data.areas_labelme import read_labelme
from foregaze.data.areas_shape import Area, AreaError, polygon_area, rectangle_area
from foregaze.types import Size

Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""A finite number, not the text of one."""

_Ring = list[tuple[Number, Number]]


class AreaConfig(Config):
    """A rectangle or a polygon."""

    name: Annotated[str, Field(min_length=1)]
    rectangle: tuple[Number, Number, Number, Number] | None = None
    """x and y of its top-left corner, width, height."""
    polygon: _Ring | None = None
    """Vertices x, y."""
    holes: tuple[_Ring, ...] = ()
    """Of a polygon."""


class AreasConfig(Config):
    """A file of our own form."""

    areas: list[AreaConfig]
    units: Literal["px", "fraction"] = "px"
    """Pixels, or fractions of the image's width and height."""


def read_json_areas(path: Path, size: Size, image_name: str | None) -> Sequence[Area]:
    """Areas of a JSON file in one of the three forms.

    Raises:
        AreaError: If it is damaged, of another form, or an area is none; without the path.
        ConfigError: If a key is missing or unknown, or a value of a wrong type.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise AreaError(f"cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # no UTF-8, or no JSON
        raise AreaError(f"is damaged, or no JSON ({str(error).splitlines()[0]})") from error
    keys = set(content) if isinstance(content, dict) else set()
    if "areas" in keys:
        return _read_own(make_config(AreasConfig, content, str(path)), size)
    if "shapes" in keys:
        return read_labelme(path, content, size)
    if {"images", "annotations"} <= keys:
        return read_coco(path, content, size, image_name)
    found = f"the keys {', '.join(sorted(map(repr, keys)))}" if keys else "none of these keys"
    raise AreaError(
        "is in no known form; expected the key 'areas' (our own), 'shapes' (LabelMe), or "
        f"'images' and 'annotations' (COCO), found {found}"
    )


def _read_own(config: AreasConfig, size: Size) -> list[Area]:
    height, width = size
    scale = (width, height) if config.units == "fraction" else (1, 1)
    areas: list[Area] = []
    for area in config.areas:
        if (area.rectangle is None) == (area.polygon is None):
            raise AreaError(f"area {area.name!r} needs either a 'rectangle' or a 'polygon'")
        if area.rectangle is not None:
            if area.holes:
                raise AreaError(f"area {area.name!r} is a rectangle; only polygons have holes")
            x, y, wide, high = area.rectangle
            sides = (x * scale[0], y * scale[1], wide * scale[0], high * scale[1])
            areas.append(rectangle_area(area.name, *sides, size))
            continue
        assert area.polygon is not None
        vertices, *holes = (
            [(x * scale[0], y * scale[1]) for x, y in ring] for ring in (area.polygon, *area.holes)
        )
        areas.append(polygon_area(area.name, vertices, size, holes=holes))
    return areas
