"""Where the labels of areas stand: on their areas, and off each other.

Boxes are left, top, right, bottom in stimulus pixels. `K` areas, `C` boxes to choose from, `h w`
cells of a grid over the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from foregaze.types import Size

Outlines = Sequence[Float[np.ndarray, "_ 2"]]
"""Closed curves x, y around an area and around its holes."""

_CELLS = 240  # on the image's long side
_TRIED = 400  # cells of an area
_ROOMY = 3  # times as large as its label, or more: an area with room for it
_INSIDE = 0.9  # of a label: as good as all of it
_RECTANGULAR = 0.99  # of the box around an area


def place_labels(
    areas: Sequence[Outlines], extents: Sequence[Float[np.ndarray, " 2"]], size: Size
) -> list[Float[np.ndarray, " 4"]]:
    """A box for the label of each area; none covers another, where there is room.

    With room on the area its label stands there: near the top of a rectangle, deepest inside any
    other area. Without, it stands beside the area, unless that is on an area that it is not
    about; then its center is on its own. Small areas choose first.

    Args:
        areas: The outlines of each; a point that an odd number of them enclose is inside.
        extents: Width and height of each label, in stimulus pixels.
        size: (H, W) of the image, which labels do not leave.
    """
    grounds = [_Ground(outlines, _covered(outlines, size), size) for outlines in areas]
    boxes = [np.zeros(4)] * len(areas)
    taken: list[Float[np.ndarray, " 4"]] = []
    everywhere = np.stack([ground.inside for ground in grounds])  # (K, h, w)
    extent_px = np.array([ground.extent_px for ground in grounds])
    for k in np.argsort(extent_px, kind="stable"):
        row, column = grounds[k].deepest
        around = everywhere[:, row, column] & (extent_px >= extent_px[k])
        tried, cost = _candidates(grounds[k], extents[k])
        rows, columns = _cells_of((tried[:, :2] + tried[:, 2:]) / 2, size, everywhere.shape[1:])
        centers = everywhere[:, rows, columns]  # (K, C)
        misleading = ~centers[k] & (centers & ~around[:, None]).any(0)
        cost += misleading * (2 + 10 * (1 - grounds[k].share(tried)))
        cost += 10 * sum(_overlap(tried, other) for other in taken) / np.prod(extents[k])
        boxes[k] = tried[int(np.argmin(cost))]
        taken.append(boxes[k])
    return boxes


@dataclass(frozen=True, eq=False)
class _Ground:
    """An area on the grid."""

    outlines: Outlines
    inside: Bool[np.ndarray, "h w"]
    size: Size

    @property
    def cell(self) -> Float[np.ndarray, " 2"]:
        """Width and height of a cell."""
        return np.array(self.size[::-1]) / self.inside.shape[::-1]

    @property
    def extent_px(self) -> float:
        """Square pixels."""
        return float(np.count_nonzero(self.inside) * np.prod(self.cell))

    @cached_property
    def bounds(self) -> Float[np.ndarray, " 4"]:
        """Box around its largest outline."""
        boxes = [np.concatenate([ring.min(0), ring.max(0)]) for ring in self.outlines]
        largest: Float[np.ndarray, " 4"] = max(boxes, key=lambda b: float(np.prod(b[2:] - b[:2])))
        return largest

    @cached_property
    def depth(self) -> Float[np.ndarray, "h w"]:
        """Pixels from each of its cells to the nearest outside it, or outside the image."""
        framed = np.pad(self.inside, 1)
        depth: Float[np.ndarray, "h w"] = ndimage.distance_transform_edt(
            framed, sampling=self.cell[::-1]
        )[1:-1, 1:-1]
        return depth

    @property
    def deepest(self) -> tuple[int, int]:
        """Row and column."""
        row, column = np.unravel_index(int(self.depth.argmax()), self.depth.shape)
        return int(row), int(column)

    @cached_property
    def _table(self) -> Int[np.ndarray, "_ _"]:
        return np.pad(self.inside.cumsum(0).cumsum(1), ((1, 0), (1, 0)))

    def share(self, boxes: Float[np.ndarray, "C 4"]) -> Float[np.ndarray, " C"]:
        """Of each box that lies on the area."""
        edges = np.rint(boxes / np.tile(self.cell, 2)).astype(int)
        edges = np.clip(edges, 0, np.tile(self.inside.shape[::-1], 2))
        left, top, right, bottom = edges.T
        total = self._table[bottom, right] - self._table[top, right]
        total += self._table[top, left] - self._table[bottom, left]
        share: Float[np.ndarray, " C"] = total / np.maximum((right - left) * (bottom - top), 1)
        return share


def _covered(outlines: Outlines, size: Size) -> Bool[np.ndarray, "h w"]:
    """Cells whose centers are inside; if there is none, the one where the outline starts."""
    h, w = (max(1, round(side * _CELLS / max(size))) for side in size)
    covered = np.zeros((h, w), dtype=bool)
    starts = np.concatenate(outlines)
    ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in outlines])
    columns = (np.arange(w) + 0.5) * size[1] / w
    rows = (np.arange(h) + 0.5) * size[0] / h
    met = (rows >= starts[:, 1].min()) & (rows <= starts[:, 1].max())
    for row in np.flatnonzero(met):
        crosses = (starts[:, 1] <= rows[row]) != (ends[:, 1] <= rows[row])
        (x, y), (next_x, next_y) = starts[crosses].T, ends[crosses].T
        crossings = np.sort(x + (rows[row] - y) / (next_y - y) * (next_x - x))
        covered[row] = np.searchsorted(crossings, columns) % 2 == 1
    if not covered.any():
        covered[_cells_of(outlines[0][:1], size, (h, w))] = True
    return covered


def _cells_of(
    points: Float[np.ndarray, "C 2"], size: Size, grid: tuple[int, ...]
) -> tuple[Int[np.ndarray, " C"], Int[np.ndarray, " C"]]:
    """Rows and columns of the cells that points x, y lie in."""
    columns, rows = (points * grid[::-1] / size[::-1]).astype(int).T
    return np.clip(rows, 0, grid[0] - 1), np.clip(columns, 0, grid[1] - 1)


def _candidates(
    ground: _Ground, extent: Float[np.ndarray, " 2"]
) -> tuple[Float[np.ndarray, "C 4"], Float[np.ndarray, " C"]]:
    """Boxes for a label, and how bad each is for itself."""
    over, depth = _boxes_over(ground, extent)
    on_area = ground.share(over)
    roomy = bool(on_area.max() > _INSIDE and _ROOMY * np.prod(extent) < ground.extent_px)
    rectangular = bool(ground.share(ground.bounds[None])[0] > _RECTANGULAR)
    over_cost = 3 * (1 - on_area) + 0.3 * (1 - depth) + (rectangular or not roomy)

    beside = _on_image(_boxes_beside(ground.bounds, extent, inside=roomy), ground.size)
    margin = extent[1] / 2 * np.array([-1, -1, 1, 1])
    beside_cost = 0.01 * np.arange(len(beside)) + (ground.share(beside + margin) == 0)
    if not rectangular:
        rows, columns = _cells_of(
            (beside[:, :2] + beside[:, 2:]) / 2, ground.size, ground.inside.shape
        )
        beside_cost += roomy + 10.0 * ground.inside[rows, columns]  # better over it, where deep
    return np.concatenate([over, beside]), np.concatenate([over_cost, beside_cost])


def _boxes_over(
    ground: _Ground, extent: Float[np.ndarray, " 2"]
) -> tuple[Float[np.ndarray, "C 4"], Float[np.ndarray, " C"]]:
    """Boxes around centers of the area's cells, and how deep these are; the deepest has 1."""
    rows, columns = np.nonzero(ground.inside)
    depth = ground.depth[rows, columns]
    order = np.argsort(-depth, kind="stable")[:: -(-len(depth) // _TRIED)]
    centers = (np.stack([columns, rows], axis=1)[order] + 0.5) * ground.cell
    boxes = np.concatenate([centers - extent / 2, centers + extent / 2], axis=1)
    return _on_image(boxes, ground.size), depth[order] / depth.max()


def _boxes_beside(
    bounds: Float[np.ndarray, " 4"], extent: Float[np.ndarray, " 2"], *, inside: bool
) -> Float[np.ndarray, "C 4"]:
    """Boxes along the sides of a rectangle, nearest to its top-left corner first."""
    x, y, right, bottom = bounds
    width, height = extent
    rows = [y - height, y, bottom - height, bottom, *np.linspace(y, bottom, 7)]
    rows += [bottom + height, y - 2 * height, bottom + 2 * height, y - 3 * height]
    if inside:
        rows[:2] = rows[1::-1]
    columns = [x, (x + right - width) / 2, right - width, right, x - width]
    corners = np.array([(left, top) for top in rows for left in columns])
    return np.concatenate([corners, corners + extent], axis=1)


def _on_image(boxes: Float[np.ndarray, "C 4"], size: Size) -> Float[np.ndarray, "C 4"]:
    """Boxes moved so that they do not leave the image."""
    extents = boxes[:, 2:] - boxes[:, :2]
    corners = np.clip(boxes[:, :2], 0, np.maximum(0, np.array(size[::-1]) - extents))
    return np.concatenate([corners, corners + extents], axis=1)


def _overlap(
    boxes: Float[np.ndarray, "C 4"], other: Float[np.ndarray, " 4"]
) -> Float[np.ndarray, " C"]:
    sides = np.minimum(boxes[:, 2:], other[2:]) - np.maximum(boxes[:, :2], other[:2])
    shared: Float[np.ndarray, " C"] = np.maximum(sides, 0).prod(axis=1)
    return shared
