import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path as Curve

from foregaze.data.areas_shape import (
    AreaError,
    circle_area,
    joined,
    parts_area,
    polygon_area,
    rectangle_area,
    renamed,
    segment_areas,
)
from foregaze.errors import ShapeError

SIZE = (60, 80)


def has(area, x, y):
    return bool(area.contains(np.array([x], dtype=float), np.array([y], dtype=float))[0])


def counted(areas, x, y):
    """In how many areas each point lies."""
    return sum(area.contains(x, y).astype(int) for area in areas)


def test_a_rectangle_has_its_left_and_top_edge_and_not_the_others():
    area = rectangle_area("a", 10, 20, 30, 5, SIZE)
    assert has(area, 10, 20)
    assert has(area, 39.999, 24.999)
    assert has(area, 25, 20)
    assert not has(area, 40, 20)
    assert not has(area, 25, 25)
    assert not has(area, 40, 25)
    assert not has(area, 10, 25)
    assert not has(area, 9.999, 22)
    assert area.area_px == 150


def test_rectangles_that_tile_an_image_contain_each_point_once():
    tiles = [
        rectangle_area(f"{x} {y}", x, y, 20, 15, SIZE)
        for x in range(0, 80, 20)
        for y in range(0, 60, 15)
    ]
    y, x = (axis.ravel() for axis in np.mgrid[:60:0.5, :80:0.5])
    np.testing.assert_array_equal(counted(tiles, x, y), 1)


def test_polygons_that_share_edges_contain_each_point_once():
    corners = [(0, 0), (80, 0), (80, 60), (0, 60)]
    center = (40, 30)
    tiles = [
        polygon_area(f"{i}", [corners[i], corners[(i + 1) % 4], center], SIZE) for i in range(4)
    ]
    y, x = (axis.ravel() for axis in np.mgrid[:60, :80].astype(float))
    np.testing.assert_array_equal(counted(tiles, x, y), 1)


@given(
    st.lists(st.tuples(st.integers(0, 79), st.integers(0, 59)), min_size=3, max_size=7),
    st.integers(0, 2**32 - 1),
)
def test_points_off_the_outline_are_where_matplotlib_sees_them(vertices, seed):
    try:
        area = polygon_area("a", vertices, SIZE)
    except AreaError:
        return
    x, y = np.random.default_rng(seed).uniform(0, [80, 60], (50, 2)).T
    far = shapely.distance(area.geometry.boundary, shapely.points(x, y)) > 1e-6
    expected = Curve([*vertices, vertices[0]]).contains_points(np.stack([x, y], 1))
    np.testing.assert_array_equal(area.contains(x, y)[far], expected[far])


def test_a_hole_is_not_part_of_a_polygon():
    square = [(0, 0), (40, 0), (40, 40), (0, 40)]
    area = polygon_area("a", square, SIZE, holes=[[(10, 10), (20, 10), (20, 20), (10, 20)]])
    assert area.area_px == 1500
    assert not has(area, 15, 15)
    assert not has(area, 10, 15)  # the hole has its left edge, as any area
    assert has(area, 20, 15)
    assert len(area.outlines()) == 2


@pytest.mark.parametrize(("turn", "hole_turn"), [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_outlines_of_holes_run_the_other_way_round(turn, hole_turn):
    square = [(0, 0), (40, 0), (40, 40), (0, 40)][::turn]
    hole = [(10, 10), (20, 10), (20, 20), (10, 20)][::hole_turn]
    rings = polygon_area("a", square, SIZE, holes=[hole]).outlines()
    outer, inner = (shapely.LinearRing(ring).is_ccw for ring in rings)
    assert outer != inner


def test_the_last_vertex_may_repeat_the_first():
    vertices = [(0, 0), (10, 0), (10, 10)]
    assert polygon_area("a", [*vertices, (0, 0)], SIZE).area_px == 50
    assert polygon_area("a", vertices[::-1], SIZE).area_px == 50


def test_a_circle_is_as_large_as_one():
    area = circle_area("a", 40, 30, 10, SIZE)
    assert area.area_px == pytest.approx(100 * np.pi, rel=1e-3)  # of a polygon with 128 corners
    assert has(area, 49.9, 30)
    assert not has(area, 48, 38)


def test_what_lies_outside_the_image_is_cut_off():
    area = rectangle_area("a", -10, 40, 20, 40, SIZE)
    assert area.area_px == 200
    assert area.outside_share == pytest.approx(0.75)
    assert not has(area, -1, 45)
    assert has(area, 0, 45)
    assert not has(area, 5, 60)
    assert rectangle_area("a", 0, 0, 80, 60, SIZE).outside_share == 0


def test_parts_may_overlap_and_count_once():
    area = parts_area(
        "a", [[(0, 0), (10, 0), (10, 10), (0, 10)], [(5, 0), (15, 0), (15, 10), (5, 10)]], SIZE
    )
    assert area.area_px == 150
    both = joined(
        "b", [rectangle_area("x", 0, 0, 10, 10, SIZE), rectangle_area("y", 40, 0, 10, 10, SIZE)]
    )
    assert (both.name, both.area_px, len(both.outlines())) == ("b", 200, 2)
    assert renamed(both, "c").name == "c"


def test_parts_on_images_of_different_sizes_are_refused():
    parts = [rectangle_area("x", 0, 0, 1, 1, SIZE), rectangle_area("y", 0, 0, 1, 1, (9, 9))]
    with pytest.raises(ShapeError, match="area 'b' has parts on images of different sizes"):
        joined("b", parts)


@pytest.mark.parametrize(
    ("vertices", "message"),
    [
        ([(0, 0), (10, 10), (10, 0), (0, 10)], r"outline of area 'a' crosses itself at \(5, 5\)"),
        ([(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)], r"touches itself at \(2, 0\)"),
        ([(0, 0), (10, 10), (20, 20)], "area 'a' has no area: its vertices lie on one line"),
        ([(0, 0), (10, 10)], "'a' is a polygon of 2 vertices; expected at least 3 different"),
        ([(0, 0), (5, 5), (0, 0), (5, 5)], "'a' is a polygon of 4 vertices; expected at least 3"),
        ([], "'a' is a polygon of 0 vertices"),
        ([(0, 0), (np.nan, 1), (2, 2)], r"vertex 2 of area 'a' is \(nan, 1\), expected numbers"),
        ([(0, 0), (1, 1), (np.inf, 2)], r"vertex 3 of area 'a' is \(inf, 2\), expected numbers"),
        (
            [(90, 0), (99, 0), (99, 9)],
            r"'a' lies outside the image of 80x60 px \(W x H\): its x go from 90 to 99, its y",
        ),
        ([(80, 0), (99, 0), (99, 9), (80, 9)], "'a' lies outside the image"),  # shares its edge
    ],
)
def test_polygons_that_are_none_are_refused(vertices, message):
    with pytest.raises(AreaError, match=message):
        polygon_area("a", vertices, SIZE)


def test_a_hole_outside_its_polygon_is_refused():
    with pytest.raises(AreaError, match=r"'a' has a hole that lies outside it at \(50, 50\)"):
        polygon_area("a", [(0, 0), (9, 0), (9, 9)], SIZE, holes=[[(50, 50), (55, 50), (55, 55)]])


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, -1), (np.inf, 5), (np.nan, 5)])
def test_empty_rectangles_are_refused(width, height):
    with pytest.raises(AreaError, match=r"'a' is a rectangle of width .* expected finite numbers"):
        rectangle_area("a", 1, 1, width, height, SIZE)


@pytest.mark.parametrize("radius", [0, -1, np.nan])
def test_empty_circles_are_refused(radius):
    with pytest.raises(AreaError, match=r"'a' is a circle of radius .* a radius above 0"):
        circle_area("a", 1, 1, radius, SIZE)


def test_every_id_is_an_area_but_the_background():
    segments = np.array([[0, 0, 7], [2, 2, 7]])
    areas = segment_areas(segments)
    assert [(a.name, a.area_px) for a in areas] == [
        ("segment 0", 2),
        ("segment 2", 2),
        ("segment 7", 2),
    ]
    assert [a.id for a in segment_areas(segments, background=0)] == [2, 7]
    x, y = np.array([0.0, 2.999, 3.0, -0.001, 1.5]), np.array([0.0, 1.999, 0.0, 0.0, 1.0])
    np.testing.assert_array_equal(areas[2].contains(x, y), [0, 1, 0, 0, 0])
    np.testing.assert_array_equal(counted(areas, x, y), [1, 1, 0, 0, 1])


def test_outlines_of_segments_follow_the_pixels():
    segments = np.zeros((20, 30), dtype=np.int64)
    segments[5:15, 10:20] = 1
    segments[8:10, 12:14] = 0
    outer, hole = segment_areas(segments, background=0)[0].outlines()
    assert (outer.min(0).tolist(), outer.max(0).tolist()) == ([10, 5], [20, 15])
    assert (hole.min(0).tolist(), hole.max(0).tolist()) == ([12, 8], [14, 10])
    assert (outer[0] == outer[-1]).all()


@pytest.mark.parametrize(
    ("segments", "background", "message"),
    [
        (np.array([[0, -3]]), None, "have the id -3; ids are 0 or larger"),
        (
            np.eye(2, dtype=np.int64),
            9,
            "have no id 9, which was to be the background",
        ),
        (np.zeros((2, 2), np.int64), 0, "no id but the background, 0: there is no area"),
        (np.zeros((0, 2), np.int64), None, r"have shape \(0, 2\), expected"),
    ],
)
def test_segments_that_are_no_areas_are_refused(segments, background, message):
    with pytest.raises(AreaError, match=message):
        segment_areas(segments, background)
