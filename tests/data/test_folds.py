from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from foregaze.data.folds import assign_folds, published_folds, split_validation, without_pictures
from foregaze.data.osie import SAME_PICTURE, load_osie
from foregaze.errors import DataError
from foregaze.training.branch import make_part
from foregaze.training.recipe import Recipe
from foregaze.types import EyeTrackingDataset, Fixations, Stimuli

NAMES = [f"{number}.jpg" for number in range(1001, 1701)]


def dataset(names: list[str]) -> EyeTrackingDataset:
    none = np.zeros(0)
    index = none.astype(np.int64)
    return EyeTrackingDataset(
        name="toy",
        stimuli=Stimuli(
            tuple(Path(name) for name in names),
            ((6, 8),) * len(names),
            lambda path: np.zeros((6, 8, 3), np.uint8),
        ),
        fixations=Fixations(index, index, index, none, none, none),
        starts_at_center=True,
        px_per_dva=None,
        same_picture=SAME_PICTURE,
    )


def fold_by_name(names: list[str], folds: int, seed: int = 0) -> dict[str, int]:
    return dict(zip(names, assign_folds(dataset(names), folds, seed).tolist(), strict=True))


def test_folds_of_osie_stay_what_they_were(osie_root):
    """Reported numbers depend on them: a change here needs a line under Numbers."""
    osie = load_osie(osie_root)
    fold = dict(zip(osie.stimuli.names, assign_folds(osie, 5).tolist(), strict=True))
    pinned = ["1001.jpg", "1002.jpg", "1004.jpg", "1279.jpg", "1374.jpg", "1699.jpg"]
    assert [fold[name] for name in pinned] == [2, 4, 3, 2, 2, 3]
    assert np.bincount(list(fold.values())).tolist() == [120, 120, 121, 120, 119]


def test_folds_are_dealt_in_the_order_of_a_published_hash():
    # `printf 0/a.jpg | sha256sum`: a f855, b ee31, c 0835, d 55e8
    folds = fold_by_name(["a.jpg", "b.jpg", "c.jpg", "d.jpg"], 3)
    assert folds == {"c.jpg": 0, "d.jpg": 1, "b.jpg": 2, "a.jpg": 0}


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_folds_are_complete_and_balanced(folds):
    sizes = np.bincount(assign_folds(dataset(NAMES), folds), minlength=folds)
    assert len(sizes) == folds
    assert sizes.sum() == 700
    assert sizes.max() - sizes.min() <= 2  # one for the division, one for the second copy


def test_folds_do_not_depend_on_the_order_of_files():
    shuffled = [NAMES[i] for i in np.random.default_rng(0).permutation(len(NAMES))]
    assert fold_by_name(shuffled, 5) == fold_by_name(NAMES, 5)


def test_folds_do_not_follow_the_file_numbers():
    folds = assign_folds(dataset(NAMES), 5)
    early = np.bincount(folds[:350], minlength=5)
    assert early.min() > 45
    assert (np.diff(folds) == 1).mean() < 0.3  # in turn by number it would be 0.8


def test_copies_of_one_picture_share_their_fold_for_every_seed():
    for seed in range(20):
        fold = fold_by_name(NAMES, 10, seed)
        assert fold["1279.jpg"] == fold["1374.jpg"]


def test_copies_of_one_picture_keep_their_fold_when_the_other_is_missing():
    without = [name for name in NAMES if name != "1279.jpg"]
    assert fold_by_name(without, 5)["1374.jpg"] == fold_by_name(NAMES, 5)["1374.jpg"]


def test_another_seed_deals_other_folds():
    first, second = (assign_folds(dataset(NAMES), 5, seed) for seed in (0, 1))
    assert 0.1 < (first == second).mean() < 0.3


@pytest.mark.parametrize(("names", "folds"), [(NAMES[:3], 4), (NAMES[:9], 1), (["1279.jpg"], 2)])
def test_too_few_pictures_or_folds_are_refused(names, folds):
    with pytest.raises(DataError, match=f"toy: {len(names)} pictures cannot make {folds} folds"):
        assign_folds(dataset(names), folds)


def test_two_copies_are_one_picture():
    with pytest.raises(DataError, match="toy: 1 pictures cannot make 2 folds"):
        assign_folds(dataset(["1279.jpg", "1374.jpg"]), 2)


def test_validation_parts_the_indices_and_keeps_their_order():
    indices = list(range(600, 0, -2))
    fit, validation = split_validation(dataset(NAMES), indices, 40)
    assert 40 <= len(validation) <= 41
    assert sorted(fit + validation, reverse=True) == indices
    assert fit == sorted(fit, reverse=True)
    assert validation == sorted(validation, reverse=True)


def test_validation_images_are_the_same_whatever_the_order_of_indices():
    indices = list(range(500))
    _, first = split_validation(dataset(NAMES), indices, 30)
    _, second = split_validation(dataset(NAMES), indices[::-1], 30)
    assert sorted(first) == sorted(second)


def test_a_larger_validation_part_contains_the_smaller():
    parts = [set(split_validation(dataset(NAMES), range(700), n)[1]) for n in (10, 60)]
    assert parts[0] < parts[1]


def test_copies_of_one_picture_are_held_back_together():
    copies = [NAMES.index(name) for name in SAME_PICTURE[0]]
    toy = dataset(NAMES)
    for seed in range(20):
        fit, validation = split_validation(toy, range(700), 350, seed)
        assert all(i in fit for i in copies) or all(i in validation for i in copies)


def test_no_validation_images_leave_everything_to_fit():
    assert split_validation(dataset(NAMES), [4, 2, 9], 0) == ([4, 2, 9], [])


def test_pictures_are_left_out_with_their_copies():
    copies = SAME_PICTURE[0]
    names = ["1.jpg", copies[0], "2.jpg", copies[1], "3.jpg"]
    assert without_pictures(dataset(names), {"2.jpg", copies[1]}) == [0, 4]
    assert without_pictures(dataset(names), set()) == [0, 1, 2, 3, 4]


def test_validation_that_leaves_nothing_to_fit_is_refused():
    with pytest.raises(DataError, match="toy: 3 validation images leave none of 3 to fit"):
        split_validation(dataset(NAMES), [4, 2, 9], 3)


def test_validation_is_not_one_of_the_folds():
    """Its hash has other input than theirs, so it draws from all of them alike."""
    toy = replace(dataset(NAMES), same_picture=())
    _, validation = split_validation(toy, range(700), 140)
    assert np.bincount(assign_folds(toy, 5)[validation], minlength=5).min() > 15


MIT1003 = [f"{number}.jpeg" for number in range(1003)]


def test_published_folds_of_mit1003_have_the_sizes_of_the_paper():
    fold = published_folds(dataset(MIT1003), 10)
    assert np.bincount(fold).tolist() == [101] * 9 + [94]


def test_published_folds_are_chunks_of_one_shuffle():
    order = np.random.RandomState(42).permutation(1003)
    fold = published_folds(dataset(MIT1003), 10)
    chunks = np.array_split(order, range(101, 1003, 101))
    for number, chunk in enumerate(chunks):
        assert np.flatnonzero(fold == number).tolist() == sorted(chunk)


@pytest.fixture
def published():
    return Recipe.model_validate(
        {
            "name": "toy",
            "branches": [{"name": "b", "config": {}, "stages": [{"name": "eye", "epochs": 1}]}],
            "data": {"root": "mit1003", "folds": 10, "fold_scheme": "published"},
        }
    )


def test_a_published_part_is_validated_on_the_fold_before_its_own(published):
    toy = dataset(MIT1003)
    fold = published_folds(toy, 10)
    tested = []
    for number in range(10):
        part = make_part(published, toy, f"fold-{number}")
        assert sorted(part.fit + part.validation + part.test) == list(range(1003))
        assert {fold[i] for i in part.test} == {number}
        assert {fold[i] for i in part.validation} == {(number - 1) % 10}
        assert part.fold == fold.tolist()
        tested += part.test
    assert sorted(tested) == list(range(1003))
    first = make_part(published, toy, "fold-0")
    assert [len(images) for images in (first.fit, first.validation, first.test)] == [808, 94, 101]


def test_the_model_to_ship_is_fitted_to_all_published_folds(published):
    part = make_part(published, dataset(MIT1003), "all")
    assert (part.fit, part.validation, part.test) == (list(range(1003)), [], [])


@pytest.mark.parametrize(("names", "folds"), [(MIT1003[:9], 10), (MIT1003[:9], 1), (NAMES[:8], 5)])
def test_published_folds_without_images_are_refused(names, folds):
    with pytest.raises(DataError, match=f"toy: {len(names)} images cannot make {folds} folds"):
        published_folds(dataset(names), folds)
