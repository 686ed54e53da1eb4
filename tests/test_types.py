from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from foregaze.errors import DataError
from foregaze.types import EyeTrackingDataset, Fixations, Stimuli, drop_outside


def fixations(rows: Sequence[tuple[int, int, int]]) -> Fixations:
    """Rows of image, observer, order; x is 10 times the row number, y is x + 1."""
    image, observer, order = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    x = 10.0 * np.arange(len(rows))
    return Fixations(image, observer, order, x, x + 1, np.full(len(rows), 200.0))


def stimuli(images: int, read: Callable[[Path], np.ndarray] | None = None) -> Stimuli:
    return Stimuli(
        tuple(Path(f"folder/{i}.png") for i in range(images)),
        tuple((100, 200 + i) for i in range(images)),
        read or (lambda path: np.zeros((100, 200, 3), np.uint8)),
    )


def dataset(rows: Sequence[tuple[int, int, int]], images: int = 3) -> EyeTrackingDataset:
    return EyeTrackingDataset(
        name="toy",
        stimuli=stimuli(images),
        fixations=fixations(rows),
        starts_at_center=True,
        px_per_dva=24.0,
        dropped_fixations=5,
        same_picture=(("0.png", "2.png"),),
    )


ROWS = [(2, 0, 0), (2, 0, 1), (0, 1, 0), (0, 1, 1), (0, 1, 2), (0, 0, 0), (2, 1, 0), (2, 1, 1)]


class CountingReader:
    def __init__(self) -> None:
        self.read: list[Path] = []

    def __call__(self, path: Path) -> np.ndarray:
        self.read.append(path)
        return np.full((2, 3, 3), len(self.read), np.uint8)


def test_an_image_is_read_when_it_is_asked_for_and_not_before():
    reader = CountingReader()
    images = stimuli(3, reader)
    kept = images.subset([2, 0])
    assert (len(kept), kept.names, kept.sizes) == (2, ("2.png", "0.png"), ((100, 202), (100, 200)))
    assert reader.read == []
    assert kept[0].max() == 1
    assert reader.read == [Path("folder/2.png")]


def test_a_position_lies_in_the_pixel_that_starts_at_its_floor():
    where = replace(
        fixations([(0, 0, 0)] * 3), x=np.array([0.0, 0.99, 7.0]), y=np.array([3.5, 4.0, 0.1])
    )
    assert where.column.tolist() == [0, 0, 7]
    assert where.row.tolist() == [3, 4, 0]


def test_rows_are_kept_by_truth_or_by_number():
    table = fixations(ROWS)
    assert table.where(table.observer == 1).x.tolist() == [20, 30, 40, 60, 70]
    assert table.where(np.array([3, 0])).x.tolist() == [30, 0]


def test_fixations_outside_their_own_image_are_dropped_and_counted():
    table = replace(
        fixations([(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 1), (1, 0, 2), (1, 0, 3), (0, 0, 2)]),
        x=np.array([0.0, 8.0, 8.0, -0.01, 3.0, np.nan, 7.99]),
        y=np.array([0.0, 1.0, 5.99, 1.0, 6.0, 1.0, 3.99]),
    )
    kept, dropped = drop_outside(table, [(4, 8), (6, 9)])
    assert dropped == 4
    assert kept.x.tolist() == [0.0, 8.0, 7.99]
    assert kept.order.tolist() == [0, 0, 2]


def test_nothing_is_dropped_from_an_empty_table():
    kept, dropped = drop_outside(fixations([]), [])
    assert (len(kept), dropped) == (0, 0)


def test_history_is_oldest_first_and_most_recent_last():
    x_hist, y_hist = dataset([(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3)]).history(2)
    nan = np.nan
    np.testing.assert_array_equal(x_hist, [[nan, nan], [nan, 0], [0, 10], [10, 20]])
    np.testing.assert_array_equal(y_hist, [[nan, nan], [nan, 1], [1, 11], [11, 21]])


def test_history_has_a_gap_where_a_fixation_was_dropped():
    x_hist, _ = dataset([(0, 0, 0), (0, 0, 2), (0, 0, 3)]).history(3)
    nan = np.nan
    np.testing.assert_array_equal(x_hist, [[nan, nan, nan], [nan, 0, nan], [0, nan, 10]])


def test_history_equals_a_search_through_all_rows():
    rng = np.random.default_rng(3)
    every = [(i, o, t) for i in range(4) for o in range(3) for t in range(rng.integers(1, 7))]
    rows = [every[i] for i in rng.permutation(len(every))[: len(every) - 8]]  # some are missing
    x_hist, _ = dataset(rows, images=4).history(3)
    row_of = {row: number for number, row in enumerate(rows)}
    for (image, observer, order), found in zip(rows, x_hist, strict=True):
        for back in (1, 2, 3):
            earlier = row_of.get((image, observer, order - back))
            expected = np.nan if earlier is None else 10.0 * earlier
            np.testing.assert_equal(found[3 - back], expected)


def test_history_of_no_fixations_is_empty():
    x_hist, y_hist = dataset([]).history(4)
    assert x_hist.shape == y_hist.shape == (0, 4)


def test_views_by_image_and_by_observer_hold_their_rows():
    assert dataset(ROWS).on_image(2).x.tolist() == [0, 10, 60, 70]
    assert dataset(ROWS).by_observer(0).x.tolist() == [0, 10, 50]


def test_forced_first_fixations_are_history_but_no_evidence():
    assert dataset(ROWS).evidence().x.tolist() == [10, 30, 40, 70]
    free = replace(dataset(ROWS), starts_at_center=False)
    assert free.evidence().x.tolist() == [10.0 * row for row in range(8)]


def test_evidence_by_image_has_one_table_per_stimulus_even_if_empty():
    assert [t.x.tolist() for t in dataset(ROWS).evidence_by_image()] == [[30, 40], [], [10, 70]]


def test_subset_follows_the_indices_and_renumbers_the_fixations():
    part = dataset(ROWS).subset([2, 1])
    assert part.stimuli.names == ("2.png", "1.png")
    assert part.on_image(0).x.tolist() == [0, 10, 60, 70]
    assert len(part.on_image(1)) == 0
    assert len(part.fixations) == 4
    assert (part.name, part.starts_at_center, part.px_per_dva) == ("toy", True, 24.0)
    assert (part.dropped_fixations, part.same_picture) == (5, (("0.png", "2.png"),))


def test_names_keep_the_folders_below_the_one_that_is_given():
    images = Stimuli(
        (Path("set/Action/001.jpg"), Path("set/Art/001.jpg")),
        ((4, 4), (4, 4)),
        lambda path: np.zeros((4, 4, 3), np.uint8),
        folder=Path("set"),
    )
    assert images.names == ("Action/001.jpg", "Art/001.jpg")
    assert images.subset([1]).names == ("Art/001.jpg",)


def test_subset_keeps_the_categories_of_its_stimuli():
    whole = replace(dataset(ROWS), categories=("a", "b", "c"))
    assert whole.subset([2, 0]).categories == ("c", "a")


def test_categories_are_one_for_each_stimulus():
    with pytest.raises(DataError, match="toy: 2 categories for 3 stimuli"):
        replace(dataset(ROWS), categories=("a", "b"))


def test_subset_of_nothing_is_empty():
    part = dataset(ROWS).subset([])
    assert (len(part), len(part.fixations), part.evidence_by_image()) == (0, 0, [])


def test_subset_refuses_a_stimulus_twice():
    with pytest.raises(DataError, match="toy: a subset cannot hold a stimulus twice"):
        dataset(ROWS).subset([1, 2, 1])


@pytest.mark.parametrize("image", [-1, 3])
def test_fixations_on_an_unknown_image_are_refused(image):
    with pytest.raises(DataError, match=f"toy: fixations on image {image}, but there are 3"):
        dataset([*ROWS, (image, 0, 0)])
