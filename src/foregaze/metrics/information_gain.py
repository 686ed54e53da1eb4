"""Information gain of a model over a baseline, and the share of it that can be explained."""

import math

from array_api_compat import array_namespace
from jaxtyping import Float, Int, Real

from foregaze.errors import ShapeError
from foregaze.metrics.checks import (
    MATLAB_EPS,
    distinct_pixels,
    per_image,
    same_shape,
    scaled,
    values_at,
)
from foregaze.types import Array


def information_gain(
    log_density: Float[Array, "*batch H W"],
    baseline_log_density: Float[Array, "*batch H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    image: Int[Array, " N"] | None = None,
) -> Float[Array, " N"]:
    """Bits by which the model beats the baseline at each fixation.

    Kümmerer, Wallis & Bethge (2015), PNAS 112(52): (log p - log b) / log 2. Negative where the
    baseline is better. The mean over an image's fixations is the image's information gain. That
    the densities sum to one is not checked here, where only single pixels are read: an evaluation
    does, or `foregaze.metrics.checks.refuse_unnormalized`.

    Args:
        log_density: The model, in nats; `exp` sums to one.
        baseline_log_density: For instance the center bias from other images; as `log_density`.
        x: Columns of the fixations.
        y: Rows of the fixations.
        image: Map of each fixation, where the densities are batches.

    Raises:
        ShapeError: If shapes differ, a fixation lies outside, or a fixated pixel is not finite.
    """
    same_shape(log_density, baseline_log_density, "information gain")
    gain_nats: Float[Array, " N"] = values_at(log_density, x, y, image) - values_at(
        baseline_log_density, x, y, image
    )
    return gain_nats / math.log(2)


def information_gain_explained(
    gain: Float[Array, " I"], gold_standard_gain: Float[Array, " I"]
) -> Float[Array, ""]:
    """Share of the explainable information gain that a model explains: a ratio of means.

    Kümmerer, Wallis & Bethge (2015), PNAS 112(52). 0 is the baseline, 1 the gold standard; more
    than 1 is possible, because a gold standard is an estimate too.

    Args:
        gain: Information gain of the model on each of I images, in bits.
        gold_standard_gain: That of the gold standard over the same baseline.

    Raises:
        ShapeError: If the gold standard gains nothing: there is then no share of it.
    """
    same_shape(gain, gold_standard_gain, "explained information gain")
    xp = array_namespace(gain)
    gold = xp.mean(gold_standard_gain)
    if not bool(gold > 0):
        raise ShapeError(
            f"the gold standard gains {float(gold):.3g} bits over the baseline; only a share of "
            "a positive gain means something"
        )
    return xp.mean(gain) / gold


def information_gain_mit(
    saliency_map: Real[Array, "*batch H W"],
    baseline_map: Real[Array, "*batch H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
    image: Int[Array, " N"] | None = None,
) -> Float[Array, "*batch"]:
    """InfoGain of the MIT benchmark's MATLAB code, in bits, averaged over the image.

    Both maps are scaled from 0 to 1, divided by their sums and taken as densities; each fixated
    pixel counts once. Not comparable with `information_gain`.

    Args:
        saliency_map: Any scale.
        baseline_map: Any scale, for instance a center bias.
        x: Columns of the fixations.
        y: Rows of the fixations.
        image: Map of each fixation, where the maps are batches.

    Raises:
        ConstantMapError: If a map is constant.
        NoFixationError: Without fixations.
        ShapeError: If shapes differ, a fixation lies outside, or a map is not finite.
    """
    same_shape(saliency_map, baseline_map, "InfoGain")
    return per_image(_mean_gain, [saliency_map, baseline_map], (x, y, image))


def _mean_gain(
    saliency_map: Real[Array, "H W"],
    baseline_map: Real[Array, "H W"],
    x: Int[Array, " N"],
    y: Int[Array, " N"],
) -> Float[Array, ""]:
    columns, rows = distinct_pixels(saliency_map, x, y)
    xp = array_namespace(saliency_map)
    bits = []
    for values in (saliency_map, baseline_map):
        density = scaled(values, "InfoGain")
        density = density / xp.sum(density)
        bits.append(xp.log2(MATLAB_EPS + values_at(density, columns, rows)))
    return xp.mean(bits[0] - bits[1])
