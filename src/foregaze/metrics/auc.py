"""Area under the receiver operating characteristic, all pixels as negatives."""

from array_api_compat import array_namespace, device
from jaxtyping import Float, Int, Real

from foregaze.metrics.checks import check_positions, floating, maps_of
from foregaze.metrics.ranking import share_below
from foregaze.types import Array


def auc(
    saliency_map: Real[Array, "*batch H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    image: Int[Array, " N"] | None = None,
) -> Float[Array, " N"]:
    """Share of pixels with a smaller value than each fixated one, equal ones counted half.

    The mean over an image's fixations is the area under the curve with thresholds at all values
    (pysaliency's `AUC` with uniform nonfixations): no jitter, fixated pixels are negatives too.
    Only the order of the values matters, so that a density and its logarithm have the same. From
    0 to 1; a constant map has 0.5.

    Args:
        saliency_map: Any scale.
        x: Columns of the fixations.
        y: Rows of the fixations.
        image: Map of each fixation, where `saliency_map` is a batch.

    Raises:
        ShapeError: If a fixation lies outside, or the map has NaN or infinities.
    """
    saliency_map = floating(saliency_map)
    check_positions(saliency_map, x, y, image)
    xp = array_namespace(saliency_map)
    areas = xp.empty(len(x), dtype=xp.float64, device=device(saliency_map))
    for values, rows in maps_of(saliency_map, image):
        areas[rows] = share_below(values[y[rows], x[rows]], xp.reshape(values, (-1,)))
    return areas
