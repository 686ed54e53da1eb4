import numpy as np
import pytest

from foregaze.data.centerbias import CenterBias
from foregaze.data.osie import load_osie
from foregaze.errors import DataError
from foregaze.evaluation.centerbias_fit import (
    SIGMAS_PX,
    UNIFORM_WEIGHTS,
    _leave_one_out_scores,
    fit_centerbias,
)

SIZE = (30, 40)


def test_scores_are_the_log_densities_that_the_center_bias_gives(toy_dataset):
    dataset = toy_dataset()
    scores = _leave_one_out_scores(dataset)  # (parameters, images)
    chosen = SIGMAS_PX.index(90.0) * len(UNIFORM_WEIGHTS) + UNIFORM_WEIGHTS.index(0.03)
    centerbias = CenterBias(dataset, sigma_px=90.0, uniform_weight=0.03)
    for image, fixations in enumerate(dataset.evidence_by_image()):
        log_density = centerbias.log_density(SIZE, exclude=image)
        expected = log_density[fixations.row, fixations.column].mean()
        assert scores[chosen, image] == pytest.approx(expected, abs=1e-3)


def test_an_image_has_no_say_in_its_own_parameters(toy_dataset):
    fitted = fit_centerbias(toy_dataset(lengths=(6, 5, 7, 6)))
    scores = _leave_one_out_scores(toy_dataset(lengths=(6, 5, 7, 6)))
    for fold, parameters in enumerate(fitted.chosen):
        mean = scores[:, fitted.fold_of != fold].mean(1)
        best = int(mean.argmax())
        assert parameters.sigma_px == SIGMAS_PX[best // len(UNIFORM_WEIGHTS)]
        assert parameters.uniform_weight == UNIFORM_WEIGHTS[best % len(UNIFORM_WEIGHTS)]


def test_the_choice_on_osie_is_the_known_one(osie_root):
    dataset = load_osie(osie_root)
    fitted = fit_centerbias(dataset.subset(range(0, 600, 4)))
    assert {parameters.sigma_px for parameters in fitted.chosen} <= {22.0, 26.0, 31.0, 37.0}
    assert max(parameters.uniform_weight for parameters in fitted.chosen) <= 0.01


def test_one_image_has_no_center_bias(toy_dataset):
    with pytest.raises(DataError, match="no center bias without evidence"):
        fit_centerbias(toy_dataset(lengths=(4,)))


def test_the_same_parameters_serve_other_evidence(toy_dataset):
    fitted = fit_centerbias(toy_dataset())
    other = fitted.on(toy_dataset(starts_at_center=False))
    assert other.chosen == fitted.chosen
    assert not np.allclose(other.log_density(SIZE, 0), fitted.log_density(SIZE, 0))


def test_the_description_gives_the_range_of_the_parameters(toy_dataset):
    assert "chosen on the images of the other folds" in fit_centerbias(toy_dataset()).describe()
