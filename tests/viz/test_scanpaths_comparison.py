import numpy as np
import pytest

from foregaze.errors import ShapeError
from foregaze.viz import draw_samples_and_observers, save_figure
from tests.viz.viewing import photograph, scanpath, texts


def points(panel):
    shown = [c for c in panel.collections if (c.get_gid() or "").startswith("fixations")]
    return np.concatenate([ring.get_offsets() for ring in shown])


def test_each_group_has_a_panel_with_all_its_fixations():
    groups = {
        "model": [scanpath(n, n, durations=False) for n in (3, 5)],
        "observers": [scanpath(n, n) for n in (1, 2, 6)],
    }
    figure = draw_samples_and_observers(photograph(), groups, title="a.jpg")
    for panel, scanpaths in zip(figure.axes[:2], groups.values(), strict=True):
        expected = np.concatenate([np.column_stack([one.x, one.y]) for one in scanpaths])
        assert sorted(map(tuple, points(panel))) == sorted(map(tuple, expected))
    written = texts(figure)
    assert "model: 2 scanpaths, 8 fixations" in written
    assert "observers: 3 scanpaths, 9 fixations" in written


def test_panels_have_the_same_scale_and_the_same_colors():
    groups = {"model": [scanpath(3)], "observers": [scanpath(9)]}
    figure = draw_samples_and_observers(photograph(), groups)
    first, second = figure.axes[:2]
    np.testing.assert_allclose(first.get_position().size, second.get_position().size)
    assert first.get_xlim() == second.get_xlim() == (0, 80)
    for number in range(3):
        shades = [panel.collections[2 * number + 1].get_facecolor() for panel in (first, second)]
        np.testing.assert_array_equal(*shades)


@pytest.mark.parametrize("size", [(60, 80), (90, 20), (1, 1), (10, 300)])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_groups_of_any_size_are_drawn(tmp_path, size, count):
    groups = {str(k): [scanpath(k + 1, k, size) for _ in range(40 * k + 1)] for k in range(count)}
    figure = draw_samples_and_observers(photograph(*size), groups, px_per_dva=24.0)
    save_figure(figure, tmp_path / "a.png")


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ShapeError, match="0 groups of scanpaths, expected 1 to 6"):
        draw_samples_and_observers(photograph(), {})
    with pytest.raises(ShapeError, match="no scanpath"):
        draw_samples_and_observers(photograph(), {"model": [scanpath(3)], "observers": []})
    with pytest.raises(ShapeError, match="outside the image"):
        draw_samples_and_observers(photograph(), {"model": [scanpath(9, size=(600, 800))]})
    for px_per_dva in (0.0, -1.0, np.nan):
        with pytest.raises(ShapeError, match="expected a positive number"):
            draw_samples_and_observers(photograph(), {"a": [scanpath(3)]}, px_per_dva=px_per_dva)
