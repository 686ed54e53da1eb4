"""AUC-Judd of the MIT benchmark's MATLAB code: unfixated pixels as negatives."""

from functools import partial

import numpy as np
from array_api_compat import array_namespace, device
from jaxtyping import Float, Int, Real

from foregaze.metrics.checks import NoFixationError, distinct_pixels, per_image, scaled, values_at
from foregaze.metrics.curve import trapezoid
from foregaze.metrics.ranking import count_below
from foregaze.types import Array

_JITTER = 1e-7


def auc_judd(
    saliency_map: Real[Array, "*batch H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    image: Int[Array, " N"] | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> Float[Array, "*batch"]:
    """Area under a curve with thresholds at the fixated values, per image.

    Judd, Ehinger, Durand & Torralba (2009), ICCV, as in the MIT benchmark's MATLAB code: each
    fixated pixel counts once; at the i-th largest fixated value i of N_f are hits, and the pixels
    that reach it, less i, out of all unfixated ones are false alarms. Without `rng`, fixated pixels
    of equal value thus are hits only of later thresholds and false alarms until then, and maps
    with ties, such as 8-bit ones, score too low: give one for those, as the original always does.

    Args:
        saliency_map: Any scale; with `rng`, one on which 1e-7 is small, for instance 0 to 1.
        x: Columns of the fixations.
        y: Rows of the fixations.
        image: Map of each fixation, where `saliency_map` is a batch.
        rng: Adds the original's noise of up to 1e-7, which breaks ties at random; none without.

    Raises:
        ConstantMapError: For a constant map.
        NoFixationError: Without fixations, or with every pixel fixated.
        ShapeError: If a fixation lies outside, or the map has NaN or infinities.
    """
    return per_image(partial(_area, rng=rng), [saliency_map], (x, y, image))


def _area(
    saliency_map: Real[Array, "H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    rng: np.random.Generator | None,
) -> Float[Array, ""]:
    xp = array_namespace(saliency_map)
    if rng is not None:
        noise = rng.random(tuple(saliency_map.shape)) * _JITTER
        saliency_map = saliency_map + xp.asarray(noise, device=device(saliency_map))
    values = scaled(saliency_map, "AUC-Judd")
    fixated = xp.sort(values_at(values, *distinct_pixels(values, x, y)), descending=True)
    pixels = xp.reshape(values, (-1,))
    if len(fixated) == len(pixels):
        raise NoFixationError("AUC-Judd needs unfixated pixels, and every pixel is fixated")
    hit = xp.arange(1, len(fixated) + 1, dtype=xp.float64, device=device(values))
    smaller, _ = count_below(fixated, pixels)
    false_alarms = (len(pixels) - smaller - hit) / (len(pixels) - len(fixated))
    zero = hit[:1] * 0
    return trapezoid(xp.concat([zero, hit / len(fixated)]), xp.concat([zero, false_alarms]))
