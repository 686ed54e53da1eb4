import numpy as np
import pytest
from matplotlib.patches import Rectangle
from skimage.color import rgb2lab

from foregaze.errors import ShapeError
from foregaze.viz.segments import COLORS, MOST_ROWS, draw_affinity, draw_segments, segment_colors
from tests.viz.viewing import photograph, texts

SIZE = (60, 80)
IDS = np.zeros(SIZE, np.int32)
IDS[:, 40:] = 3
IDS[:30, 60:] = 700


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def seen_at(figure, *places):
    """Mean color of a few pixels around places in stimulus pixels."""
    drawn = pixels(figure)
    found = []
    for x, y in figure.axes[0].transData.transform(places).astype(int):
        row = len(drawn) - y
        found.append(drawn[row - 3 : row + 3, x - 3 : x + 3].mean((0, 1)))
    return np.array(found)


def test_the_legend_has_every_id_and_its_share():
    written = texts(draw_segments(photograph(), IDS))
    assert [text for text in written if "%" in text] == ["50.0%", "37.5%", "12.5%"]
    assert written.count("0") == written.count("3") == written.count("700") == 2  # and inside


def test_segments_have_the_colors_of_their_ids():
    gray = np.full((*SIZE, 3), 128, np.uint8)
    seen = seen_at(draw_segments(gray, IDS), (8, 8), (45, 50), (75, 5), (75, 50))
    expected = segment_colors(np.array([0, 3, 700, 3])).astype(float)
    shift = seen - 0.62 * expected
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=2)
    np.testing.assert_allclose(seen[1], seen[3], atol=1)


def test_colors_do_not_depend_on_what_else_there_is():
    gray = np.full((*SIZE, 3), 128, np.uint8)
    alone = seen_at(draw_segments(gray, np.full(SIZE, 3, np.int32)), (45, 50))
    np.testing.assert_allclose(alone, seen_at(draw_segments(gray, IDS), (45, 50)), atol=1)
    np.testing.assert_array_equal(segment_colors(np.array(5 + COLORS)), segment_colors(np.array(5)))


def test_sixty_four_colors_can_be_told_apart():
    lab = rgb2lab(segment_colors(np.arange(COLORS)) / 255)
    distance = np.linalg.norm(lab[:, None] - lab, axis=-1) + 1000 * np.eye(COLORS)
    assert distance.min() > 12
    assert distance[:16, :16].min() > 30


def test_of_many_segments_the_largest_are_listed():
    ids = np.arange(60 * 80).reshape(SIZE) // 48  # a hundred of one size
    ids[-1] = 7
    written = texts(draw_segments(photograph(), ids))
    assert "and 35 smaller ones" in written  # the last row took one
    assert sum("%" in text for text in written) == MOST_ROWS


def test_thin_segments_have_no_number():
    ids = np.zeros(SIZE, np.int32)
    ids[30] = 5
    assert texts(draw_segments(photograph(), ids)).count("5") == 1


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (2000, 1700)])
def test_images_of_any_size_are_drawn(size):
    ids = np.arange(size[0] * size[1]).reshape(size) % 70 * 1000
    figure = draw_segments(photograph(*size), ids, "A title")
    assert pixels(figure).std() > 0
    assert "A title" in texts(figure)


def test_very_large_ids_take_no_more_memory():
    ids = IDS.astype(np.int64) * 3_000_000
    assert "2100000000" in texts(draw_segments(photograph(), ids))


def test_segments_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"segments of shape \(80, 60\)"):
        draw_segments(photograph(), IDS.T)
    with pytest.raises(ShapeError, match="with ids from -1 on"):
        draw_segments(photograph(), IDS - 1)


def test_affinity_is_drawn_where_patches_are_and_the_patch_is_marked():
    white = np.full((*SIZE, 3), 255, np.uint8)
    cosine = np.zeros((3, 4))
    cosine[1, 2] = 1
    figure = draw_affinity(white, cosine, (1, 2))
    inside, left, above = seen_at(figure, (50, 30), (30, 30), (50, 10))
    np.testing.assert_allclose(left, above, atol=1)
    assert np.abs(inside - left).max() > 50
    (mark,) = (patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle))
    assert (mark.get_xy(), mark.get_width(), mark.get_height()) == ((40, 20), 20, 20)


def test_likeness_below_zero_is_drawn_as_none():
    white = np.full((*SIZE, 3), 255, np.uint8)
    cosine = np.array([[1.0, 0.0], [-0.5, -1.0]])
    seen = seen_at(draw_affinity(white, cosine, (0, 0)), (60, 15), (20, 45), (60, 45))
    np.testing.assert_allclose(seen, seen[[0, 0, 0]], atol=1)
