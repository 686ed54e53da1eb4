"""Areas of interest: parts of an image inside outlines, or under one id of a segment map.

A point on an outline belongs to the area to the right of it; where the outline is level, to the
area below it. So a rectangle covers [x, x + width) by [y, y + height), and areas that tile an image
share no point. Letters: `N` points, `V` vertices.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from jaxtyping import Bool, Float, Integer

from foregaze.errors import DataError, ShapeError
from foregaze.types import Size

Number = float | int
"""A coordinate or length in pixels."""

_NUDGE_PX = 1e-6
"""How far a point on an outline is moved to find the side that it belongs to."""

_PROBLEMS = {
    "Self-intersection": "crosses itself",
    "Ring Self-intersection": "touches itself",
    "Hole lies outside shell": "has a hole that lies outside it",
    "Interior is disconnected": "is cut in two by its holes",
    "Holes are nested": "has a hole in a hole",
}
"""Words for what GEOS says of an invalid polygon."""


class AreaError(DataError):
    """An area that is none, or does not fit the image."""


@dataclass(frozen=True, eq=False)
class Area(ABC):
    """A named part of an image; areas may overlap."""

    name: str
    size: Size
    """(H, W) of the image."""

    @property
    @abstractmethod
    def area_px(self) -> float:
        """How large it is, in square pixels."""

    @property
    def outside_share(self) -> float:
        """Share of what was given that lies outside the image, which is cut off."""
        return 0.0

    @abstractmethod
    def contains(self, x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"]) -> Bool[Any, " N"]:
        """Which points lie in it; none outside the image does."""

    @abstractmethod
    def outlines(self) -> list[Float[np.ndarray, "_ 2"]]:
        """Closed curves x, y around it and, the other way round, around its holes."""


@dataclass(frozen=True, eq=False)
class OutlinedArea(Area):
    """The inside of polygons; see `rectangle_area`, `polygon_area` and `circle_area`."""

    geometry: shapely.Geometry
    """Polygons in pixels, within the image."""
    given_px: float
    """Square pixels before the image's edge cut it."""

    @property
    def area_px(self) -> float:
        """See `Area`."""
        return float(self.geometry.area)

    @property
    def outside_share(self) -> float:
        """See `Area`."""
        return max(0.0, 1 - self.area_px / self.given_px)

    def contains(self, x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"]) -> Bool[Any, " N"]:
        """See `Area`."""
        inside: Bool[np.ndarray, " N"] = shapely.contains_xy(self.geometry, x, y)
        on_edge = np.flatnonzero(~inside & shapely.intersects_xy(self.geometry, x, y))
        inside[on_edge] = shapely.contains_xy(
            self.geometry, x[on_edge] + _NUDGE_PX, y[on_edge] + _NUDGE_PX / 1000
        )
        return inside

    def outlines(self) -> list[Float[np.ndarray, "_ 2"]]:
        """See `Area`."""
        return _rings(self.geometry)


@dataclass(frozen=True, eq=False)
class SegmentArea(Area):
    """The pixels of one id in an integer map."""

    segments: Integer[np.ndarray, "H W"]
    id: int

    @cached_property
    def area_px(self) -> float:
        """See `Area`."""
        return float(np.count_nonzero(self.segments == self.id))

    def contains(self, x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"]) -> Bool[Any, " N"]:
        """See `Area`."""
        height, width = self.size
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        column, row = x[inside].astype(np.int64), y[inside].astype(np.int64)
        inside[inside] = self.segments[row, column] == self.id
        return inside

    def outlines(self) -> list[Float[np.ndarray, "_ 2"]]:
        """See `Area`; they follow the edges of pixels."""
        belongs = np.pad(self.segments == self.id, ((0, 0), (1, 1))).astype(np.int8)
        steps = np.diff(belongs, axis=1)  # 1 where a run of pixels starts, -1 after its end
        row, start = np.nonzero(steps == 1)
        _, stop = np.nonzero(steps == -1)
        return _rings(shapely.union_all(shapely.box(start, row, stop, row + 1)))


def rectangle_area(
    name: str, x: Number, y: Number, width: Number, height: Number, size: Size
) -> OutlinedArea:
    """A rectangle from its top-left corner, in pixels.

    Raises:
        AreaError: If it is empty, not finite, or lies outside the image of that (H, W).
    """
    if not np.isfinite([x, y, width, height]).all() or width <= 0 or height <= 0:
        raise AreaError(
            f"area {name!r} is a rectangle of width {width:g} and height {height:g} at "
            f"({x:g}, {y:g}); expected finite numbers, width and height above 0"
        )
    return _cut(name, shapely.box(x, y, x + width, y + height), size)


def circle_area(name: str, x: Number, y: Number, radius: Number, size: Size) -> OutlinedArea:
    """A circle around a center, in pixels, as a polygon of 128 vertices.

    Raises:
        AreaError: See `rectangle_area`.
    """
    if not np.isfinite([x, y, radius]).all() or radius <= 0:
        raise AreaError(
            f"area {name!r} is a circle of radius {radius:g} around ({x:g}, {y:g}); expected "
            "finite numbers, a radius above 0"
        )
    return _cut(name, shapely.Point(x, y).buffer(radius, quad_segs=32), size)


def polygon_area(
    name: str,
    vertices: Sequence[Sequence[Number]],
    size: Size,
    *,
    holes: Sequence[Sequence[Sequence[Number]]] = (),
) -> OutlinedArea:
    """A polygon from its vertices x, y, in pixels; the last one is joined to the first.

    Raises:
        AreaError: If it has fewer than three vertices, no area or a vertex that is not finite, if
            its outline crosses or touches itself, or if it lies outside the image.
    """
    return parts_area(name, [_polygon(name, vertices, holes)], size)


def parts_area(
    name: str, parts: Sequence[shapely.Polygon | Sequence[Sequence[Number]]], size: Size
) -> OutlinedArea:
    """One area of several polygons, which may overlap.

    Args:
        name: Of the area.
        parts: Vertices x, y of each, in pixels.
        size: (H, W) of the image.

    Raises:
        AreaError: See `polygon_area`.
    """
    polygons = [p if isinstance(p, shapely.Polygon) else _polygon(name, p, ()) for p in parts]
    return _cut(name, polygons[0] if len(polygons) == 1 else shapely.union_all(polygons), size)


def segment_areas(
    segments: Integer[np.ndarray, "H W"], background: int | None = None
) -> list[SegmentArea]:
    """An area for each id of a map, named "segment 0" and so on.

    Args:
        segments: Ids, 0 or larger.
        background: Id that is no area; None if all are.

    Raises:
        AreaError: If an id is negative, or no id is left.
    """
    if segments.ndim != 2 or not segments.size:
        raise AreaError(f"segments have shape {segments.shape}, expected (H, W)")
    ids = np.unique(segments)
    if ids[0] < 0:
        raise AreaError(f"segments have the id {ids[0]}; ids are 0 or larger")
    if background is not None and background not in ids:
        raise AreaError(
            f"segments have no id {background}, which was to be the background; they have "
            f"{', '.join(map(str, ids[:8]))}{', ...' * (len(ids) > 8)}"
        )
    left = [int(i) for i in ids if i != background]
    if not left:
        raise AreaError(f"segments hold no id but the background, {background}: there is no area")
    size = (segments.shape[0], segments.shape[1])
    return [SegmentArea(f"segment {i}", size, segments, i) for i in left]


def renamed(area: OutlinedArea, name: str) -> OutlinedArea:
    """The same area under another name."""
    return replace(area, name=name)


def joined(name: str, areas: Sequence[OutlinedArea]) -> OutlinedArea:
    """One area of several, which may overlap.

    Raises:
        ShapeError: If they are not of one image size.
    """
    if len({area.size for area in areas}) != 1:
        raise ShapeError(f"area {name!r} has parts on images of different sizes")
    return OutlinedArea(
        name,
        areas[0].size,
        shapely.union_all([area.geometry for area in areas]),
        sum(area.given_px for area in areas),
    )


def _polygon(
    name: str, vertices: Sequence[Sequence[Number]], holes: Sequence[Sequence[Sequence[Number]]]
) -> shapely.Polygon:
    rings = [_ring(name, ring) for ring in (vertices, *holes)]
    polygon = shapely.Polygon(rings[0], rings[1:])
    for ring in rings:
        if shapely.convex_hull(shapely.MultiPoint(ring)).area == 0:
            raise AreaError(f"area {name!r} has no area: its vertices lie on one line")
    if not polygon.is_valid:
        reason, _, place = shapely.is_valid_reason(polygon).rstrip("]").partition("[")
        problem = _PROBLEMS.get(reason.strip()) or f"is no polygon ({reason.strip().lower()})"
        where = f" at ({', '.join(f'{float(number):g}' for number in place.split()[:2])})"
        raise AreaError(
            f"the outline of area {name!r} {problem}{where if place else ''}; correct it, or give "
            "its parts as areas of their own"
        )
    return polygon


def _ring(name: str, vertices: Sequence[Sequence[Number]]) -> Float[np.ndarray, "V 2"]:
    """Vertices without the last one where it repeats the first."""
    ring = np.array(vertices, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(ring).all():
        wrong = int(np.argmin(np.isfinite(ring).all(axis=1)))
        x, y = ring[wrong]
        raise AreaError(f"vertex {wrong + 1} of area {name!r} is ({x:g}, {y:g}), expected numbers")
    if len(ring) > 1 and (ring[0] == ring[-1]).all():
        ring = ring[:-1]
    if len(np.unique(ring, axis=0)) < 3:
        raise AreaError(
            f"area {name!r} is a polygon of {len(ring)} vert{'ex' if len(ring) == 1 else 'ices'}; "
            "expected at least 3 different ones"
        )
    return ring


def _cut(name: str, geometry: shapely.Geometry, size: Size) -> OutlinedArea:
    """The part of a valid geometry that lies on the image."""
    height, width = size
    image = shapely.box(0, 0, width, height)
    given_px = float(geometry.area)
    if not shapely.covers(image, geometry):
        x_low, y_low, x_high, y_high = geometry.bounds
        geometry = shapely.intersection(geometry, image)
        polygons = [p for p in shapely.get_parts(geometry) if p.geom_type == "Polygon"]
        if not sum(polygon.area for polygon in polygons) > 0:
            raise AreaError(
                f"area {name!r} lies outside the image of {width}x{height} px (W x H): its x go "
                f"from {x_low:g} to {x_high:g}, its y from {y_low:g} to {y_high:g}"
            )
        geometry = shapely.union_all(polygons)
    shapely.prepare(geometry)
    return OutlinedArea(name, size, geometry, given_px)


def _rings(geometry: shapely.Geometry) -> list[Float[np.ndarray, "_ 2"]]:
    rings = []
    for polygon in shapely.get_parts(shapely.normalize(geometry)):
        rings += [shapely.get_coordinates(ring) for ring in shapely.get_rings(polygon)]
    return rings
