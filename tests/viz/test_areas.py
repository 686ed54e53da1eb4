import subprocess
import sys

import numpy as np
import pytest
from matplotlib.patches import PathPatch

from foregaze.data.areas_shape import segment_areas
from foregaze.errors import ShapeError
from foregaze.viz import save_figure
from foregaze.viz.areas import (
    COLORED,
    MOST_CHIPS,
    MOST_COLORS,
    MOST_ROWS,
    DrawnArea,
    Seen,
    draw_areas,
)
from tests.viz.test_area_labels import jagged_segments

SIZE = (120, 160)
MOMENTS = (0.5, 1.0)


def ring(x, y, width, height):
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
    return np.array(corners, dtype=float)


def drawn(name, outline, *shares):
    seen = tuple(Seen(share, (share / 2, (1 + share) / 2), (share / 2, share)) for share in shares)
    return DrawnArea(name, [outline], seen)


def draw(areas, sources=("model",), size=SIZE, title=None, moments=MOMENTS, horizon="1 s"):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    return draw_areas(image, areas, sources, moments, horizon, title)


TWO = [
    drawn("logo", ring(10, 20, 50, 60), 0.8, 0.6),
    drawn("face", ring(100, 50, 30, 30), 0.25, 0.0),
]


def chips(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_outlines_are_drawn_in_stimulus_pixels():
    panel = draw(TWO, ("model", "recorded")).axes[0]
    assert (panel.get_xlim(), panel.get_ylim()) == ((0, 160), (120, 0))
    curves = [patch for patch in panel.patches if isinstance(patch, PathPatch)]
    boxes = [curve.get_path().get_extents().bounds for curve in curves[::2]]
    assert boxes == [(10, 20, 50, 60), (100, 50, 30, 30)]


def test_holes_are_holes():
    outlines = [ring(10, 10, 80, 80), ring(30, 30, 20, 20)[::-1]]
    area = DrawnArea("ring", outlines, (Seen(0.5, None, (0.5, 0.5)),))
    figure = draw_areas(np.full((*SIZE, 3), 255, np.uint8), [area], ["model"], MOMENTS, "1 s")
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())
    places = figure.axes[0].transData.transform([(40, 85), (40, 40), (120, 85)]).astype(int)
    colors = [tuple(pixels[len(pixels) - y, x, :3]) for x, y in places]
    white = (255, 255, 255)
    assert [color == white for color in colors] == [False, True, True]


def test_labels_tell_name_probability_and_interval():
    figure = draw(TWO, ("model", "recorded"))
    assert sorted(chips(figure)) == ["face 25% [12, 62]", "logo 80% [40, 90]"]
    alone = DrawnArea("logo", TWO[0].outlines, (Seen(1.0, None, (1.0, 1.0)),))
    assert chips(draw([alone])) == ["logo 100%"]


def test_labels_do_not_cover_each_other_and_stay_on_the_image():
    same = [drawn(f"area {k}", ring(20, 30, 40, 30), 0.5) for k in range(4)]
    corner = [drawn("in the corner", ring(150, 110, 10, 10), 0.5)]
    figure = draw([*same, *corner], size=(600, 800))
    figure.draw_without_rendering()
    panel = figure.axes[0].get_window_extent()
    boxes = [text.get_bbox_patch().get_window_extent() for text in figure.axes[0].texts]
    for number, box in enumerate(boxes):
        assert panel.x0 - 2 <= box.x0 < box.x1 <= panel.x1 + 2  # px of the edge line
        assert panel.y0 - 2 <= box.y0 < box.y1 <= panel.y1 + 2
        for other in boxes[:number]:
            overlap_px = (
                min(box.x1, other.x1) - max(box.x0, other.x0),
                min(box.y1, other.y1) - max(box.y0, other.y0),
            )
            assert min(overlap_px) < 2


def drawn_segments(ids):
    return [
        DrawnArea(area.name, area.outlines(), (Seen(0.5, None, (0.5, 0.5)),), area.id)
        for area in segment_areas(ids)
    ]


@pytest.mark.parametrize("count", [6, 30])
def test_labels_of_segments_stand_on_them(count):
    size = (600, 800)
    ids = jagged_segments(size, count)
    figure = draw(drawn_segments(ids), size=size)
    figure.draw_without_rendering()
    panel = figure.axes[0]
    boxes = [text.get_bbox_patch().get_window_extent() for text in panel.texts]
    centers = [(box.min + box.max) / 2 for box in boxes]
    x, y = panel.transData.inverted().transform(centers).astype(int).T
    assert ids[y, x].tolist() == list(range(count))


def test_segments_have_their_own_numbers():
    ids = jagged_segments(SIZE, 30)
    ids[ids == 4] = 700
    figure = draw(drawn_segments(ids))
    own = [k for k in range(30) if k != 4] + [700]
    assert chips(figure) == [str(k) for k in own]
    rows = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert rows == [f"segment {k}" for k in own[:MOST_ROWS]]


def test_the_most_seen_of_many_areas_have_colors_of_their_own():
    strips = [drawn(f"{k}", ring(10 * k, 0, 10, 120), (k * 5 % 9) / 10) for k in range(9)]
    figure = draw(strips)
    curves = figure.axes[2].lines
    colors = [line.get_color() for line in curves]
    gray = colors[0]
    shares = [line.get_ydata()[-1] for line in curves]
    assert sorted(shares)[-COLORED:] == sorted(
        share for share, color in zip(shares, colors, strict=True) if color != gray
    )
    assert len(set(colors)) == COLORED + 1
    names = [label.get_color() for label in figure.axes[1].get_yticklabels()]
    assert names == colors
    assert figure.axes[2].get_xlabel() == "seen by then; time, s (in color: 6 most seen)"
    assert len({line.get_color() for line in draw(strips[:MOST_COLORS]).axes[2].lines}) == 8


def test_outlines_of_many_areas_have_one_color():
    strips = [drawn(f"{k}", ring(10 * k, 0, 10, 120), k / 10) for k in range(9)]
    few, many = (
        {patch.get_edgecolor() for patch in draw(areas).axes[0].patches[1::2]}
        for areas in (strips[:8], strips)
    )
    assert len(few) == 8
    assert many == {(1, 1, 1, 1)}


def test_the_chart_has_a_mark_for_each_area_and_source():
    chart = draw(TWO, ("model", "recorded")).axes[1]
    marks = [line for line in chart.lines if line.get_marker() in ("o", "D")]
    assert [(line.get_marker(), line.get_xdata()[0]) for line in marks] == [
        ("o", 0.8),
        ("D", 0.6),
        ("o", 0.25),
        ("D", 0.0),
    ]
    intervals = [line for line in chart.lines if len(line.get_xdata()) == 2]
    assert tuple(intervals[0].get_xdata()) == (0.4, 0.9)
    assert [label.get_text() for label in chart.get_yticklabels()] == ["logo", "face"]
    assert chart.get_xlabel() == "seen within 1 s, 95% interval"


def test_curves_rise_from_zero_to_the_share():
    chart = draw(TWO, ("model", "recorded")).axes[2]
    assert [tuple(line.get_ydata()) for line in chart.lines] == [
        (0, 0.4, 0.8),
        (0, 0.3, 0.6),
        (0, 0.125, 0.25),
        (0, 0, 0),
    ]
    assert tuple(chart.lines[0].get_xdata()) == (0, 0.5, 1)
    assert len({line.get_linestyle() for line in chart.lines}) == 2
    assert chart.get_xlabel() == "seen by then; time, s"


def test_curves_over_fixations_say_so():
    chart = draw(TWO, ("model", "recorded"), horizon="2 fixations", moments=(1.0, 2.0)).axes[2]
    assert chart.get_xlabel() == "seen by then; number of fixations"
    many = draw(TWO * 5, ("model", "recorded"), horizon="2 fixations", moments=(1.0, 2.0))
    box = many.axes[2].xaxis.label.get_window_extent(many.canvas.get_renderer())
    assert many.axes[0].get_window_extent().x1 < box.x0 < box.x1 <= many.bbox.x1


def test_the_key_names_two_sources_and_one_needs_none():
    assert [t.get_text() for t in draw(TWO, ("model", "recorded")).axes[3].texts] == [
        "model",
        "recorded",
    ]
    assert len(draw([drawn("a", ring(1, 1, 9, 9), 0.5)]).axes) == 3


def test_of_many_areas_the_chart_has_the_most_seen_and_labels_are_numbers():
    strips = [drawn(f"strip {k}", ring(4 * k, 0, 4, 120), k / 40) for k in range(40)]
    figure = draw(strips)
    chart = figure.axes[1]
    names = [label.get_text() for label in chart.get_yticklabels()]
    assert len(names) == MOST_ROWS
    assert names[0] == "17  strip 16"
    assert names[-1] == "40  strip 39"
    assert chart.get_xlabel().endswith(f"({MOST_ROWS} most seen of 40)")
    assert sorted(chips(figure), key=int) == [str(k + 1) for k in range(40)]
    assert "strip" in chips(draw(strips[:MOST_CHIPS]))[0]


@pytest.mark.parametrize(
    "size", [(600, 800), (800, 600), (50, 400), (400, 50), (30, 40), (1, 1), (1, 300)]
)
@pytest.mark.parametrize("count", [1, 30])
def test_nothing_leaves_the_page(tmp_path, size, count):
    height, width = size
    areas = [
        drawn("$x_$ 漢字 a long name " * 3, ring(0, 0, width, height / (k + 1)), 1.0, 0.0)
        for k in range(count)
    ]
    figure = draw(areas, ("model " * 20, "recorded"), size=size, title="photo.jpg")
    save_figure(figure, tmp_path / "a.png")  # warnings are errors here
    for axes in figure.axes:
        box = axes.get_tightbbox(figure.canvas.get_renderer())
        if axes is figure.axes[0] and min(size) < 50:
            continue  # an image that is smaller than a label
        assert box.xmin >= -2  # px of the rings of marks
        assert box.ymin >= -2
        assert box.xmax <= figure.bbox.xmax + 2
        assert box.ymax <= figure.bbox.ymax + 2


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="0 areas, 1 sources: expected some, and 1 or 2"):
        draw([])
    with pytest.raises(ShapeError, match="1 areas, 3 sources"):
        draw(TWO[:1], ("a", "b", "c"))
    with pytest.raises(ShapeError, match="area 'logo' does not have 2 moments of 1 sources"):
        draw(TWO)
    with pytest.raises(ShapeError, match="area 'logo' does not have 1 moments of 2 sources"):
        draw(TWO, ("a", "b"), moments=(1.0,))


def test_drawing_imports_neither_pyplot_nor_shapely():
    code = "import sys, foregaze.viz.areas; sys.exit(bool({'matplotlib.pyplot', 'shapely'} & "
    code += "set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
