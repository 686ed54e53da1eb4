import numpy as np
import pytest

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics import Scanpath
from foregaze.viz.scanpaths_marks import (
    FULL_PT,
    check_scanpaths,
    disk_areas,
    draw_arrows,
    draw_disks,
    draw_numbers,
    draw_star,
    order_colors,
    place_numbers,
    positions_pt,
)
from foregaze.viz.style import blank_page, place_axes, show_stimulus, size_pt
from tests.viz.viewing import SIZE, photograph, scanpath


@pytest.fixture
def panel():
    axes = place_axes(blank_page(4.0, 3.0), 0.0, 0.0, 4.0, 3.0)
    show_stimulus(axes, SIZE)
    return axes


def test_the_area_of_a_disk_is_in_proportion_to_the_duration():
    areas = disk_areas(np.array([100.0, 200.0, 600.0]), FULL_PT)
    np.testing.assert_allclose(areas / areas[0], [1, 2, 6])
    np.testing.assert_allclose(disk_areas(np.array([600.0]), FULL_PT / 2), areas[2] / 4)


def test_unknown_durations_have_one_area_and_none_vanishes():
    areas = disk_areas(np.array([np.nan, np.nan, 0.0]), FULL_PT)
    assert areas[0] == areas[1] > areas[2] > 0


@pytest.mark.parametrize(("x", "y"), [(80.0, 3.0), (-0.1, 3.0), (3.0, 60.0), (3.0, -1.0)])
def test_a_fixation_outside_the_image_is_refused(x, y):
    scanpaths = [scanpath(2), Scanpath.without_durations(np.array([1.0, x]), np.array([1.0, y]))]
    with pytest.raises(ShapeError, match=r"fixation 1 of scanpath 1 is at .*, outside the image"):
        check_scanpaths(scanpaths, photograph())


def test_no_scanpath_at_all_is_refused():
    with pytest.raises(ShapeError, match="no scanpath"):
        check_scanpaths([], photograph())


def test_disks_lie_at_the_fixations_with_two_rings_each(panel):
    one = scanpath(3)
    draw_disks(panel, one, disk_areas(one.duration_ms, FULL_PT), order_colors(3))
    assert len(panel.collections) == 9
    for number, group in enumerate(np.array(panel.collections).reshape(3, 3)):
        for ring in group:
            np.testing.assert_allclose(ring.get_offsets(), [[one.x[number], one.y[number]]])
        assert group[2].get_sizes() == pytest.approx(disk_areas(one.duration_ms, FULL_PT)[number])


def test_arrows_lead_from_each_fixation_to_the_next_unless_disks_touch(panel):
    one = Scanpath.without_durations(np.array([10.0, 70, 71]), np.array([10.0, 50, 50]))
    draw_arrows(panel, one, np.full(3, 64.0), order_colors(3))
    (arrow,) = panel.patches
    np.testing.assert_array_equal(arrow._posA_posB, [(10, 10), (70, 50)])


def test_a_star_lies_where_it_is_put(panel):
    draw_star(panel, 12.5, 40.25)
    assert {tuple(line.get_xydata()[0]) for line in panel.lines} == {(12.5, 40.25)}


def test_positions_in_points_span_the_panel(panel):
    corner = Scanpath.without_durations(np.array([0.0, SIZE[1]]), np.array([0.0, SIZE[0]]))
    np.testing.assert_allclose(positions_pt(panel, corner), [[0, 0], size_pt(panel)])


def test_numbers_of_lonely_disks_are_at_their_centers():
    at_pt = np.array([[50.0, 50], [150, 50], [50, 150]])
    offsets = place_numbers(at_pt, np.full(3, 8.0), ["1", "2", "3"], np.array([200.0, 200]), 7.0)
    np.testing.assert_array_equal(offsets, 0)


def test_no_two_numbers_overlap_where_disks_do():
    at_pt = 100 + np.random.default_rng(0).normal(scale=6, size=(8, 2))
    panel_pt = np.array([200.0, 200])
    labels = [str(number + 1) for number in range(8)]
    places = at_pt + place_numbers(at_pt, np.full(8, 8.0), labels, panel_pt, 7.0)
    apart = np.abs(places[:, None] - places[None])[np.triu_indices(8, 1)]
    assert ((apart > 0.7 * 7).any(axis=1)).all()
    np.testing.assert_array_equal(places[-1], at_pt[-1])  # the last disk lies on top


def test_numbers_begin_with_one_in_every_scanpath(panel):
    both = [scanpath(2), scanpath(3, seed=1)]
    areas = [disk_areas(one.duration_ms, FULL_PT) for one in both]
    draw_numbers(panel, both, areas, 7.0)
    assert sorted(text.get_text() for text in panel.texts) == ["1", "1", "2", "2", "3"]


def test_later_fixations_are_brighter():
    assert (np.diff(order_colors(9)[:, :3].sum(axis=1)) > 0).all()
