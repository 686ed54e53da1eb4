"""AUC-Borji of the MIT benchmark's MATLAB code: random pixels as negatives."""

from functools import partial

import numpy as np
from array_api_compat import array_namespace, device
from jaxtyping import Float, Int, Real

from foregaze.metrics.checks import NoFixationError, distinct_pixels, per_image, scaled, values_at
from foregaze.metrics.curve import area_over_steps
from foregaze.types import Array


def auc_borji(
    saliency_map: Real[Array, "*batch H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    image: Int[Array, " N"] | None = None,
    *,
    rng: np.random.Generator,
    splits: int = 100,
) -> Float[Array, "*batch"]:
    """Area under a curve with thresholds at steps of 0.1, averaged over random splits.

    Borji, Sihite & Itti (2013), IEEE Transactions on Image Processing 22(1), as in the MIT
    benchmark's MATLAB code (Bylinskii, Judd, Oliva, Torralba & Durand 2019). Each split draws as
    many pixels of the image as were fixated, with replacement; each fixated pixel counts once.
    The coarse thresholds make the value depend on the scale of the map.

    Args:
        saliency_map: Any scale; it is brought to run from 0 to 1.
        x: Columns of the fixations.
        y: Rows of the fixations.
        image: Map of each fixation, where `saliency_map` is a batch.
        rng: Draws the negatives.
        splits: Times that they are drawn.

    Raises:
        ConstantMapError: For a constant map.
        NoFixationError: With fewer than two fixated pixels, for which the original has none.
        ShapeError: If a fixation lies outside, or the map has NaN or infinities.
    """
    area = partial(_area, rng=rng, splits=splits)
    return per_image(area, [saliency_map], (x, y, image))


def _area(
    saliency_map: Real[Array, "H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    rng: np.random.Generator,
    splits: int,
) -> Float[Array, ""]:
    values = scaled(saliency_map, "AUC-Borji")
    columns, rows = distinct_pixels(values, x, y)
    if len(columns) < 2:
        raise NoFixationError("AUC-Borji needs two fixated pixels, and there is one")
    fixated = values_at(values, columns, rows)
    xp = array_namespace(values)
    pixels = xp.reshape(values, (-1,))
    areas = []
    for _ in range(splits):
        drawn = rng.integers(len(pixels), size=len(fixated))
        areas.append(area_over_steps(fixated, pixels[xp.asarray(drawn, device=device(values))]))
    return xp.mean(xp.stack(areas))
