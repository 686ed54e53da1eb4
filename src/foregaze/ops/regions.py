"""Regions that a network proposes for an image: which to keep, and how they become segments.

`N` regions, as truth values of pixels; they may overlap.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, Int32
from scipy import ndimage

_NEIGHBORS = np.ones((3, 3), dtype=bool)
"""Pixels that touch at a corner are connected."""


def boxes_of(regions: Bool[np.ndarray, "N H W"]) -> Float[np.ndarray, "N 4"]:
    """Left, top, right and bottom pixel of each region; zeros for an empty one."""
    boxes = np.zeros((len(regions), 4))
    for box, region in zip(boxes, regions, strict=True):
        if region.any():
            (row,), (column,) = region.any(1).nonzero(), region.any(0).nonzero()
            box[:] = column[0], row[0], column[-1], row[-1]
    return boxes


def distinct_boxes(
    boxes: Float[np.ndarray, "N 4"], scores: Float[np.ndarray, " N"], most_overlap: float
) -> Int[np.ndarray, " M"]:
    """Boxes that overlap none of a higher score by more, best first.

    Args:
        boxes: Left, top, right, bottom.
        scores: The higher, the better.
        most_overlap: Intersection over union that boxes may have.
    """
    left = np.argsort(-scores, kind="stable")
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[left, :2])
        high = np.minimum(boxes[best, 2:], boxes[left, 2:])
        shared = np.maximum(high - low, 0).prod(1)
        left = left[shared <= most_overlap * (areas[best] + areas[left] - shared)]
    return np.array(kept, dtype=np.int64)


def without_specks(region: Bool[np.ndarray, "H W"], smallest_px: int) -> Bool[np.ndarray, "H W"]:
    """A region whose holes and parts below some area are filled and removed.

    Of a region with small parts alone the largest is kept.
    """
    holes, sizes = _parts(~region)
    region = region | (sizes < smallest_px)[holes] & ~region
    parts, sizes = _parts(region)
    keep = sizes >= smallest_px
    keep[0] = False
    if not keep.any() and len(keep) > 1:
        keep[1 + sizes[1:].argmax()] = True
    kept: Bool[np.ndarray, "H W"] = keep[parts]
    return kept


def _parts(region: Bool[np.ndarray, "H W"]) -> tuple[np.ndarray, np.ndarray]:
    """Number of each pixel's connected part, 0 outside, and the area of each part."""
    parts, count = ndimage.label(region, _NEIGHBORS)
    return parts, np.bincount(parts.ravel(), minlength=count + 1)


def keep_best(
    regions: Bool[np.ndarray, "N H W"],
    scores: Float[np.ndarray, " N"],
    most: int,
    *,
    smallest_share: float,
    most_overlap: float,
) -> Int[np.ndarray, " M"]:
    """Regions by falling score, those left out that are too small or too much like a better one.

    Args:
        regions: All that there are.
        scores: Of equal ones the first is the better.
        most: How many are kept at most.
        smallest_share: Of the image's area; smaller ones are left out.
        most_overlap: Intersection over union that two of them may have.
    """
    areas = regions.sum((1, 2), dtype=np.int64)
    large = areas >= max(1, smallest_share * regions.shape[1] * regions.shape[2])
    kept: list[int] = []
    for k in np.argsort(-scores, kind="stable"):
        if len(kept) == most:
            break
        if not large[k]:
            continue
        shared = [np.count_nonzero(regions[k] & regions[other]) for other in kept]
        if all(
            common <= most_overlap * (areas[k] + areas[other] - common)
            for common, other in zip(shared, kept, strict=True)
        ):
            kept.append(int(k))
    return np.array(kept, dtype=np.int64)


def by_falling_area(regions: Bool[np.ndarray, "N H W"]) -> Int[np.ndarray, " N"]:
    """Their order from the largest to the smallest; equal ones stay as they were."""
    order: Int[np.ndarray, " N"] = np.argsort(-regions.sum((1, 2), dtype=np.int64), kind="stable")
    return order


def paint_regions(regions: Bool[np.ndarray, "N H W"]) -> Int32[np.ndarray, "H W"]:
    """The number of the last region that a pixel belongs to, counted from 1; 0 for none."""
    ids = np.zeros(regions.shape[1:], dtype=np.int32)
    for number, region in enumerate(regions, start=1):
        ids[region] = number
    return ids
