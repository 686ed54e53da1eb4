from dataclasses import replace

import numpy as np
import pytest

from foregaze.evaluation import fit_references
from tests.evaluation.conftest import dataset_of_points


def test_other_fixations_are_those_of_all_other_images(toy_dataset):
    dataset = toy_dataset(lengths=(4, 7, 3))
    references = fit_references(dataset)
    x, y = references.other_fixations(1)
    evidence = dataset.evidence()
    elsewhere = evidence.where(evidence.image != 1)
    np.testing.assert_array_equal(x, elsewhere.column)
    np.testing.assert_array_equal(y, elsewhere.row)


def test_other_fixations_leave_out_copies_of_the_picture(toy_dataset):
    dataset = replace(toy_dataset(lengths=(4, 7, 3)), same_picture=(("0.png", "1.png"),))
    assert len(fit_references(dataset).other_fixations(1)[0]) == 3 * 2


def test_other_fixations_move_by_their_relative_position():
    dataset = dataset_of_points([np.array([[10.0, 5.0], [39.9, 29.9]])] * 2, (30, 40))
    sizes = ((30, 40), (60, 100))
    dataset = replace(dataset, stimuli=replace(dataset.stimuli, sizes=sizes))
    x, y = fit_references(dataset).other_fixations(1)
    assert (x.tolist(), y.tolist()) == ([25, 99], [10, 59])


def test_negatives_of_the_old_benchmark_come_from_some_images(toy_dataset):
    references = fit_references(toy_dataset(lengths=(3, 3, 3, 3)))
    x, _ = references.other_fixations(0, 2)
    assert len(x) == 2 * 3 * 2
    np.testing.assert_array_equal(x, references.other_fixations(0, 2)[0])


def test_center_bias_of_an_image_comes_from_the_others(toy_dataset):
    references = fit_references(toy_dataset())
    before = references.centerbias_on(1)
    moved = toy_dataset()
    moved.fixations.x[moved.fixations.image == 1] = 1.0
    after = references.on(moved).centerbias_on(1)
    np.testing.assert_allclose(before, after)


@pytest.mark.parametrize(
    ("lengths", "observers", "missing"),
    [((4,), 3, {"centerbias", "gold"}), ((4, 5), 1, {"gold"}), ((4, 5), 2, set())],
)
def test_what_a_data_set_does_not_allow_is_absent_with_its_reason(
    toy_dataset, lengths, observers, missing
):
    references = fit_references(toy_dataset(lengths=lengths, observers=observers))
    assert references.absent.keys() == missing
    assert (references.centerbias is None) == ("centerbias" in missing)
    assert (references.gold is None) == ("gold" in missing)
    assert all(references.describe().values())
