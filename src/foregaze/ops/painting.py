"""Semantic painting: every segment of an image in the mean feature of its own patches.

Morello's thesis (2025) on DinoGaze-SPADE. With features F on a grid of patches and integer segments
M at the image's size, segment k has the prototype

    v_k = sum_p a_kp F_p,    a_kp: the part of k's pixels that lie in patch p,

and the painted map is v_M, interpolated bilinearly to the grid that a network wants. The map at the
image's size (3 GB for 1024 channels at 1024x768) is never built. A cell of the grid mixes the
prototypes of the four pixels around its center, so with s_kc the share of segment k in cell c,

    painted_c = sum_k s_kc v_k,

and all that is kept of the segments are the two small matrices a and s. Segments are numbered in
the order in which they appear: new ids for the same segments give the same bits.

Differences from the thesis, whose segments own the patches whose centers they hold: area weights,
so that a segment smaller than a patch has a prototype, too, and not zeros.

`B` images, `C` channels, `p q` grid of patches, `S` segments, `H W` image, `h w` wanted grid. No
gradient passes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from foregaze.errors import ShapeError
from foregaze.ops.cells import cell_of_pixels, neighbors_of_pixels
from foregaze.types import Size


class SegmentLayout(NamedTuple):
    """Segments of an image, or of several, as networks see them."""

    areas: Float[Tensor, "*B S p q"]
    """Part of each segment's pixels that lie in each patch; zeros where there are fewer segments
    than in others of a batch."""
    shares: Float[Tensor, "*B S h w"]
    """Part of each segment in what a cell of the wanted grid is painted with."""
    ids: Int[Tensor, "*B h w"]
    """The image's own number of the segment at the center of each cell."""

    def matching(self, like: Tensor) -> "SegmentLayout":
        """The same where another tensor is, in its precision."""
        return SegmentLayout(self.areas.to(like), self.shares.to(like), self.ids.to(like.device))


def lay_out(segments: Int[Tensor, "H W"], patches: Size, cells: Size) -> SegmentLayout:
    """Segments of one image on the grid of its features and on the wanted one.

    Args:
        segments: Ids from 0 on, one for each pixel; on the CPU.
        patches: (p, q) of features that tile the image without a margin.
        cells: (h, w) of the wanted grid.

    Raises:
        ShapeError: If an id is negative, or the image has fewer pixels than there are patches on an
            axis.
    """
    height, width = segments.shape
    if height < patches[0] or width < patches[1]:
        raise ShapeError(
            f"segments of {height}x{width} pixels are coarser than their {patches[0]}x{patches[1]} "
            "patches"
        )
    if int(segments.min()) < 0:
        raise ShapeError(f"a segment has the id {int(segments.min())}, expected 0 or more")
    place = _in_order(segments)
    count = int(place.max()) + 1
    rows, columns = (
        torch.from_numpy(cell_of_pixels(pixels, axis))
        for pixels, axis in zip((height, width), patches, strict=True)
    )
    patch = rows[:, None] * patches[1] + columns  # of each pixel
    n_patches = patches[0] * patches[1]
    area = torch.bincount(patch.add_(place, alpha=n_patches).flatten(), minlength=count * n_patches)
    area = area.reshape(count, n_patches).double()
    areas = area / area.sum(1, keepdim=True)
    centers = [
        torch.from_numpy((2 * np.arange(n) + 1) * pixels // (2 * n))
        for n, pixels in zip(cells, (height, width), strict=True)
    ]
    return SegmentLayout(
        torch.unflatten(areas, 1, patches),
        _shares(place, count, cells),
        segments[centers[0][:, None], centers[1]].long(),
    )


def batched(layouts: Sequence[SegmentLayout]) -> SegmentLayout:
    """Layouts of images on the same grids side by side."""
    most = max(len(layout.areas) for layout in layouts)

    def stacked(maps: Sequence[Float[Tensor, "_ _ _"]]) -> Float[Tensor, "B _ _ _"]:
        padded = [torch.cat([x, x.new_zeros(most - len(x), *x.shape[1:])]) for x in maps]
        return torch.stack(padded)

    return SegmentLayout(
        stacked([layout.areas for layout in layouts]),
        stacked([layout.shares for layout in layouts]),
        torch.stack([layout.ids for layout in layouts]),
    )


@torch.no_grad()
def prototypes(features: Float[Tensor, "B C p q"], layout: SegmentLayout) -> Float[Tensor, "B S C"]:
    """Mean feature of each segment, patches weighted by how many of its pixels they hold."""
    return layout.areas.flatten(-2) @ features.flatten(-2).mT


@torch.no_grad()
def paint(features: Float[Tensor, "B C p q"], layout: SegmentLayout) -> Float[Tensor, "B C h w"]:
    """The painted map on the wanted grid.

    Equal to bilinear interpolation (half-pixel centers, no antialiasing) of the painted map at the
    image's size.
    """
    painted = prototypes(features, layout).mT @ layout.shares.flatten(-2)
    return torch.unflatten(painted, -1, layout.shares.shape[-2:])


def _in_order(segments: Int[Tensor, "H W"]) -> Int[Tensor, "H W"]:
    """The same segments, numbered in the order in which they appear, row after row."""
    ids = segments.numpy()
    found = np.unique(ids)
    place = np.searchsorted(found, ids)
    first = np.full(len(found), ids.size)
    np.minimum.at(first, place.ravel(), np.arange(ids.size))
    rank = np.empty(len(found), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(found))
    return torch.from_numpy(rank[place])


def _shares(place: Int[Tensor, "H W"], count: int, cells: Size) -> Float[Tensor, "S h w"]:
    (top, bottom, down), (left, right, across) = (
        (torch.from_numpy(part) for part in neighbors_of_pixels(np.arange(n), pixels, n))
        for n, pixels in zip(cells, place.shape, strict=True)
    )
    shares = torch.zeros(count, *cells, dtype=torch.float64)
    for rows, of_rows in ((top, 1 - down), (bottom, down)):
        for columns, of_columns in ((left, 1 - across), (right, across)):
            ids = place[rows[:, None], columns][None]  # (1, h, w)
            share = (of_rows[:, None] * of_columns)[None]
            shares.scatter_add_(0, ids, share)
    return shares
