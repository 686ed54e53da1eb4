import math

import numpy as np
import pytest

from foregaze.errors import ShapeError
from foregaze.viz import draw_steps, save_figure
from foregaze.viz.scanpaths_steps import gain_bits
from tests.viz.viewing import SIZE, Following, photograph, scanpath, texts


def stars(panel):
    return {tuple(line.get_xydata()[0]) for line in panel.lines if line.get_marker() == "*"}


def test_each_step_has_a_panel_with_a_star_at_the_fixation_that_followed():
    one = scanpath(4)
    figure = draw_steps(photograph(), one, Following())
    *panels, _ = figure.axes  # the last one is the key
    assert len(panels) == 4
    for number, panel in enumerate(panels):
        assert stars(panel) == {(one.x[number], one.y[number])}


def test_the_model_is_asked_after_each_history():
    one, model = scanpath(4), Following()
    draw_steps(photograph(), one, model, first=1)
    assert [len(history) for history in model.histories] == [1, 2, 3]
    np.testing.assert_array_equal(model.histories[-1], np.column_stack([one.x, one.y])[:3])


def test_history_is_numbered_and_older_fixations_are_fainter():
    figure = draw_steps(photograph(), scanpath(4), Following())
    panel = figure.axes[3]
    assert sorted(text.get_text() for text in panel.texts)[:3] == ["1", "2", "3"]
    disks = [c for c in panel.collections if (c.get_gid() or "").startswith("fixation")]
    opacity = [disk.get_facecolor()[0, 3] for disk in disks]
    assert opacity[0] < opacity[1] < opacity[2]


def test_captions_have_the_gain_in_bits_and_the_duration():
    one, model = scanpath(2), Following()
    log_density = model(np.array([[one.x[0], one.y[0]]])).log_density
    bits = gain_bits(log_density, one.x[1], one.y[1])
    (caption,) = [t for t in texts(draw_steps(photograph(), one, model, first=1)) if "ms" in t]
    expected = f"fixation 2: {bits:+.2f} bits, {one.duration_ms[1]:.0f} ms"
    assert caption == expected.replace("-", "−")


def test_twice_the_uniform_density_is_worth_one_bit():
    log_density = np.full(SIZE, -math.log(SIZE[0] * SIZE[1]))
    log_density[7, 3] += math.log(2)
    assert gain_bits(log_density, 3.9, 7.0) == pytest.approx(1.0)
    assert gain_bits(log_density, 4.0, 7.0) == pytest.approx(0.0)


def test_durations_that_are_not_known_are_left_out():
    figure = draw_steps(photograph(), scanpath(2, durations=False), Following())
    assert not [text for text in texts(figure) if " ms" in text]


def test_panels_are_limited_and_the_picture_says_so():
    figure = draw_steps(photograph(), scanpath(20), Following(), first=1)
    assert len(figure.axes) == 12 + 1
    assert any("the first 12 of 19 steps" in text for text in texts(figure))
    figure = draw_steps(photograph(), scanpath(13), Following(), first=1)
    assert not any("the first" in text for text in texts(figure))


def test_one_fixation_is_a_step_unless_it_is_given(tmp_path):
    save_figure(draw_steps(photograph(), scanpath(1), Following(), title="a"), tmp_path / "a.png")
    with pytest.raises(ShapeError, match="1 fixations, of which 1 are given, has no step"):
        draw_steps(photograph(), scanpath(1), Following(), first=1)
    with pytest.raises(ShapeError, match="first is -1, expected the index of a fixation, from 0"):
        draw_steps(photograph(), scanpath(1), Following(), first=-1)


def test_a_prediction_of_another_size_is_refused():
    with pytest.raises(ShapeError, match=r"shape \(30, 40\) for an image of shape \(60, 80\)"):
        draw_steps(photograph(), scanpath(3), Following((30, 40)))


def test_a_fixation_outside_the_image_is_refused():
    with pytest.raises(ShapeError, match="outside the image"):
        draw_steps(photograph(), scanpath(9, size=(600, 800)), Following())
