"""Area under the receiver operating characteristic, other images' fixations as negatives.

`M` fixations of other images.
"""

from functools import partial

import numpy as np
from array_api_compat import array_namespace, device
from jaxtyping import Float, Int, Real

from foregaze.metrics.checks import (
    NoFixationError,
    check_positions,
    distinct_pixels,
    floating,
    maps_of,
    per_image,
    refuse_infinite,
    scaled,
    values_at,
)
from foregaze.metrics.curve import area_over_steps
from foregaze.metrics.ranking import share_below
from foregaze.types import Array


def shuffled_auc(
    saliency_map: Real[Array, "*batch H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    other_x: Int[Array, " M"],
    other_y: Int[Array, " M"],
    image: Int[Array, " N"] | None = None,
    other_image: Int[Array, " M"] | None = None,
) -> Float[Array, " N"]:
    """Share of other images' fixated pixels with a smaller value than each fixated one.

    Tatler, Baddeley & Gilchrist (2005), Vision Research 45(5), as pysaliency and the
    MIT/Tübingen benchmark compute it: all fixations of all other images, each as often as it
    occurs, no sampling; equal values count half. Where people look on any image is worth
    nothing: a center bias has about 0.5. Its best map is a density over the center bias.

    Args:
        saliency_map: Any scale.
        x: Columns of the fixations.
        y: Rows of the fixations.
        other_x: Columns, on this map, of the fixations of other images (moved by their relative
            position where images differ in size).
        other_y: Rows of the same.
        image: Map of each fixation, where `saliency_map` is a batch.
        other_image: Map that each fixation of another image is a negative for, in a batch.

    Raises:
        NoFixationError: If a map has no negatives.
        ShapeError: If a fixation lies outside, or the map has NaN or infinities.
    """
    saliency_map = floating(saliency_map)
    check_positions(saliency_map, x, y, image)
    check_positions(saliency_map, other_x, other_y, other_image)
    refuse_infinite(saliency_map, "sAUC")
    xp = array_namespace(saliency_map)
    areas = xp.empty(len(x), dtype=xp.float64, device=device(saliency_map))
    of_others = maps_of(saliency_map, other_image)
    of_maps = zip(maps_of(saliency_map, image), of_others, strict=True)
    for i, ((values, rows), (_, others)) in enumerate(of_maps):
        negatives = values[other_y[others], other_x[others]]
        if not len(negatives):
            where = "" if image is None else f"image {i} of the batch: "
            raise NoFixationError(
                f"{where}sAUC needs fixations of other images, and there are none"
            )
        areas[rows] = share_below(values[y[rows], x[rows]], negatives)
    return areas


def shuffled_auc_mit(
    saliency_map: Real[Array, "*batch H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    other_x: Int[Array, " M"],
    other_y: Int[Array, " M"],
    image: Int[Array, " N"] | None = None,
    other_image: Int[Array, " M"] | None = None,
    *,
    rng: np.random.Generator,
    splits: int = 100,
) -> Float[Array, "*batch"]:
    """AUC-shuffled of the MIT benchmark's MATLAB code, averaged over its random splits.

    As `auc_borji`, but each split draws its negatives without replacement from the distinct
    fixated pixels of other images (ten random ones in the original).

    Args:
        saliency_map: Any scale.
        x: Columns of the fixations.
        y: Rows of the fixations.
        other_x: Columns of the fixations of ten other images.
        other_y: Rows of the same.
        image: Map of each fixation, where `saliency_map` is a batch.
        other_image: Map that each fixation of another image is a negative for, in a batch.
        rng: Draws the negatives.
        splits: Times that they are drawn.

    Raises:
        ConstantMapError: For a constant map.
        NoFixationError: Without fixations on this image or on others.
        ShapeError: If a fixation lies outside, or the map has NaN or infinities.
    """
    area = partial(_mit_area, rng=rng, splits=splits)
    return per_image(area, [saliency_map], (x, y, image), (other_x, other_y, other_image))


def _mit_area(
    saliency_map: Real[Array, "H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    other_x: Int[Array, " M"],
    other_y: Int[Array, " M"],
    rng: np.random.Generator,
    splits: int,
) -> Float[Array, ""]:
    values = scaled(saliency_map, "AUC-shuffled")
    fixated = values_at(values, *distinct_pixels(values, x, y))
    if not len(other_x):
        raise NoFixationError("AUC-shuffled needs fixations of other images, and there are none")
    elsewhere = values_at(values, *distinct_pixels(values, other_x, other_y))
    xp = array_namespace(values)
    drawn = min(len(fixated), len(elsewhere))
    areas = []
    for _ in range(splits):
        chosen = xp.asarray(rng.permutation(len(elsewhere))[:drawn], device=device(values))
        areas.append(area_over_steps(fixated, elsewhere[chosen]))
    return xp.mean(xp.stack(areas))
