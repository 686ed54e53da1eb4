import numpy as np
import pytest

from foregaze.data.centerbias import CenterBias
from foregaze.data.osie import load_osie
from foregaze.errors import DataError
from foregaze.evaluation.centerbias_fit import (
    SIGMAS_PX,
    UNFITTED,
    UNIFORM_WEIGHTS,
    _scores,
    fit_centerbias,
)

SIZE = (30, 40)


def test_scores_are_the_log_densities_of_the_images_outside_the_fold(toy_dataset):
    dataset = toy_dataset(lengths=(6, 5, 7, 6, 4, 5))
    fold_of = np.array([0, 1, 2, 0, 1, 2])
    scores = _scores(dataset, fold_of)  # (folds, parameters, images)
    chosen = SIGMAS_PX.index(90.0) * len(UNIFORM_WEIGHTS) + UNIFORM_WEIGHTS.index(0.03)
    fixations = dataset.evidence_by_image()[1]
    kept = [0, 3, 4, 1]  # fold 2 is left out, and image 1 is scored
    centerbias = CenterBias(dataset.subset(kept), sigma_px=90.0, uniform_weight=0.03)
    log_density = centerbias.log_density(SIZE, exclude=3)
    expected = log_density[fixations.row, fixations.column].mean()
    assert scores[2, chosen, 1] == pytest.approx(expected, abs=1e-3)
    assert np.isnan(scores[1, :, 1]).all()


def test_an_image_has_no_say_in_its_own_parameters(toy_dataset):
    dataset = toy_dataset(lengths=(6, 5, 7, 6, 5, 8))
    before = fit_centerbias(dataset)
    rng = np.random.default_rng(0)
    for image in range(6):
        moved = toy_dataset(lengths=(6, 5, 7, 6, 5, 8))
        here = moved.fixations.image == image
        moved.fixations.x[here] = rng.random(here.sum()) * 39
        after = fit_centerbias(moved)
        fold = before.fold_of[image]
        assert after.chosen[fold] == before.chosen[fold]


def test_images_without_fixations_leave_nothing_to_choose_by(toy_dataset):
    with pytest.raises(DataError, match="no center bias without evidence"):
        fit_centerbias(toy_dataset(lengths=(4, 1, 1)))


def test_two_images_are_too_few_to_choose_by_and_the_report_says_so(toy_dataset):
    fitted = fit_centerbias(toy_dataset(lengths=(4, 5)))
    assert set(fitted.chosen) == {UNFITTED}
    assert "too few images to choose by" in fitted.describe()


def test_the_choice_on_osie_is_the_known_one(osie_root):
    dataset = load_osie(osie_root)
    fitted = fit_centerbias(dataset.subset(range(0, 600, 4)))
    assert {parameters.sigma_px for parameters in fitted.chosen} <= {22.0, 26.0, 31.0, 37.0}
    assert max(parameters.uniform_weight for parameters in fitted.chosen) <= 0.01


def test_one_image_has_no_center_bias(toy_dataset):
    with pytest.raises(DataError, match="one picture has no others"):
        fit_centerbias(toy_dataset(lengths=(4,)))


def test_the_same_parameters_serve_other_evidence(toy_dataset):
    fitted = fit_centerbias(toy_dataset())
    other = fitted.on(toy_dataset(starts_at_center=False))
    assert other.chosen == fitted.chosen
    assert not np.allclose(other.log_density(SIZE, 0), fitted.log_density(SIZE, 0))


def test_the_description_gives_the_range_of_the_parameters(toy_dataset):
    assert "chosen on the images of the other folds" in fit_centerbias(toy_dataset()).describe()
