"""The work of `foregaze segment`: segments of each image, and what is written of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from foregaze import __version__
from foregaze.cli.batch import each_image
from foregaze.cli.output import check_folder, written_together
from foregaze.cli.predict_plan import Plan
from foregaze.errors import DataError, ImageError, ShapeError
from foregaze.images import read_image
from foregaze.ops.affinity import affinity
from foregaze.ops.cells import cell_of_pixels
from foregaze.segmentation import Segmenter, Segments, SegmentStore
from foregaze.segmentation.kmeans import KMeans
from foregaze.types import ImageArray
from foregaze.viz import save_figure
from foregaze.viz.segments import draw_affinity, draw_segments

_MOST_IN_PNG = 65535


@dataclass(frozen=True, eq=False)
class _Segmented:
    """One image and its segments."""

    path: Path
    pixels: ImageArray
    segments: Segments
    segmenter: Segmenter
    point: tuple[float, float] | None


def segment_batch(
    segmenter: Segmenter, plan: Plan, store: Path | None, point: tuple[float, float] | None
) -> list[str]:
    """Write what is planned for each image, and say where it is.

    Args:
        segmenter: Makes segments.
        plan: What to read and write; its formats are keys of `WRITERS`.
        store: Folder that segments are kept in, or None.
        point: x, y of the pixel whose patch others are compared with, where that is planned.

    Returns:
        For each image of a batch that was skipped, why.

    Raises:
        ForegazeError: The only image cannot be used, or what has nothing to do with the image.
        OutputError: A result or the store cannot be written.
    """
    make: Callable[[ImageArray, str], Segments] = segmenter.segments
    if store is not None:
        check_folder(store)
        make = partial(SegmentStore(store).segments, segmenter)

    def work(image: Path) -> None:
        pixels = read_image(image)
        try:
            if point is not None:
                _check_inside(point, pixels)
            found = _Segmented(image, pixels, make(pixels, image.name), segmenter, point)
            with written_together(plan.output, plan.names(image)) as unfinished:
                for result, path in zip(plan.formats, unfinished, strict=True):
                    WRITERS[result](path, found)
        except ShapeError as error:
            raise ShapeError(f"{image}: {error}") from error

    return each_image(plan, work, skipped=(DataError, ImageError, ShapeError))


def _check_inside(point: tuple[float, float], pixels: ImageArray) -> None:
    height, width = pixels.shape[:2]
    if not (0 <= point[0] < width and 0 <= point[1] < height):
        raise ShapeError(
            f"the patch at {point[0]:g},{point[1]:g} is asked for, outside the image's "
            f"{width}x{height} pixels"
        )


def _write_png(path: Path, found: _Segmented) -> None:
    largest = int(found.segments.max())
    if largest > _MOST_IN_PNG:
        raise ShapeError(
            f"a segment has the id {largest}, and PNG files hold up to {_MOST_IN_PNG}; give "
            "--format npy"
        )
    kind = np.uint8 if largest < 256 else np.uint16
    Image.fromarray(found.segments.astype(kind)).save(path, format="PNG")


def _write_npy(path: Path, found: _Segmented) -> None:
    with path.open("wb") as file:
        np.save(file, found.segments)


def _write_picture(path: Path, found: _Segmented) -> None:
    title = f"{found.path.name}: {found.segmenter.name}"
    save_figure(draw_segments(found.pixels, found.segments, title=title), path)


def _write_affinity(path: Path, found: _Segmented) -> None:
    assert isinstance(found.segmenter, KMeans)
    assert found.point is not None
    features = found.segmenter.features(found.pixels)
    column, row = (
        int(cell_of_pixels(pixels, patches)[int(place)])
        for place, pixels, patches in zip(
            found.point, found.pixels.shape[1::-1], features.shape[:0:-1], strict=True
        )
    )
    title = f"{found.path.name}: patch at {found.point[0]:g}, {found.point[1]:g}"
    figure = draw_affinity(found.pixels, affinity(features, row, column), (row, column), title)
    save_figure(figure, path)


def _write_json(path: Path, found: _Segmented) -> None:
    ids, counts = np.unique(found.segments, return_counts=True)
    content: dict[str, Any] = {
        "image": found.path.name,
        "foregaze": __version__,
        "provenance": found.segmenter.provenance(found.pixels, found.path.name),
        "segments": [
            {
                "id": int(number),
                "area_px": int(count),
                "area_share": round(count / found.segments.size, 6),
            }
            for number, count in zip(ids, counts, strict=True)
        ],
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


WRITERS = {
    "ids.png": _write_png,
    "ids.npy": _write_npy,
    "segments.png": _write_picture,
    "segments.json": _write_json,
    "affinity.png": _write_affinity,
}
"""What is written for an image, by the end of the file's name."""
