"""Similarity of a saliency map with an empirical one: the mass that they share."""

from array_api_compat import array_namespace
from jaxtyping import Float, Real

from foregaze.metrics.checks import as_distribution, same_shape, scaled
from foregaze.types import Array


def sim(
    saliency_map: Real[Array, "*batch H W"], empirical_map: Real[Array, "*batch H W"]
) -> Float[Array, "*batch"]:
    """Sum over the pixels of the smaller of both maps, each divided by its sum; from 0 to 1.

    Judd, Durand & Torralba (2012), MIT-CSAIL-TR-2012-001, as on the MIT/Tübingen benchmark: no
    scaling other than to a sum of one. A map with negative values is first shifted up to 0, one
    of zeros becomes uniform.

    Args:
        saliency_map: Any scale; best is `foregaze.ops.best_maps.sim_map` of a density.
        empirical_map: Blurred fixations (see `foregaze.ops.empirical`).

    Raises:
        ShapeError: If shapes differ, or a map has NaN or infinities.
    """
    same_shape(saliency_map, empirical_map, "SIM")
    predicted = as_distribution(saliency_map, "SIM")
    empirical = as_distribution(empirical_map, "SIM")
    xp = array_namespace(predicted)
    return xp.sum(xp.minimum(predicted, empirical), axis=(-2, -1))


def sim_mit(
    saliency_map: Real[Array, "*batch H W"], empirical_map: Real[Array, "*batch H W"]
) -> Float[Array, "*batch"]:
    """SIM of the MIT benchmark's MATLAB code: both maps first scaled to run from 0 to 1.

    Args:
        saliency_map: Any scale.
        empirical_map: Blurred fixations.

    Raises:
        ConstantMapError: If a map is constant, which cannot be scaled so.
        ShapeError: If shapes differ, or a map has NaN or infinities.
    """
    same_shape(saliency_map, empirical_map, "SIM")
    return sim(scaled(saliency_map, "SIM"), scaled(empirical_map, "SIM"))
