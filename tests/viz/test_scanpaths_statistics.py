import numpy as np
import pytest

from foregaze.scanpath_metrics import Scanpath
from foregaze.viz.scanpaths_statistics import (
    DIRECTIONS,
    center_distances,
    draw_statistics,
    fixation_counts,
    fixation_durations,
    saccade_directions,
    saccade_lengths,
    saccades,
)
from foregaze.viz.style import blank_page
from tests.viz.viewing import SIZE, scanpath

COLORS = {"model": "#d81b60", "observers": "#1e6fd9"}


def path(*points):
    x, y = np.array(points, dtype=float).T
    return Scanpath.without_durations(x, y)


def test_all_saccades_within_scanpaths_count_and_none_across():
    found = saccades([path((0, 0), (3, 4), (3, 10)), path((9, 9)), path((1, 1), (2, 1))])
    np.testing.assert_array_equal(found, [[3, 4], [0, 6], [1, 0]])
    np.testing.assert_array_equal(saccade_lengths([path((0, 0), (3, 4), (3, 10))]), [5, 6])


def test_directions_are_as_the_reader_sees_them():
    right, up, left, down = (path((5, 5), end) for end in ((9, 5), (5, 1), (1, 5), (5, 9)))
    np.testing.assert_allclose(np.abs(saccade_directions([right, left])), [0, np.pi])
    np.testing.assert_allclose(saccade_directions([up, down]), [np.pi / 2, -np.pi / 2])


def test_distances_counts_and_durations():
    given = [Scanpath(np.array([40.0, 43]), np.array([30.0, 34]), np.array([100, np.nan]))]
    np.testing.assert_array_equal(center_distances(given, SIZE), [0, 5])
    np.testing.assert_array_equal(fixation_counts([*given, scanpath(3)]), [2, 3])
    np.testing.assert_array_equal(fixation_durations(given), [100])


def panels(groups, px_per_dva=None):
    figure = blank_page(9.0, 2.0)
    draw_statistics(figure, groups, COLORS, SIZE, (0.1, 0.1, 8.8, 1.8), px_per_dva)
    figure.canvas.draw()
    return {axes.get_title(): axes for axes in figure.axes}


def groups(durations=True):
    return {
        name: [scanpath(n + 2, n + shift, durations=durations) for n in range(6)]
        for shift, name in enumerate(COLORS)
    }


def test_every_distribution_holds_all_values_of_each_group():
    drawn = panels(groups())
    assert len(drawn) == 5
    for title in set(drawn) - {"saccade direction"}:
        lines = [patch for patch in drawn[title].patches if patch.get_gid()]
        assert [line.get_gid() for line in lines] == list(COLORS)
        for line in lines:
            assert line.get_data().values.sum() == pytest.approx(1)


def test_directions_of_all_saccades_are_counted():
    lines = panels(groups())["saccade direction"].lines
    for line in lines:
        angles, shares = line.get_data()
        assert len(angles) == DIRECTIONS + 1
        assert shares[:-1].sum() == pytest.approx(1)
        assert shares[0] == shares[-1]


def test_saccades_to_the_right_are_in_the_first_sector():
    rightward = {name: [path((5, 5), (9, 5.01)), path((5, 5), (9, 4.99))] for name in COLORS}
    for line in panels(rightward)["saccade direction"].lines:
        np.testing.assert_array_equal(line.get_data()[1][:DIRECTIONS], [1] + [0] * (DIRECTIONS - 1))


def test_lengths_are_in_degrees_where_their_size_is_known():
    assert panels(groups())["saccade length"].get_xlabel() == "px"
    drawn = panels(groups(), px_per_dva=10.0)
    assert drawn["saccade length"].get_xlabel() == "degrees"
    longest = max(saccade_lengths([one for group in groups().values() for one in group]).tolist())
    assert drawn["saccade length"].get_xlim()[1] == pytest.approx(longest / 10)


def test_durations_have_a_panel_only_where_all_groups_have_some():
    mixed = groups() | {"model": groups(durations=False)["model"]}
    assert "fixation duration" in panels(groups())
    assert "fixation duration" not in panels(mixed)


def test_single_fixations_have_no_saccades_and_are_drawn():
    drawn = panels({name: [path((3, 4))] for name in COLORS})
    assert not drawn["saccade direction"].lines
    assert not drawn["saccade length"].patches
