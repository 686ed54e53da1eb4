import numpy as np
import pytest
import torch
import torch.nn.functional as F

from foregaze.segmentation.segmenter import enlarged, in_order
from foregaze.segmentation.slic import Slic, SlicConfig


def test_segments_are_numbered_in_the_order_of_rows():
    ids = np.array([[7, 7, -2], [900, 7, -2], [3, 3, 900]])
    assert in_order(ids).tolist() == [[0, 0, 1], [2, 0, 1], [3, 3, 2]]
    assert in_order(ids).dtype == np.int32


def test_new_numbers_for_the_same_segments_change_nothing():
    ids = np.random.default_rng(0).integers(0, 9, (12, 17))
    other = np.random.default_rng(1).permutation(100)[ids]
    np.testing.assert_array_equal(in_order(ids), in_order(other))


def test_cells_are_enlarged_to_the_pixels_whose_centers_they_hold():
    image = np.zeros((4, 5, 3), np.uint8)
    assert enlarged(np.array([[4, 2], [4, 6]]), image).tolist() == [
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 1],
        [0, 0, 2, 2, 2],
        [0, 0, 2, 2, 2],
    ]


@pytest.mark.parametrize("change", ["image", "shape", "settings"])
def test_provenance_differs_where_segments_would(change):
    image = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
    segmenter, other, shown = Slic(SlicConfig()), Slic(SlicConfig()), image
    if change == "image":
        shown = image + np.uint8(1)
    elif change == "shape":
        shown = image.reshape(4, 6, 3)
    else:
        other = Slic(SlicConfig(segments=5))
    assert segmenter.provenance(image) == segmenter.provenance(image.copy())
    assert segmenter.provenance(image) != other.provenance(shown)
    assert segmenter.provenance(image)["method"] == "slic"


def test_cells_are_those_that_painting_takes():
    """A border of cells on a pixel's center: both round alike, as PyTorch does."""
    ids = np.arange(29)[None]
    for width in (29, 58, 87, 100, 999):
        nearest = F.interpolate(torch.arange(29.0)[None, None], width, mode="nearest-exact")
        found = enlarged(ids, np.zeros((1, width, 3), np.uint8))
        assert found[0].tolist() == nearest[0, 0].int().tolist()
