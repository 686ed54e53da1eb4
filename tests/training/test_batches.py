import numpy as np
import pytest

from foregaze.training.batches import EpochBatches, batches_per_epoch
from foregaze.training.frames import View


def epoch(seed: tuple[int, ...], mirror: bool = True) -> list[list[View]]:
    sizes = [(96, 128)] * 10 + [(128, 96)] * 5
    return list(EpochBatches(range(15), sizes, 4, mirror=mirror, seed=seed))


def test_an_epoch_shows_each_image_once_in_batches_of_one_size():
    batches = epoch((0, 0))
    assert sorted(view.image for batch in batches for view in batch) == list(range(15))
    assert all(len({view.image < 10 for view in batch}) == 1 for batch in batches)
    sizes = [(96, 128)] * 10 + [(128, 96)] * 5
    assert len(batches) == batches_per_epoch(range(15), sizes, 4) == 5


def test_epochs_differ_from_each_other_and_repeat_for_a_seed():
    assert epoch((0, 0)) == epoch((0, 0))
    assert epoch((0, 0)) != epoch((0, 1))
    assert epoch((0, 0)) != epoch((1, 0))


def test_about_half_of_the_views_are_mirrored_and_none_where_not_asked():
    mirrored = [v.mirrored for seed in range(50) for batch in epoch((seed,)) for v in batch]
    assert np.mean(mirrored) == pytest.approx(0.5, abs=0.06)
    assert not any(v.mirrored for batch in epoch((0,), mirror=False) for v in batch)


SIZES = [(96, 128)] * 10 + [(128, 96)] * 5


def shared(ranks: int, batch_size: int = 4, seed: int = 0) -> list[list[list[View]]]:
    """The batches of each process."""
    return [
        list(
            EpochBatches(
                range(15), SIZES, batch_size, mirror=True, seed=(seed, 3), rank=rank, ranks=ranks
            )
        )
        for rank in range(ranks)
    ]


def unweighted(view: View) -> View:
    return view._replace(weight=1.0)


@pytest.mark.parametrize("ranks", [2, 3, 5])
@pytest.mark.parametrize("batch_size", [1, 4, 7])
def test_processes_together_see_what_one_does(ranks, batch_size):
    (alone,) = shared(1, batch_size)
    of_ranks = shared(ranks, batch_size)
    assert {len(batches) for batches in of_ranks} == {len(alone)}
    for whole, *parts in zip(alone, *of_ranks, strict=True):
        assert len({len(part) for part in parts}) == 1  # all wait for each other the same way
        weighty = [unweighted(view) for part in parts for view in part if view.weight]
        assert sorted(weighty) == sorted(whole)


@pytest.mark.parametrize("ranks", [2, 3, 5])
@pytest.mark.parametrize("batch_size", [1, 4, 7])
def test_the_mean_over_processes_of_their_means_is_the_mean_over_the_batch(ranks, batch_size):
    loss = np.random.default_rng(0).normal(size=15)
    (alone,) = shared(1, batch_size)
    uneven = 0
    for whole, *parts in zip(alone, *shared(ranks, batch_size), strict=True):
        means = [np.mean([view.weight * loss[view.image] for view in part]) for part in parts]
        assert np.mean(means) == pytest.approx(np.mean([loss[view.image] for view in whole]))
        uneven += len(whole) % ranks > 0
    assert uneven


def test_views_that_weigh_nothing_have_the_size_of_their_batch():
    for batches in shared(4, 5):
        for batch in batches:
            assert len({SIZES[view.image] for view in batch}) == 1


def test_one_process_weighs_all_views_alike():
    (alone,) = shared(1)
    assert {view.weight for batch in alone for view in batch} == {1.0}


def with_variants(variants: int, seed: int) -> list[View]:
    batches = EpochBatches(range(15), SIZES, 4, mirror=True, seed=(seed,), variants=variants)
    return [view for batch in batches for view in batch]


def test_all_variants_are_shown_about_equally_often():
    drawn = [view.variant for seed in range(200) for view in with_variants(3, seed)]
    shares = np.bincount(drawn) / len(drawn)
    assert shares.tolist() == pytest.approx([0.25] * 4, abs=0.04)


def test_without_variants_the_draw_is_what_it_was():
    """Numbers of trained models depend on it: a change here needs a line under Numbers."""
    views = with_variants(0, 0)
    assert [view.image for view in views] == [7, 5, 6, 9, 2, 3, 0, 4, 13, 8, 1, 11, 10, 14, 12]
    assert [view.mirrored for view in views] == [
        bool(digit) for digit in [1, 1, 0, 0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 1, 0]
    ]
    assert {view.variant for view in views} == {0}
    assert {view.draw for view in views} == {(0,)}
