"""Semantic painting: every segment of an image in the mean feature of its own patches.

Morello's thesis (2025) on DinoGaze-SPADE. With features F on a grid of patches and integer segments
M at the image's size, segment k has the prototype

    v_k = sum_p a_kp F_p / sum_p a_kp,

where a_kp counts the pixels of patch p that belong to k, and the painted map is v_M, interpolated
to the grid that a network wants. That map at the image's size (3 GB for 1024 channels at 1024x768)
is never built: a cell of the grid mixes the prototypes of the four pixels around its center.

Differences from the thesis, whose segments own the patches whose centers they hold: area weights,
so that a segment smaller than a patch has a prototype, too, and not zeros.

`B` images, `C` channels, `p q` grid of patches, `S` segments, `H W` image, `h w` wanted grid. No
gradient passes.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from foregaze.errors import ShapeError
from foregaze.ops.cells import neighbors_of_pixels
from foregaze.types import Size


@torch.no_grad()
def paint(
    features: Float[Tensor, "B C p q"], segments: Int[Tensor, "B H W"], size: Size
) -> Float[Tensor, "B C h w"]:
    """The painted map on a grid of that size.

    Equal to bilinear interpolation (half-pixel centers, no antialiasing) of the painted map at the
    image's size.

    Args:
        features: On patches that tile the image without a margin.
        segments: Ids from 0 on, one for each pixel.
        size: (h, w) of the wanted grid.

    Raises:
        ShapeError: If an id is negative, or the image has fewer pixels than there are patches on an
            axis.
    """
    return spread(prototypes(features, segments), segments, size)


@torch.no_grad()
def prototypes(
    features: Float[Tensor, "B C p q"], segments: Int[Tensor, "B H W"]
) -> Float[Tensor, "B S C"]:
    """Mean feature of each segment, patches weighted by how many of its pixels they hold.

    Rows of ids that an image does not have are zero.
    """
    p, q = features.shape[-2:]
    height, width = segments.shape[-2:]
    if height < p or width < q:
        raise ShapeError(
            f"segments of {height}x{width} pixels are coarser than their {p}x{q} patches"
        )
    if int(segments.min()) < 0:
        raise ShapeError(f"a segment has the id {int(segments.min())}, expected 0 or more")
    count = int(segments.max()) + 1
    row, column = (
        ((torch.arange(pixels, device=segments.device) + 0.5) * (patches / pixels)).long()
        for pixels, patches in ((height, p), (width, q))
    )
    patch = (row[:, None] * q + column).flatten()  # of each pixel
    found = features.new_empty(len(features), count, features.shape[1])
    for image, ids in enumerate(segments):
        place = ids.flatten().long() * (p * q) + patch
        area = torch.bincount(place, minlength=count * p * q).reshape(count, p * q)
        weight = area.to(features.dtype) / area.sum(1, keepdim=True).clamp(min=1)
        found[image] = weight @ features[image].flatten(1).T
    return found


@torch.no_grad()
def spread(
    prototypes: Float[Tensor, "B S C"], segments: Int[Tensor, "B H W"], size: Size
) -> Float[Tensor, "B C h w"]:
    """Prototypes on a grid, where the segments are."""
    (top, bottom, down), (left, right, across) = (
        (
            torch.from_numpy(part).to(segments.device)
            for part in neighbors_of_pixels(np.arange(cells), pixels, cells)
        )
        for cells, pixels in zip(size, segments.shape[-2:], strict=True)
    )
    batch = torch.arange(len(segments), device=segments.device)[:, None, None]
    painted = prototypes.new_zeros(len(segments), *size, prototypes.shape[-1])
    for rows, of_rows in ((top, 1 - down), (bottom, down)):
        for columns, of_columns in ((left, 1 - across), (right, across)):
            ids = segments[:, rows[:, None], columns].long()  # (B, h, w)
            share = of_rows[:, None] * of_columns
            painted += share[..., None].to(painted.dtype) * prototypes[batch, ids]
    return painted.permute(0, 3, 1, 2).contiguous()
