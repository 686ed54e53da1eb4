import numpy as np

from foregaze.segmentation import make_segmenter


def test_cells_are_numbered_in_rows():
    ids = make_segmenter("grid", rows=2, columns=3).segments(np.zeros((4, 9, 3), np.uint8))
    assert ids.tolist() == 2 * [[0, 0, 0, 1, 1, 1, 2, 2, 2]] + 2 * [[3, 3, 3, 4, 4, 4, 5, 5, 5]]
    assert ids.dtype == np.int32


def test_one_cell_is_the_whole_image():
    ids = make_segmenter("grid", rows=1, columns=1).segments(np.zeros((5, 7, 3), np.uint8))
    assert ids.shape == (5, 7)
    assert not ids.any()


def test_an_image_of_few_pixels_has_fewer_cells():
    ids = make_segmenter("grid", rows=4, columns=4).segments(np.zeros((2, 3, 3), np.uint8))
    assert ids.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_what_the_image_shows_is_of_no_matter():
    segmenter = make_segmenter("grid", rows=3, columns=5)
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert (segmenter.segments(noise) == segmenter.segments(noise[::-1].copy())).all()
