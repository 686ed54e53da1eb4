"""Areas of interest in COCO's JSON: the annotations of one image.

An annotation is an area by its category and number, such as "dog 17": the union of its polygons, or
the pixels of its run lengths; one without a segmentation is its `bbox`.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, Strict

from foregaze.config import Config, make_config
from foregaze.data.areas_rle import decode_counts, decode_runs
from foregaze.data.areas_shape import (
    Area,
    AreaError,
    SegmentArea,
    parts_area,
    rectangle_area,
)
from foregaze.types import Size

_Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
_NAMES_LISTED = 6


class _CocoConfig(Config):
    """COCO writes more keys than are read."""

    model_config = ConfigDict(extra="ignore")


class CocoImage(_CocoConfig):
    """An image that annotations are on."""

    id: int
    file_name: str
    height: int | None = None
    width: int | None = None


class CocoCategory(_CocoConfig):
    """A kind of things."""

    id: int
    name: str


class CocoRuns(_CocoConfig):
    """Run lengths down the columns, off first: as numbers, or as COCO's text."""

    size: tuple[int, int]
    """(H, W)."""
    counts: list[int] | str


class CocoAnnotation(_CocoConfig):
    """A thing on an image."""

    id: int
    image_id: int
    category_id: int | None = None
    bbox: tuple[_Number, _Number, _Number, _Number] | None = None
    """x and y of the top-left corner, width, height."""
    segmentation: list[list[_Number]] | CocoRuns | None = None
    """Polygons x, y, x, y and so on, or run lengths."""


class CocoFile(_CocoConfig):
    """Annotations of a set of images."""

    images: list[CocoImage]
    annotations: list[CocoAnnotation]
    categories: tuple[CocoCategory, ...] = ()


def read_coco(
    path: Path, content: dict[str, Any], size: Size, image_name: str | None
) -> list[Area]:
    """Areas of one image of a COCO file.

    Raises:
        AreaError: If the image is not in the file, has no annotations there or another size, or
            if an annotation is no area.
        ConfigError: If a key is missing, or a value of a wrong type.
    """
    image = _find_image(
        make_config(CocoFile, {**content, "annotations": []}, str(path)), image_name
    )
    height, width = size
    if (image.height or height, image.width or width) != (height, width):
        raise AreaError(
            f"is about an image of {image.width}x{image.height} px, and this one has "
            f"{width}x{height} px (W x H)"
        )
    on_image = [a for a in _as_list(content["annotations"]) if _image_id(a) in (image.id, None)]
    file = make_config(CocoFile, {**content, "annotations": on_image}, str(path))
    if not file.annotations:
        raise AreaError(f"has no annotations on image {image.file_name!r}")
    category = {c.id: c.name for c in file.categories}
    return [_area(annotation, category, size) for annotation in file.annotations]


def _as_list(annotations: Any) -> list[Any]:
    if not isinstance(annotations, list):
        raise AreaError(f"has {type(annotations).__name__} as 'annotations', expected a list")
    return annotations


def _image_id(annotation: Any) -> int | None:
    """None where there is none, which validation then complains of."""
    return (
        annotation["image_id"]
        if isinstance(annotation, dict) and "image_id" in annotation
        else None
    )


def _find_image(file: CocoFile, image_name: str | None) -> CocoImage:
    """By its file name without folders; without a name, the only one."""
    wanted = Path(image_name).name if image_name is not None else None
    found = [image for image in file.images if Path(image.file_name).name == wanted]
    if len(found) == 1:
        return found[0]
    if len(file.images) == 1 and wanted is None:
        return file.images[0]
    names = [image.file_name for image in file.images]
    more = f" and {len(names) - _NAMES_LISTED} more" if len(names) > _NAMES_LISTED else ""
    listed = ", ".join(map(repr, names[:_NAMES_LISTED])) or "none"
    what = f"{len(found) or 'no'} images called {wanted!r}" if wanted else "several images"
    raise AreaError(f"has {what}, expected one; its images: {listed}{more}")


def _area(annotation: CocoAnnotation, category: dict[int, str], size: Size) -> Area:
    kind = "area"
    if annotation.category_id is not None:
        if annotation.category_id not in category:
            raise AreaError(
                f"annotation {annotation.id} has category {annotation.category_id}, which is not "
                "among the categories"
            )
        kind = category[annotation.category_id]
    name = f"{kind} {annotation.id}"
    if isinstance(annotation.segmentation, CocoRuns):
        return _pixels(name, annotation.segmentation, size)
    if annotation.segmentation:
        for ring in annotation.segmentation:
            if len(ring) % 2:
                raise AreaError(f"area {name!r} has a polygon of {len(ring)} numbers, not x, y")
        rings = [np.reshape(ring, (-1, 2)).tolist() for ring in annotation.segmentation]
        return parts_area(name, rings, size)
    if annotation.bbox is None:
        raise AreaError(f"area {name!r} has neither a segmentation nor a bbox")
    return rectangle_area(name, *annotation.bbox, size)


def _pixels(name: str, runs: CocoRuns, size: Size) -> Area:
    if runs.size != tuple(size):
        raise AreaError(
            f"area {name!r} has run lengths for {runs.size[1]}x{runs.size[0]} px, and the image "
            f"has {size[1]}x{size[0]} px (W x H)"
        )
    try:
        counts = decode_counts(runs.counts) if isinstance(runs.counts, str) else runs.counts
        belongs = decode_runs(counts, size)
    except ValueError as error:
        raise AreaError(f"area {name!r} has damaged run lengths ({error})") from error
    if not belongs.any():
        raise AreaError(f"area {name!r} has no area: none of its pixels is on")
    return SegmentArea(name, size, belongs.astype(np.int8), 1)
