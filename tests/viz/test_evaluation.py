import numpy as np
import pytest

from foregaze.viz.evaluation import (
    Example,
    draw_calibration,
    draw_examples,
    draw_gains,
    draw_metric,
    draw_reliability,
    model_colors,
)

COLORS = model_colors(["a", "b"])


def test_colors_differ_between_models_and_not_between_figures():
    assert COLORS["a"] != COLORS["b"]
    assert model_colors(["a", "b", "c"])["b"] == COLORS["b"]


def test_gains_have_a_panel_for_each_model_with_a_point_for_each_image():
    figure = draw_gains([1.0, 2.0, 3.0], {"a": [0.5, 1.0, 2.0], "b": [0.0, 0.0, 0.1]}, COLORS)
    panels = figure.axes
    assert [panel.get_title() for panel in panels] == ["a", "b"]
    points = panels[0].collections[0].get_offsets()
    np.testing.assert_allclose(points, [[0.5, 1.0], [1.0, 2.0], [2.0, 3.0]])
    assert panels[0].get_xlim() == panels[1].get_xlim() == panels[0].get_ylim()


def test_calibration_shows_shares_with_their_intervals():
    regions = [(0.12, (0.1, 0.14)), (0.08, (0.05, 0.09))]
    (panel,) = draw_calibration({"a": regions}, COLORS).axes
    heights = [bar.get_height() for bar in panel.patches]
    assert heights == [0.12, 0.08]
    segments = panel.collections[0].get_segments()
    np.testing.assert_allclose([segment[:, 1] for segment in segments], [(0.1, 0.14), (0.05, 0.09)])


def test_reliability_shows_each_bin_with_a_disk_of_its_trials():
    bins = {"a": [(0.1, 0.2, 100), (0.8, 0.7, 50)], "b": [(0.5, 0.5, 10)], "c": []}
    figure = draw_reliability(bins, dict.fromkeys(bins, "black"), columns=2)
    assert [panel.get_title() for panel in figure.axes if panel.axison] == ["a", "b", "c"]
    disks = figure.axes[0].collections[0]
    np.testing.assert_allclose(disks.get_offsets(), [[0.1, 0.2], [0.8, 0.7]])
    large, small = disks.get_sizes()
    assert large == 2 * small


def test_models_of_a_metric_stand_in_their_order_from_the_top():
    figure = draw_metric("IG", {"a": (1.0, (0.9, 1.1)), "b": (2.0, (1.8, 2.3))}, "bits", COLORS)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert axes.yaxis_inverted()
    assert "IG (bits)" in axes.get_xlabel()


@pytest.mark.parametrize("count", [5, 9])
def test_more_models_than_fit_go_to_the_next_row(count):
    names = [f"model {i}" for i in range(count)]
    figure = draw_gains([1.0, 2.0], {name: [0.5, 1.0] for name in names}, model_colors(names))
    rows = {round(axes.get_position().y0, 2) for axes in figure.axes if axes.get_title()}
    assert len(rows) == -(-count // 4)


def test_examples_show_fixations_above_the_map_below():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)
    log_density = np.full((30, 40), -10.0)
    log_density[5:9, 20:30] = -4.0
    log_density -= np.log(np.exp(log_density).sum())
    shown = Example("1.png: IG 2.00", image, np.array([3.0]), np.array([4.0]), log_density)
    only_map = Example("2.png", image, np.empty(0), np.empty(0), None, rng.random((30, 40)))
    figure = draw_examples([shown, only_map])
    assert [axes.get_title() for axes in figure.axes[:2]] == ["1.png: IG 2.00", "2.png"]
    np.testing.assert_allclose(figure.axes[0].collections[0].get_offsets(), [[3.0, 4.0]])
    assert len(figure.axes[2].images) == 2  # the photograph in gray, the heat map over it
    assert len(figure.axes[3].images) == 1
