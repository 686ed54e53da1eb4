"""Normalized scanpath saliency."""

from array_api_compat import array_namespace
from jaxtyping import Float, Int, Real

from foregaze.metrics.checks import (
    centered,
    check_positions,
    distinct_pixels,
    per_image,
    values_at,
)
from foregaze.types import Array


def nss(
    saliency_map: Real[Array, "*batch H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    image: Int[Array, " N"] | None = None,
) -> Float[Array, " N"]:
    """Value at each fixation, in standard deviations above the mean over the map's pixels.

    Peters, Iyer, Itti & Koch (2005), Vision Research 45(18). The standard deviation is the
    population's (divided by H W), as in pysaliency and on the MIT/Tübingen benchmark. 0 is
    chance; scale and offset of the map do not matter. A density is its own best map.

    Args:
        saliency_map: Any scale, for instance a density: not its logarithm.
        x: Columns of the fixations.
        y: Rows of the fixations.
        image: Map of each fixation, where `saliency_map` is a batch.

    Raises:
        ConstantMapError: A constant map has no standard deviation to measure in, hence no NSS.
        ShapeError: A fixation lies outside, or the map has NaN or infinities.
    """
    check_positions(saliency_map, x, y, image)
    deviations, squares = centered(saliency_map, "NSS")  # (*batch, H, W), (*batch)
    pixels = saliency_map.shape[-2] * saliency_map.shape[-1]
    standard = array_namespace(squares).sqrt(squares / pixels)  # (*batch)
    return values_at(deviations, x, y, image) / (standard if image is None else standard[image])


def nss_mit(
    saliency_map: Real[Array, "*batch H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    image: Int[Array, " N"] | None = None,
) -> Float[Array, "*batch"]:
    """NSS as the MATLAB code of the MIT benchmark computes it, averaged over the image.

    Differs from `nss` in two ways: the sample's standard deviation (divided by H W - 1), and each
    fixated pixel counts once however often it was fixated.

    Args:
        saliency_map: Any scale.
        x: Columns of the fixations.
        y: Rows of the fixations.
        image: Map of each fixation, where `saliency_map` is a batch.

    Raises:
        ConstantMapError: For a constant map.
        NoFixationError: Without fixations.
        ShapeError: A fixation lies outside, or the map has NaN or infinities.
    """
    return per_image(_mean_of_distinct, [saliency_map], (x, y, image))


def _mean_of_distinct(
    saliency_map: Real[Array, "H W"], x: Int[Array, " N"], y: Int[Array, " N"]
) -> Float[Array, ""]:
    columns, rows = distinct_pixels(saliency_map, x, y)
    xp = array_namespace(saliency_map)
    pixels = saliency_map.shape[0] * saliency_map.shape[1]
    values = nss(saliency_map, columns, rows)
    return xp.mean(values) * ((pixels - 1) / pixels) ** 0.5
