from dataclasses import replace

import numpy as np
import pytest

from foregaze.evaluation import KNOWN, SpatialModel, evaluate, fit_references
from foregaze.metrics import METRICS, auc_judd, cc, emd, kldiv, nss_mit, shuffled_auc, sim, sim_mit
from foregaze.ops.best_maps import auc_map, blurred_map, sim_map
from foregaze.ops.empirical import empirical_map, empirical_map_mit
from foregaze.ops.logdensity import sample_pixels
from tests.evaluation.conftest import dataset_of_points

SIZE = (96, 128)


def truth(image: int) -> np.ndarray:
    rows, columns = np.indices(SIZE)
    score = -((columns - 30 - 9 * image) ** 2 + (rows - 60 + 6 * image) ** 2) / (2 * 14.0**2)
    density = np.exp(score) / np.exp(score).sum() * 0.95 + 0.05 / score.size
    return np.log(density)


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    return dataset_of_points([sample_pixels(truth(i), 150, rng) for i in range(8)], SIZE)


@pytest.fixture(scope="module")
def references(dataset):
    return fit_references(dataset)


@pytest.fixture(scope="module")
def report(dataset, references):
    model = SpatialModel("truth", truth)
    return evaluate(model, dataset, references=references, metrics=KNOWN)


def test_every_metric_of_a_report_is_known_and_finite(report):
    assert tuple(report.metrics) == KNOWN
    assert set(KNOWN) == {*METRICS, "IGE"}
    for metric in report.metrics.values():
        assert np.isfinite(metric.mean)
        assert metric.ci95[0] <= metric.mean <= metric.ci95[1]


def test_values_are_those_of_the_functions_with_each_best_map(report, references):
    image = 3
    log_density = truth(image)
    fixations = references.fixations_on[image]
    x, y = fixations.column, fixations.row
    sigma_px = 24 / 1024 * 128
    empirical = empirical_map(x, y, SIZE, sigma_px)
    blurred = blurred_map(log_density, sigma_px)
    best = sim_map(log_density, sigma_px, 150)
    over_prior = log_density - references.centerbias_on(image)
    others = references.other_fixations(image)
    expected = {
        "CC": cc(blurred, empirical),
        "KLDiv": kldiv(blurred, empirical),
        "SIM": sim(best, empirical),
        "SIM-MIT": sim_mit(best, empirical_map_mit(x, y, SIZE)),
        "EMD": emd(blurred, empirical_map_mit(x, y, SIZE)),
        "NSS-MIT": nss_mit(np.exp(log_density), x, y),
        "AUC-Judd": auc_judd(auc_map(log_density), x, y, rng=np.random.default_rng(image)),
        "sAUC": shuffled_auc(over_prior, x, y, *others).mean(),
    }
    for name, value in expected.items():
        assert report.per_image[name][image] == pytest.approx(float(value), abs=1e-12), name


def test_the_density_that_fixations_were_drawn_from_is_calibrated(report):
    for share, (low, high) in report.evidence.observed_mass:
        assert share == pytest.approx(0.1, abs=0.03)
        assert low < share < high


def test_a_density_that_is_too_flat_has_too_many_fixations_where_it_is_densest(dataset, references):
    def flat(image: int) -> np.ndarray:
        score = truth(image) / 2
        return score - np.log(np.exp(score).sum())

    report = evaluate(SpatialModel("flat", flat), dataset, references=references, metrics=["LL"])
    shares = [share for share, _ in report.evidence.observed_mass]
    assert shares[0] > 0.15
    assert shares[-1] < 0.05


@pytest.mark.parametrize(
    ("known", "sigma"),
    [({}, "3 px"), ({"px_per_dva": 7.0}, "7 px"), ({"px_per_dva": 7.0, "blur_px": 5.0}, "5 px")],
)
def test_empirical_maps_follow_the_data_set(dataset, known, sigma):
    report = evaluate(
        SpatialModel("truth", truth), replace(dataset, **known), metrics=["CC"], images=[0]
    )
    assert f"Gaussian of {sigma}" in report.references["empirical maps"]


def test_random_draws_of_old_metrics_are_the_same_again(report, dataset, references):
    again = evaluate(
        SpatialModel("truth", truth),
        dataset,
        references=references,
        metrics=["AUC-Borji", "sAUC-MIT"],
    )
    for name in ("AUC-Borji", "sAUC-MIT"):
        assert again.per_image[name] == report.per_image[name]
