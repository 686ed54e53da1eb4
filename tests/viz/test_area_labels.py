import numpy as np
import pytest

from foregaze.data.areas_shape import circle_area, segment_areas
from foregaze.viz.area_labels import place_labels

SIZE = (120, 160)
LABEL = np.array([20.0, 8.0])


def jagged_segments(size, count, cells=40):
    """Cells of a grid, each with the id of the nearest of some random points."""
    points = np.random.default_rng(0).uniform(0, 1, (count, 2))
    rows, columns = ((np.arange(side) * cells // side + 0.5) / cells for side in size)
    distance = np.hypot(rows[:, None, None] - points[:, 0], columns[:, None] - points[:, 1])
    ids = distance.argmin(-1).astype(np.int32)
    assert len(np.unique(ids)) == count
    return ids


def box(x, y, width, height):
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
    return np.array(corners, dtype=float)


def place(*areas, label=LABEL, size=SIZE):
    """Left and top of the label of each area."""
    placed = place_labels(areas, [label] * len(areas), size)
    for found in placed:
        np.testing.assert_allclose(found[2:] - found[:2], label)
    return [tuple(found[:2]) for found in placed]


def centers(placed):
    return np.array([(found[:2] + found[2:]) / 2 for found in placed])


@pytest.mark.parametrize("count", [5, 30])
@pytest.mark.parametrize("extent", [(6.0, 6.0), (20.0, 8.0)])
def test_centers_of_labels_lie_inside_the_segments_of_a_partition(count, extent):
    size = (300, 400)
    ids = jagged_segments(size, count)
    areas = [area.outlines() for area in segment_areas(ids)]
    placed = place_labels(areas, [np.array(extent)] * count, size)
    x, y = centers(placed).astype(int).T
    assert ids[y, x].tolist() == list(range(count))
    for number, a in enumerate(placed):
        for b in placed[:number]:
            assert (np.minimum(a[2:], b[2:]) <= np.maximum(a[:2], b[:2])).any()


def test_a_label_stands_deepest_inside_what_is_no_rectangle():
    circle = circle_area("", 90, 50, 30, SIZE).outlines()
    ((left, top),) = place(circle)
    np.testing.assert_allclose((left + 10, top + 4), (90, 50), atol=1)  # px, a cell's diagonal


def test_a_hole_is_not_inside():
    """The deepest are the left ends of the hole's upper and lower sides; its middle is a hole."""
    outlines = [box(0, 0, 150, 120), box(50, 30, 90, 60)[::-1]]
    placed = place_labels([outlines], [LABEL], SIZE)
    ((x, y),) = centers(placed)
    assert 10 <= x <= 40
    assert 4 <= y <= 116


def test_a_rectangle_has_its_label_near_its_top():
    assert place([box(30, 40, 80, 60)]) == [(30, 40)]
    small = [box(30, 40, 18, 10)]
    assert place(small) == [(30, 32)]


def test_a_label_beside_its_area_is_not_on_another():
    small, above = [box(30, 40, 18, 10)], [box(10, 0, 100, 40)]
    (_, top), _ = place(small, above)
    assert top + 4 >= 40
    around = [box(0, 0, 160, 120)]
    assert place(small, around)[0] == (30, 32)  # every place beside it is on that


def test_a_label_wider_than_its_segment_at_the_edge_stands_on_it_as_far_as_can_be():
    left, right = [box(0, 40, 8, 50)], [box(8, 0, 152, 120)]
    (x, y), _ = place(left, right)
    assert x == 0
    assert 40 <= y <= 82


def test_labels_of_strips_are_staggered_on_them():
    strips = [[box(8 * k, 0, 8, 120)] for k in range(20)]
    label = np.array([14.0, 8.0])
    placed = place_labels(strips, [label] * 20, SIZE)
    x = centers(placed)[1:-1, 0]  # those at the edges have to be on the image
    assert (x // 8).tolist() == list(range(1, 19))


def test_an_area_between_the_cells_of_the_grid_has_its_label_at_it():
    dot = [box(1001.2, 800.1, 0.3, 0.3)]
    ((left, top),) = place(dot, label=np.array([200.0, 80.0]), size=(1200, 1600))
    assert left <= 1001.5 <= left + 200
    assert 720 <= top <= 801


def test_labels_stay_on_the_image():
    corner = [box(150, 0, 10, 10)]
    assert place(corner) == [(140, 0)]
    assert place(corner, label=np.array([200.0, 8.0]))[0][0] == 0  # wider than the image
