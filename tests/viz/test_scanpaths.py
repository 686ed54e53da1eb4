import numpy as np
import pytest

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics import Scanpath
from foregaze.viz import draw_scanpaths, save_figure
from tests.viz.viewing import photograph, scanpath, texts


def disks(panel):
    """The filled disks of a panel, without their rings."""
    return [c for c in panel.collections if (c.get_gid() or "").startswith("fixation")]


def test_one_scanpath_has_a_panel_with_a_numbered_disk_for_each_fixation():
    one = scanpath(5)
    figure = draw_scanpaths(photograph(), [one])
    panel, bar = figure.axes
    assert len(bar.images) == 1
    assert sorted(text.get_text() for text in panel.texts if text.get_text()) == list("12345")
    at = np.concatenate([disk.get_offsets() for disk in disks(panel)])
    np.testing.assert_allclose(at, np.column_stack([one.x, one.y]))


def test_disks_are_as_large_as_fixations_are_long():
    one = Scanpath(np.array([10.0, 40, 70]), np.full(3, 30.0), np.array([100.0, 300, 600]))
    areas = np.array(
        [disk.get_sizes()[0] for disk in disks(draw_scanpaths(photograph(), [one]).axes[0])]
    )
    np.testing.assert_allclose(areas / areas[0], [1, 3, 6])


def test_some_share_a_panel_in_a_color_each():
    figure = draw_scanpaths(photograph(), [scanpath(3), scanpath(2, seed=1)])
    (panel,) = figure.axes
    colors = {tuple(disk.get_facecolor()[0]) for disk in disks(panel)}
    assert len(colors) == 2
    assert {"scanpath 1", "scanpath 2"} <= set(texts(figure))


def test_more_have_a_panel_each_and_what_is_left_out_is_said():
    figure = draw_scanpaths(photograph(), [scanpath(3, seed) for seed in range(6)], most=5)
    assert [len(disks(panel)) for panel in figure.axes] == [3] * 5 + [0]  # and the key
    assert "the first 5 of 6 scanpaths" in texts(figure)


def test_sizes_have_a_key_only_where_durations_are_known():
    assert "200 ms" in texts(draw_scanpaths(photograph(), [scanpath(3)]))
    without = texts(draw_scanpaths(photograph(), [scanpath(3, durations=False)]))
    assert "200 ms" not in without
    assert "durations are not known" in without


@pytest.mark.parametrize("count", [1, 3, 6])
@pytest.mark.parametrize("size", [(60, 80), (90, 20), (1, 1), (10, 300)])
def test_scanpaths_of_any_kind_are_drawn(tmp_path, count, size):
    given = [scanpath(number + 1, number, size) for number in range(count)]
    save_figure(draw_scanpaths(photograph(*size), given, title="$x.jpg"), tmp_path / "a.png")


def test_a_fixation_outside_the_image_is_refused():
    with pytest.raises(ShapeError, match="outside the image of 80x60 pixels"):
        draw_scanpaths(photograph(), [scanpath(9, size=(600, 800))])
