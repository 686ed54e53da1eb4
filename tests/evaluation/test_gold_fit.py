import numpy as np
import pytest

from foregaze.data.centerbias import CenterBias
from foregaze.data.osie import load_osie
from foregaze.errors import DataError
from foregaze.evaluation.centerbias_fit import fit_centerbias
from foregaze.evaluation.gold_fit import fit_gold_standard
from foregaze.evaluation.gold_standard import GoldStandard


@pytest.fixture(scope="module")
def osie(osie_root):
    return load_osie(osie_root).subset(range(0, 600, 10))


@pytest.fixture(scope="module")
def centerbias(osie):
    return fit_centerbias(osie)


def mean_bits(osie, centerbias, log_density_at):
    """Mean over images of the mean LL in bits over uniform."""
    found = []
    for image, fixations in enumerate(osie.evidence_by_image()):
        prior = centerbias.log_density((600, 800), exclude=image)
        values = log_density_at(image)(fixations, prior, "image")
        found.append((values.mean() + np.log(480_000)) / np.log(2))
    return float(np.mean(found))


def test_fitted_mixture_is_at_least_as_good_as_the_known_one_for_osie(osie, centerbias):
    gold = fit_gold_standard(osie, centerbias)
    fitted = mean_bits(osie, centerbias, lambda i: gold.on(i).log_density_at_fixations)
    known = mean_bits(osie, centerbias, lambda i: GoldStandard().log_density_at_fixations)
    assert fitted == pytest.approx(known, abs=0.02)
    assert fitted > known - 0.005


def test_several_bandwidths_are_better_than_the_best_single_one(osie, centerbias):
    several = fit_gold_standard(osie, centerbias)
    single = fit_gold_standard(osie, centerbias, one_bandwidth=True)
    assert all(len(gold.sigmas_px) == 1 for gold in single.by_fold)
    assert mean_bits(
        osie, centerbias, lambda i: several.on(i).log_density_at_fixations
    ) > mean_bits(osie, centerbias, lambda i: single.on(i).log_density_at_fixations)


def test_weights_sum_to_one_and_leave_a_uniform_share(osie, centerbias):
    for gold in fit_gold_standard(osie, centerbias).by_fold:
        total = sum(gold.kernel_weights) + gold.centerbias_weight + gold.uniform_weight
        assert total == pytest.approx(1, abs=1e-12)
        assert gold.uniform_weight > 0


def test_gold_standard_lies_below_the_joint_bound_on_every_image(osie, centerbias):
    gold = fit_gold_standard(osie, centerbias)
    for image, fixations in enumerate(osie.evidence_by_image()):
        prior = centerbias.log_density((600, 800), exclude=image)
        alone = gold.on(image).log_density_at_fixations(fixations, prior, "image").mean()
        assert alone < gold.on(image).joint_log_density_at_fixations(fixations, prior).mean()


def test_maps_of_each_observer_hold_the_values_at_the_fixations(osie):
    prior = CenterBias(osie).log_density((600, 800), exclude=3)
    fixations = osie.evidence_by_image()[3]
    gold = GoldStandard()
    expected = gold.log_density_at_fixations(fixations, prior, "image")
    found = np.full(len(fixations), np.nan)
    for rows, log_density in gold.by_observer(fixations, prior, "image"):
        here = fixations.where(rows)
        found[rows] = log_density[here.row, here.column]
        assert np.exp(log_density).sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(found, expected, atol=2e-3)  # kernels sum to one on pixels only


def test_single_observers_have_no_gold_standard(toy_dataset):
    dataset = toy_dataset(observers=1)
    with pytest.raises(DataError, match="no image has evidence fixations of two observers"):
        fit_gold_standard(dataset, fit_centerbias(dataset))
