from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from foregaze.errors import DataError
from foregaze.evaluation import BASELINES, evaluate, fit_references
from foregaze.evaluation.baselines import gaussian_log_density


@pytest.fixture(scope="module")
def scored():
    from tests.evaluation.conftest import make_dataset

    dataset = make_dataset(lengths=(9, 12, 10, 11, 8, 9), observers=5)
    references = fit_references(dataset)
    return {
        name: evaluate(make(references), dataset, references=references)
        for name, make in BASELINES.items()
    }


def test_every_baseline_has_its_name_and_a_likelihood(scored):
    for name, report in scored.items():
        assert report.model == name
        assert report.metrics["LL"].mean is not None


def test_uniform_is_worth_no_bits(scored):
    assert scored["uniform"].metrics["LL"].mean == pytest.approx(0, abs=1e-12)


def test_gold_standard_explains_all_of_itself(scored):
    report = scored["gold-standard"]
    assert report.metrics["IG"].mean == pytest.approx(
        np.mean(report.per_image["gold_IG"]), abs=5e-3
    )  # the map is normalized over pixels, the values at fixations are not
    assert report.metrics["IGE"].mean == pytest.approx(1, abs=5e-3)


def test_gold_standard_lies_between_the_center_bias_and_the_joint_bound(scored):
    values = [
        scored[name].metrics["LL"].mean for name in ("centerbias", "gold-standard", "joint-bound")
    ]
    assert values == sorted(values)


def test_gold_standard_has_no_map_of_an_image_to_compare(scored):
    report = scored["gold-standard"]
    assert report.metrics["CC"].mean is None
    assert "has one per observer" in report.evidence.absent["CC"]
    assert scored["joint-bound"].metrics["CC"].mean > 0.8


def test_center_bias_is_worth_nothing_in_shuffled_auc(scored):
    assert scored["centerbias"].metrics["sAUC"].mean == 0.5


def test_gaussian_density_has_the_mean_and_spread_of_the_fixations():
    rng = np.random.default_rng(0)
    x, y = rng.normal(60, 9, 400), rng.normal(30, 5, 400)
    log_density = gaussian_log_density(x, y, (80, 120))
    density = np.exp(log_density)
    assert density.sum() == pytest.approx(1, abs=1e-12)
    columns = norm.pdf(np.arange(120) + 0.5, x.mean(), x.std())
    rows = norm.pdf(np.arange(80) + 0.5, y.mean(), y.std())
    expected = 0.99 * np.outer(rows, columns) / (rows.sum() * columns.sum()) + 0.01 / 9600
    np.testing.assert_allclose(density, expected, rtol=1e-10)


def test_what_a_data_set_does_not_allow_is_absent_with_its_reason(toy_dataset):
    dataset = toy_dataset(observers=1)
    references = fit_references(dataset)
    with pytest.raises(DataError, match="two observers"):
        BASELINES["gold-standard"](references).on(0)
    report = evaluate(BASELINES["joint-bound"](references), dataset, references=references)
    assert report.metrics["NSS"].mean is None
    assert "two observers" in report.evidence.absent["NSS"]


def test_one_image_with_one_observer_leaves_a_dash_and_no_error(toy_dataset):
    dataset = toy_dataset(lengths=(5, 6, 5, 6))
    kept = (dataset.fixations.image != 2) | (dataset.fixations.observer == 0)
    dataset = replace(dataset, fixations=dataset.fixations.where(kept))
    references = fit_references(dataset)
    report = evaluate(BASELINES["gold-standard"](references), dataset, references=references)
    assert report.metrics["NSS"].mean is None
    assert "image 2.png has evidence fixations of 1 observer" in report.evidence.absent["NSS"]
    assert report.per_image["NSS"][1] is not None


def test_models_are_scored_group_by_group_as_their_fixations_are_listed(toy_dataset):
    dataset = toy_dataset()
    references = fit_references(dataset)
    report = evaluate(
        BASELINES["gold-standard"](references), dataset, references=references, metrics=["NSS"]
    )
    fixations = references.fixations_on[1]
    prior = references.centerbias_on(1)
    values = np.empty(len(fixations))
    for rows, log_density in references.gold.on(1).by_observer(fixations, prior, "1"):
        here = fixations.where(rows)
        density = np.exp(log_density)
        values[rows] = (density[here.row, here.column] - density.mean()) / density.std()
    assert report.per_image["NSS"][1] == pytest.approx(values.mean())
