import pytest
from matplotlib.lines import Line2D

from foregaze.viz.scanpaths_panels import (
    draw_order_bar,
    how_many,
    lay_out,
    write_key,
    write_line,
)
from foregaze.viz.style import blank_page


@pytest.mark.parametrize("size", [(60, 80), (80, 60), (20, 90), (1, 1), (300, 1)])
@pytest.mark.parametrize("count", [1, 2, 4, 5, 7, 9, 12])
def test_panels_keep_apart_and_on_the_page(size, count):
    grid = lay_out(size, count, has_title=True, footer=0.5)
    figure, panels = grid.draw([f"fixation {number}" for number in range(count)])
    boxes = [panel.get_position() for panel in panels]
    assert len(boxes) == count
    for number, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= 1
        assert 0 < box.y0 < box.y1 < 1
        assert not any(box.overlaps(other) for other in boxes[:number])
    renderer = figure.canvas.get_renderer()
    captions = [panel.texts[0].get_window_extent(renderer) for panel in panels]
    for number, caption in enumerate(captions):
        assert not any(caption.overlaps(other) for other in captions[:number])
        assert not any(caption.overlaps(panel.get_window_extent()) for panel in panels)


def test_a_page_without_captions_is_lower():
    heights = [
        lay_out((60, 80), 1, has_title=False, footer=0.0, captioned=captioned).page[1]
        for captioned in (True, False)
    ]
    assert heights[0] > heights[1]


def test_what_is_left_out_is_said():
    assert how_many(12, 15, "steps") == "the first 12 of 15 steps"
    assert how_many(12, 12, "steps") == ""


def test_key_and_line_are_in_the_middle():
    figure = blank_page(6.0, 2.0)
    write_key(figure, 0.5, [Line2D([0], [0], label=name) for name in ("one", "two")])
    write_line(figure, 1.0, "a $line")
    draw_order_bar(figure, 1.5, 9)
    renderer = figure.canvas.get_renderer()
    for shown in (figure.legends[0], figure.texts[0]):
        box = shown.get_window_extent(renderer)
        assert (box.x0 + box.x1) / 2 == pytest.approx(figure.bbox.width / 2, abs=2)
    assert [text.get_text() for text in figure.axes[0].texts] == ["fixation 1", "9"]
