"""Kullback-Leibler divergence of a saliency map from an empirical one."""

from array_api_compat import array_namespace
from jaxtyping import Float, Real

from foregaze.metrics.checks import MATLAB_EPS, as_distribution, same_shape
from foregaze.types import Array


def kldiv(
    saliency_map: Real[Array, "*batch H W"], empirical_map: Real[Array, "*batch H W"]
) -> Float[Array, "*batch"]:
    """KL(empirical || predicted) of each image in nats, at least 0 up to the constants' rounding.

    The definition of both the MIT/Tübingen benchmark and the older MATLAB code: both maps are
    divided by their sums, sum Q log(e + Q / (P + e)) with e = 2.2204e-16. A map with negative
    values is first shifted up to 0, one of zeros becomes uniform. It punishes a prediction of
    about zero where people did look: zeros of 8-bit images make it explode.

    Args:
        saliency_map: Any scale; best is a density blurred as the empirical map is.
        empirical_map: Blurred fixations (see `foregaze.ops.empirical`).

    Raises:
        ShapeError: If shapes differ, or a map has NaN or infinities.
    """
    same_shape(saliency_map, empirical_map, "KLDiv")
    predicted = as_distribution(saliency_map, "KLDiv")
    empirical = as_distribution(empirical_map, "KLDiv")
    xp = array_namespace(predicted)
    ratio = empirical / (predicted + MATLAB_EPS)
    return xp.sum(empirical * xp.log(MATLAB_EPS + ratio), axis=(-2, -1))
