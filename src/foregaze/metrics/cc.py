"""Correlation of a saliency map with an empirical one."""

from array_api_compat import array_namespace
from jaxtyping import Float, Real

from foregaze.metrics.checks import centered, same_shape
from foregaze.types import Array


def cc(
    saliency_map: Real[Array, "*batch H W"], empirical_map: Real[Array, "*batch H W"]
) -> Float[Array, "*batch"]:
    """Pearson's correlation over the pixels of each image, from -1 to 1; 0 is chance.

    Jost, Ouerhani, von Wartburg, Müri & Hügli (2005), Computer Vision and Image Understanding
    100(1-2). Scale and offset of either map do not matter. pysaliency gives a constant prediction
    0; here it is an error, because it has no correlation.

    Args:
        saliency_map: Any scale; best is a density blurred as the empirical map is.
        empirical_map: Blurred fixations (see `foregaze.ops.empirical`).

    Raises:
        ConstantMapError: If a map is constant.
        ShapeError: If shapes differ, or a map has NaN or infinities.
    """
    same_shape(saliency_map, empirical_map, "CC")
    xp = array_namespace(saliency_map)
    predicted, predicted_squares = centered(saliency_map, "CC")
    empirical, empirical_squares = centered(empirical_map, "CC")
    product = xp.sum(predicted * empirical, axis=(-2, -1))
    return product / (xp.sqrt(predicted_squares) * xp.sqrt(empirical_squares))
