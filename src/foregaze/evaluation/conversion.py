"""A density for any saliency map, so that every model has a likelihood and an information gain.

A map S becomes log p = g(S blurred) + a log c - log Z: g is monotone and piecewise linear with its
knots at quantiles of the map's values on all and on fixated pixels, c the center bias (from other
images), a at least 0, and 0.1% uniform density. Given the blur this is a log-linear model of the
knots' increments and a, with one best fit, found by L-BFGS on the mean log-likelihood of fixations
on the images of the other folds. The blur is the one of a few with the best likelihood on images
that its fits did not see, none of them in the fold that it is used on. After Kümmerer, Wallis &
Bethge (2015), PNAS 112(52), where the center bias is fitted too.

Letters: `K` knots, `M` pixels that stand for an image's, `N` fixations.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize

from foregaze.errors import DataError
from foregaze.evaluation.centerbias_fit import FittedCenterBias, spread
from foregaze.evaluation.maps import PredictedMaps
from foregaze.evaluation.models import SpatialModel
from foregaze.evaluation.references import References
from foregaze.ops.gaussian import blur

KNOTS = 24
BLURS = (0.0, 0.01, 0.025)
"""Candidate blurs, as shares of the image's width."""
IMAGES = 250
"""Images that a conversion is fitted to, at most, spread evenly over the data set."""
UNIFORM_WEIGHT = 0.001
"""Bounds what a map can lose that is zero where somebody looked."""
_TOP_PIXELS = 1000
_OTHER_PIXELS = 2000
_PENALTY = 1e-6
"""On squared increments: keeps knots that no pixel reaches from drifting."""


@dataclass(frozen=True, eq=False)
class Conversion:
    """A fitted conversion from saliency maps to densities."""

    blur_share: float
    """Blur of the map, as a share of the image's width."""
    knots: Float[np.ndarray, " K"]
    """Values of the blurred map, ascending."""
    heights: Float[np.ndarray, " K"]
    """g at the knots in nats, not descending; constant beyond the outer ones."""
    centerbias_weight: float
    """a."""

    def log_density(
        self, saliency_map: Float[np.ndarray, "H W"], centerbias: Float[np.ndarray, "H W"]
    ) -> Float[np.ndarray, "H W"]:
        """Log density in nats; `exp` sums to one.

        Args:
            saliency_map: Of the model that this was fitted for.
            centerbias: Log density in nats at the image's size, from other images.
        """
        scores = self._scores(blurred(saliency_map, self.blur_share), centerbias)
        density = np.exp(scores - scores.max())
        density *= (1 - UNIFORM_WEIGHT) / density.sum()
        log_density: Float[np.ndarray, "H W"] = np.log(density + UNIFORM_WEIGHT / density.size)
        return log_density

    def likelihood(self, sample: "_Sample") -> float:
        """Mean log density in nats at the fixations of an image, from its sampled pixels."""
        scores = self._scores(sample.values, sample.prior) + sample.log_count
        peak = scores.max()
        at_fixations = self._scores(sample.fixated, sample.prior_at_fixations)
        density = np.exp(at_fixations - peak) / np.exp(scores - peak).sum()
        pixels = np.exp(sample.log_count).sum()
        mixed = (1 - UNIFORM_WEIGHT) * density + UNIFORM_WEIGHT / pixels
        return float(np.log(mixed).mean())

    def _scores(
        self, values: Float[np.ndarray, "*shape"], prior: Float[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """Log density up to a constant."""
        scores: Float[np.ndarray, "*shape"] = (
            np.interp(values, self.knots, self.heights) + self.centerbias_weight * prior
        )
        return scores


@dataclass(frozen=True, eq=False)
class _Sample:
    """What the fit sees of one image: values and center bias at some pixels and the fixations."""

    values: Float[np.ndarray, " M"]
    prior: Float[np.ndarray, " M"]
    log_count: Float[np.ndarray, " M"]
    """Log of how many pixels each of these stands for."""
    fixated: Float[np.ndarray, " N"]
    prior_at_fixations: Float[np.ndarray, " N"]


def with_densities(
    model: SpatialModel,
    references: References,
    *,
    best_maps: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> SpatialModel:
    """A model of saliency maps with densities beside them, converted across folds.

    Args:
        model: Its predictions are saliency maps.
        references: Of the data set that it is scored on.
        best_maps: Score the density's best map by every metric; the saliency map as it is where
            this is left out.
        progress: Told how many of the images for the fit are read.

    Raises:
        DataError: If the data set has no center bias to convert with.
    """
    centerbias = references.centerbias
    if centerbias is None:
        raise DataError(f"saliency maps have no density: {references.absent['centerbias']}")
    by_fold = fit_conversions(model, references, centerbias, progress)

    def predict(image: int) -> PredictedMaps:
        saliency_map = _map(model, image)
        size = references.dataset.stimuli.sizes[image]
        prior = centerbias.log_density(size, exclude=image)
        conversion = by_fold[int(centerbias.fold_of[image])]
        log_density = conversion.log_density(saliency_map, prior)
        return PredictedMaps(log_density, None if best_maps else saliency_map)

    note = (
        "densities are fitted: a monotone function of the saliency map "
        f"(blurred by {100 * by_fold[0].blur_share:g}% of the width) times the center bias to the "
        f"power {by_fold[0].centerbias_weight:.2f} in the first fold, on the images of the others"
    )
    identity = f"{model.identity}, converted{', best maps' * best_maps}"
    return SpatialModel(model.name, predict, notes=(*model.notes, note), identity=identity)


def fit_conversions(
    model: SpatialModel,
    references: References,
    centerbias: FittedCenterBias,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Conversion]:
    """For each fold the conversion fitted on the images of the others."""
    usable = np.array([i for i, found in enumerate(references.fixations_on) if len(found)], int)
    images = spread(usable, IMAGES).tolist()
    samples: dict[float, list[_Sample]] = {share: [] for share in BLURS}
    for done, image in enumerate(images):
        for share, sample in _samples(model, references, centerbias, image).items():
            samples[share].append(sample)
        if progress is not None:
            progress(f"{model.name}: maps read", done + 1, len(images))
    fold_of = centerbias.fold_of[images]
    folds = int(centerbias.fold_of.max()) + 1
    if len(np.unique(fold_of)) < 2:
        raise DataError(f"{model.name}: too few images have fixations to fit densities on")
    fits = np.empty((folds, len(BLURS)), dtype=object)
    unseen = np.full((folds, len(BLURS)), np.nan)
    for fold in range(folds):
        for b, share in enumerate(BLURS):
            inside = fold_of == fold
            fit = _fit(
                [s for s, held in zip(samples[share], inside, strict=True) if not held], share
            )
            held_out = [s for s, held in zip(samples[share], inside, strict=True) if held]
            fits[fold, b] = fit
            if held_out:
                unseen[fold, b] = np.mean([fit.likelihood(sample) for sample in held_out])
    conversions = []
    for fold in range(folds):
        elsewhere = np.arange(folds) != fold
        best = int(np.nanmean(unseen[elsewhere], axis=0).argmax())
        conversions.append(fits[fold, best])
    return conversions


def blurred(saliency_map: Float[np.ndarray, "H W"], share: float) -> Float[np.ndarray, "H W"]:
    """The map in float64, blurred by a share of its width; edges mirrored."""
    if share == 0:
        return saliency_map.astype(np.float64)
    return blur(saliency_map, share * saliency_map.shape[1], "reflect")


def _samples(
    model: SpatialModel, references: References, centerbias: FittedCenterBias, image: int
) -> dict[float, _Sample]:
    """One image under every candidate blur."""
    saliency_map = _map(model, image)
    size = references.dataset.stimuli.sizes[image]
    where = f"{model.name} on {references.dataset.stimuli.names[image]}"
    PredictedMaps(saliency_map=saliency_map).check(size, where)
    prior = centerbias.log_density(size, exclude=image)
    fixations = references.fixations_on[image]
    at = fixations.row, fixations.column
    found = {}
    for share in BLURS:
        values = blurred(saliency_map, share)
        pixels, log_count = _representatives(values)
        found[share] = _Sample(
            values.flat[pixels], prior.flat[pixels], log_count, values[at], prior[at]
        )
    return found


def _representatives(
    values: Float[np.ndarray, "H W"],
) -> tuple[Int[np.ndarray, " M"], Float[np.ndarray, " M"]]:
    """Flat indices of pixels that stand for all of a map's, and the log of each one's share.

    All of the largest values are there, which hold most of the mass but few pixels, and of the
    rest some from a regular grid.
    """
    flat = values.ravel()
    if len(flat) <= _TOP_PIXELS + _OTHER_PIXELS:
        return np.arange(len(flat)), np.zeros(len(flat))
    top = np.argpartition(flat, -_TOP_PIXELS)[-_TOP_PIXELS:]
    stride = max(1, int(np.sqrt(len(flat) / _OTHER_PIXELS)))
    rows, columns = (np.arange(stride // 2, length, stride) for length in values.shape)
    grid = (rows[:, None] * values.shape[1] + columns).ravel()
    others = np.setdiff1d(grid, top)
    counts = np.repeat([1.0, (len(flat) - len(top)) / len(others)], [len(top), len(others)])
    return np.concatenate([top, others]), np.log(counts)


def _fit(samples: Sequence[_Sample], blur_share: float) -> Conversion:
    """The best conversion for one blur."""
    everywhere = np.concatenate([sample.values for sample in samples])
    fixated = np.concatenate([sample.fixated for sample in samples])
    shares = np.linspace(0, 1, KNOTS // 2)
    knots = np.unique([np.quantile(everywhere, shares), np.quantile(fixated, shares)])
    if len(knots) < 2:  # constant maps: any two knots give a constant function
        knots = np.array([knots[0], knots[0] + 1.0])
    pixels = [_Hats(sample.values, knots) for sample in samples]
    # mean hat functions and mean log center bias at the fixations, images weighing alike
    target = np.mean([_Hats(s.fixated, knots).mean() for s in samples], axis=0)  # (K,)
    prior_target = float(np.mean([s.prior_at_fixations.mean() for s in samples]))

    def loss(parameters: Float[np.ndarray, " K"]) -> tuple[float, Float[np.ndarray, " K"]]:
        increments, weight = parameters[:-1], parameters[-1]
        heights = np.append(0.0, np.cumsum(increments))
        likelihood = float(heights @ target) + weight * prior_target
        gradient, prior_gradient = target.copy(), prior_target
        for sample, hats in zip(samples, pixels, strict=True):
            scores = hats.of(heights) + weight * sample.prior + sample.log_count
            peak = scores.max()
            density = np.exp(scores - peak)
            total = density.sum()
            density /= total
            likelihood -= (peak + np.log(total)) / len(samples)
            gradient -= hats.expected(density) / len(samples)
            prior_gradient -= float(density @ sample.prior) / len(samples)
        by_increment = np.cumsum(gradient[::-1])[::-1][1:]
        slope = np.append(by_increment, prior_gradient) - 2 * _PENALTY * parameters
        return _PENALTY * float(parameters @ parameters) - likelihood, -slope

    start = np.append(np.full(len(knots) - 1, 0.1), 1.0)
    bounds = [(0.0, None)] * len(start)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    heights = np.append(0.0, np.cumsum(best.x[:-1]))
    return Conversion(blur_share, knots, heights, float(best.x[-1]))


class _Hats:
    """Piecewise linear functions of some values: for each the knot below it, and how far above."""

    def __init__(self, values: Float[np.ndarray, " M"], knots: Float[np.ndarray, " K"]) -> None:
        inside = np.clip(values, knots[0], knots[-1])
        self.below = np.clip(np.searchsorted(knots, inside, side="right") - 1, 0, len(knots) - 2)
        self.above = (inside - knots[self.below]) / np.diff(knots)[self.below]
        self.knots = len(knots)

    def of(self, heights: Float[np.ndarray, " K"]) -> Float[np.ndarray, " M"]:
        """The function with these heights at the knots."""
        values: Float[np.ndarray, " M"] = (
            heights[self.below] + self.above * np.diff(heights)[self.below]
        )
        return values

    def expected(self, weights: Float[np.ndarray, " M"]) -> Float[np.ndarray, " K"]:
        """Weighted sum of each knot's hat function."""
        at_lower = np.bincount(self.below, weights * (1 - self.above), self.knots)
        expected: Float[np.ndarray, " K"] = at_lower + np.bincount(
            self.below + 1, weights * self.above, self.knots
        )
        return expected

    def mean(self) -> Float[np.ndarray, " K"]:
        """Mean of each knot's hat function."""
        return self.expected(np.full(len(self.above), 1 / len(self.above)))


def _map(model: SpatialModel, image: int) -> Float[np.ndarray, "H W"]:
    predicted = model.predict(image)
    if not isinstance(predicted, PredictedMaps):
        return predicted
    assert predicted.saliency_map is not None
    return predicted.saliency_map
