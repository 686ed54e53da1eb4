import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from foregaze.errors import DataError, ShapeError
from foregaze.evaluation import SpatialModel, evaluate, fit_references
from foregaze.evaluation.conversion import (
    Conversion,
    _representatives,
    fit_conversions,
    with_densities,
)
from foregaze.evaluation.maps import PredictedMaps
from foregaze.ops.logdensity import sample_pixels
from tests.evaluation.conftest import dataset_of_points

SIZE = (48, 64)
IMAGES = 24


def truth(image: int) -> np.ndarray:
    """Log density that the fixations of an image are drawn from."""
    rng = np.random.default_rng(image)
    score = gaussian_filter(rng.standard_normal(SIZE), 4) * 25
    rows, columns = np.indices(SIZE)
    score -= ((rows - 24) ** 2 + (columns - 32) ** 2) / (2 * 20.0**2)
    return score - np.log(np.exp(score).sum())


@pytest.fixture(scope="module")
def sampled():
    rng = np.random.default_rng(0)
    return dataset_of_points([sample_pixels(truth(i), 300, rng) for i in range(IMAGES)], SIZE)


@pytest.fixture(scope="module")
def references(sampled):
    return fit_references(sampled)


def squashed(image: int) -> PredictedMaps:
    """A monotone function of the density without its center bias: what a saliency map may be."""
    rng = np.random.default_rng(image)
    score = gaussian_filter(rng.standard_normal(SIZE), 4) * 25
    return PredictedMaps(saliency_map=100 / (1 + np.exp(-score / 2)))


def test_conversion_recovers_the_density_behind_a_squashed_map(sampled, references):
    converted = with_densities(SpatialModel("squashed", squashed), references)
    report = evaluate(converted, sampled, references=references, metrics=["LL", "AUC"])
    best = evaluate(SpatialModel("truth", truth), sampled, references=references, metrics=["LL"])
    # the center bias comes from 23 images here, which costs the rest
    assert report.metrics["LL"].mean == pytest.approx(best.metrics["LL"].mean, abs=0.15)
    assert report.metrics["AUC"].mean is not None


def test_monotone_functions_of_the_map_change_little(sampled, references):
    plain = with_densities(SpatialModel("plain", squashed), references)
    cubed = with_densities(
        SpatialModel("cubed", lambda i: PredictedMaps(saliency_map=squashed(i).saliency_map ** 3)),
        references,
    )
    gains = [
        evaluate(model, sampled, references=references, metrics=["LL"]).metrics["LL"].mean
        for model in (plain, cubed)
    ]
    assert gains[0] == pytest.approx(gains[1], abs=0.03)


def test_a_map_that_says_nothing_becomes_the_center_bias(sampled, references):
    noise = SpatialModel(
        "noise",
        lambda i: PredictedMaps(saliency_map=np.random.default_rng(1000 + i).random(SIZE)),
    )
    report = evaluate(
        with_densities(noise, references), sampled, references=references, metrics=["IG"]
    )
    assert report.metrics["IG"].mean == pytest.approx(0, abs=0.03)


def test_a_constant_map_becomes_the_center_bias(sampled, references):
    flat = SpatialModel("flat", lambda i: PredictedMaps(saliency_map=np.ones(SIZE)))
    report = evaluate(
        with_densities(flat, references), sampled, references=references, metrics=["IG"]
    )
    assert report.metrics["IG"].mean == pytest.approx(0, abs=0.02)


def test_function_is_monotone_and_fitted_without_the_scored_fold(sampled, references):
    model = SpatialModel("squashed", squashed)
    by_fold = fit_conversions(model, references, references.centerbias)
    assert len(by_fold) == 5
    for conversion in by_fold:
        assert np.all(np.diff(conversion.heights) >= 0)
        assert conversion.centerbias_weight >= 0
    assert len({conversion.centerbias_weight for conversion in by_fold}) == 5


def test_the_map_itself_is_what_other_metrics_see(references):
    model = SpatialModel("squashed", squashed)
    as_it_is = with_densities(model, references).predict(3)
    np.testing.assert_array_equal(as_it_is.saliency_map, squashed(3).saliency_map)
    assert with_densities(model, references, best_maps=True).predict(3).saliency_map is None


@given(st.integers(0, 2**32 - 1), st.floats(0, 2))
def test_every_conversion_gives_a_density(seed, weight):
    rng = np.random.default_rng(seed)
    conversion = Conversion(0.025, np.sort(rng.random(5)), np.cumsum(rng.random(5)), weight)
    uniform = np.full((6, 8), -np.log(48))
    log_density = conversion.log_density(rng.random((6, 8)), uniform)
    assert np.exp(log_density).sum() == pytest.approx(1, abs=1e-12)


def test_a_map_of_another_size_is_refused(references):
    wrong = SpatialModel("wrong", lambda i: PredictedMaps(saliency_map=np.ones((4, 4))))
    with pytest.raises(ShapeError, match=r"wrong on 0\.png: saliency map has shape \(4, 4\)"):
        with_densities(wrong, references)


def test_one_image_is_not_enough(toy_dataset):
    references = fit_references(toy_dataset(lengths=(4,)))
    with pytest.raises(DataError, match="saliency maps have no density"):
        with_densities(SpatialModel("m", squashed), references)


def peaked(image: int) -> np.ndarray:
    """Log density with most of its mass on few pixels."""
    rng = np.random.default_rng(500 + image)
    rows, columns = np.indices((150, 200))
    density = np.full((150, 200), 0.1 / 30_000)
    for _ in range(3):
        y, x = rng.integers(15, 135), rng.integers(15, 185)
        spot = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 3.0**2))
        density += 0.3 * spot / spot.sum()
    return np.log(density / density.sum())


@pytest.mark.parametrize("levels", [None, 256])
def test_peaked_maps_of_another_program_keep_a_sensible_likelihood(levels):
    rng = np.random.default_rng(0)
    points = [sample_pixels(peaked(i), 60, rng) for i in range(30)]
    dataset = dataset_of_points(points, (150, 200))
    references = fit_references(dataset)

    def as_written(image: int) -> PredictedMaps:
        density = np.exp(peaked(image))
        scaled = density / density.max()
        return PredictedMaps(saliency_map=scaled if levels is None else np.rint(scaled * 255))

    report = evaluate(
        with_densities(SpatialModel("written", as_written), references),
        dataset,
        references=references,
        metrics=["LL"],
    )
    best = evaluate(SpatialModel("p", peaked), dataset, references=references, metrics=["LL"])
    assert report.metrics["LL"].mean > best.metrics["LL"].mean - 0.35
    assert min(report.per_image["LL"]) > 1


def test_sampled_pixels_stand_for_all_of_a_map():
    values = np.exp(peaked(0))
    pixels, log_count = _representatives(values)
    assert np.exp(log_count).sum() == pytest.approx(values.size)
    assert len(np.unique(pixels)) == len(pixels) < values.size / 5
    assert values.ravel()[pixels].max() == values.max()
    total = (values.ravel()[pixels] * np.exp(log_count)).sum()
    assert total == pytest.approx(1, abs=0.02)
