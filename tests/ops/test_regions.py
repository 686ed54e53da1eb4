import numpy as np
import pytest
import torch
from torchvision.ops import box_iou, masks_to_boxes, nms

from foregaze.ops.regions import (
    boxes_of,
    by_falling_area,
    distinct_boxes,
    keep_best,
    paint_regions,
    without_specks,
)


def region(text):
    """A region from rows of `#` and `.`."""
    return np.array([[letter == "#" for letter in row] for row in text.split()])


def rectangles(*corners, size=(10, 20)):
    found = np.zeros((len(corners), *size), dtype=bool)
    for one, (left, top, right, bottom) in zip(found, corners, strict=True):
        one[top:bottom, left:right] = True
    return found


def kept(regions, scores, most=15, smallest_share=0.0005, most_overlap=0.8):
    found = keep_best(
        regions,
        np.array(scores, dtype=float),
        most,
        smallest_share=smallest_share,
        most_overlap=most_overlap,
    )
    return found.tolist()


THREE = rectangles((0, 0, 5, 10), (5, 0, 10, 10), (10, 0, 20, 10))


def test_the_best_come_first_and_no_more_than_wanted():
    assert kept(THREE, [0.8, 0.95, 0.9]) == [1, 2, 0]
    assert kept(THREE, [0.8, 0.95, 0.9], most=2) == [1, 2]
    assert kept(THREE, [0.9, 0.9, 0.9], most=2) == [0, 1]
    assert kept(THREE, [0.9, 0.9, 0.9], most=0) == []
    assert kept(THREE[:0], []) == []


def test_small_regions_are_left_out_and_take_no_place():
    regions = rectangles((0, 0, 1, 1), (0, 0, 2, 1), (5, 5, 15, 10))  # 1, 2, 50 of 200 pixels
    assert kept(regions, [0.9, 0.8, 0.7], smallest_share=0.01) == [1, 2]
    assert kept(regions, [0.9, 0.8, 0.7], most=1, smallest_share=0.011) == [2]
    assert kept(np.zeros((1, 4, 4), bool), [1.0], smallest_share=0.0) == []


def test_a_region_like_a_better_one_is_left_out():
    alike = rectangles((0, 0, 10, 8), (0, 0, 10, 10))  # 80 of 100 pixels: an overlap of 0.8
    assert kept(alike, [0.9, 0.8], most_overlap=0.8) == [0, 1]
    assert kept(alike, [0.9, 0.8], most_overlap=0.79) == [0]
    assert kept(alike, [0.8, 0.9], most_overlap=0.79) == [1]


def test_only_kept_regions_suppress_others():
    chain = rectangles((0, 0, 10, 10), (1, 0, 11, 10), (2, 0, 12, 10))  # 0.82, 0.82 and 0.67
    assert kept(chain, [0.9, 0.8, 0.7]) == [0, 2]


def test_later_regions_lie_over_earlier_ones():
    ids = paint_regions(np.stack([region("###. ###."), region(".##. ...."), region("##.. ....")]))
    assert ids.tolist() == [[3, 3, 2, 0], [1, 1, 1, 0]]
    assert ids.dtype == np.int32
    assert paint_regions(np.zeros((0, 2, 3), bool)).tolist() == [[0, 0, 0]] * 2


def test_small_regions_survive_where_large_ones_are_painted_first():
    regions = rectangles((2, 2, 4, 4), (0, 0, 20, 10), (0, 0, 10, 10))
    order = by_falling_area(regions)
    assert order.tolist() == [1, 2, 0]
    assert np.bincount(paint_regions(regions[order]).ravel()).tolist() == [0, 100, 96, 4]
    by_score = paint_regions(regions)
    assert np.unique(by_score).tolist() == [2, 3]  # the small one is gone


def test_holes_are_filled_and_parts_removed_below_an_area():
    given = region("###### #.#### ###### ...... .#..## ......")
    assert without_specks(given, 1).tolist() == given.tolist()
    filled = region("###### ###### ###### ...... ....## ......")
    assert without_specks(given, 2).tolist() == filled.tolist()
    alone = region("###### ###### ###### ...... ...... ......")
    assert without_specks(given, 3).tolist() == alone.tolist()


def test_a_region_of_specks_keeps_the_largest():
    assert without_specks(region("#..... ...... ...##. ......"), 5).tolist() == (
        region("...... ...... ...##. ......").tolist()
    )


def test_corners_connect():
    diagonal = np.eye(6, dtype=bool)
    assert without_specks(diagonal, 6).tolist() == diagonal.tolist()


def test_an_empty_region_stays_empty_and_a_full_one_full():
    for value in (False, True):
        whole = np.full((4, 5), value)
        assert (without_specks(whole, 3) == value).all()


def test_boxes_are_those_of_torchvision():
    regions = np.random.default_rng(0).random((20, 9, 14)) < 0.03
    regions[3] = False
    some = regions.any((1, 2))
    expected = masks_to_boxes(torch.from_numpy(regions[some])).numpy()
    np.testing.assert_array_equal(boxes_of(regions)[some], expected)
    assert not boxes_of(regions)[3].any()


@pytest.mark.parametrize("most_overlap", [0.0, 0.3, 0.7])
def test_distinct_boxes_are_those_of_torchvision(most_overlap):
    generator = np.random.default_rng(1)
    corner = generator.uniform(0, 50, (200, 2))
    boxes = np.hstack([corner, corner + generator.uniform(1, 40, (200, 2))])
    scores = generator.uniform(0, 1, 200)
    found = distinct_boxes(boxes, scores, most_overlap)
    expected = nms(torch.from_numpy(boxes), torch.from_numpy(scores), most_overlap)
    np.testing.assert_array_equal(found, expected.numpy())
    overlap = box_iou(*[torch.from_numpy(boxes[found])] * 2).fill_diagonal_(0)
    assert overlap.max() <= most_overlap
