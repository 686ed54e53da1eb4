import subprocess
import sys

import numpy as np
import pytest
from jaxtyping import TypeCheckError
from PIL import Image

from foregaze.errors import OutputError, ShapeError
from foregaze.viz import draw_prediction, save_figure


def photograph(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def blob(height, width, x, y, sigma_px):
    rows, columns = np.mgrid[:height, :width] + 0.5
    log_density = -((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma_px**2)
    return (log_density - np.log(np.exp(log_density).sum())).astype(np.float32)


def draw(height, width, count=5, log_density=None, title=None):
    generator = np.random.default_rng(1)
    if log_density is None:
        log_density = blob(height, width, width / 2, height / 2, max(height, width) / 10)
    x, y = generator.uniform(0, width, count), generator.uniform(0, height, count)
    return draw_prediction(photograph(height, width), log_density, x, y, title)


def contour_curves(figure):
    """Curves of each contour level, from the lowest density up."""
    (contours,) = [c for c in figure.axes[0].collections if hasattr(c, "levels")]
    return contours.allsegs


def written(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_contours_of_a_gaussian_are_circles_around_a_quarter_half_and_three_quarters():
    x, y, sigma_px = 70.0, 60.0, 12.0
    figure = draw(120, 160, log_density=blob(120, 160, x, y, sigma_px))
    curves = contour_curves(figure)
    assert [len(level) for level in curves] == [1, 1, 1]
    for share, (curve,) in zip((0.75, 0.5, 0.25), curves, strict=True):
        radius_px = sigma_px * np.sqrt(-2 * np.log(1 - share))  # of a Gaussian in two dimensions
        # labels cut gaps into drawn paths, not into these; a tenth of a pixel is the grid's
        np.testing.assert_allclose(np.hypot(*(curve - [x, y]).T), radius_px, atol=0.1)


def test_reduced_display_keeps_contours_in_stimulus_pixels():
    x, y, sigma_px = 1200.0, 300.0, 100.0
    figure = draw(800, 3200, log_density=blob(800, 3200, x, y, sigma_px))
    for share, (curve,) in zip((0.75, 0.5, 0.25), contour_curves(figure), strict=True):
        radius_px = sigma_px * np.sqrt(-2 * np.log(1 - share))
        np.testing.assert_allclose(np.hypot(*(curve - [x, y]).T), radius_px, atol=0.5)
    assert max(max(shown.get_array().shape) for shown in figure.axes[0].images) == 1600


def test_contours_are_labeled_with_their_shares():
    figure = draw(300, 400, log_density=blob(300, 400, 200, 150, 60))
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["25%", "50%", "75%"]


def test_heat_is_clear_outside_and_strongest_at_the_peak():
    figure = draw(120, 160, log_density=blob(120, 160, 40.5, 90.5, 8))
    opacity = np.asarray(figure.axes[0].images[1].get_array())[..., 3]
    assert np.unravel_index(opacity.argmax(), opacity.shape) == (90, 40)
    assert opacity[0, 159] == 0
    assert 0.4 < opacity.max() < 0.8  # the photograph stays visible


def test_flat_density_has_neither_heat_nor_contours():
    figure = draw(30, 40, log_density=np.full((30, 40), -np.log(1200), np.float32))
    assert not figure.axes[0].collections
    assert np.asarray(figure.axes[0].images[1].get_array())[..., 3].max() == 0


def test_impossible_regions_are_drawn(tmp_path):
    log_density = np.full((30, 40), -np.inf, np.float32)
    log_density[10:20, 10:20] = -np.log(100)
    save_figure(draw(30, 40, log_density=log_density), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 0


def test_points_lie_at_the_fixations():
    x, y = np.array([3.5, 39.0]), np.array([7.25, 1.0])
    figure = draw_prediction(photograph(30, 40), blob(30, 40, 20, 15, 5), x, y)
    for ring in figure.axes[1].collections:
        np.testing.assert_array_equal(ring.get_offsets(), np.stack([x, y], axis=1))
    assert len(figure.axes[1].collections) == 3  # a dark ring, a white one, the point
    assert figure.axes[1].get_xlim() == (0, 40)
    assert figure.axes[1].get_ylim() == (30, 0)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 sampled fixations"), (1, "1 sampled fixation"), (1500, "1,500 sampled fixations")],
)
def test_legend_counts_the_fixations(count, text):
    assert text in written(draw(30, 40, count))


@pytest.mark.parametrize(
    ("height", "width", "stacked"),
    [(60, 80, False), (80, 60, False), (60, 60, False), (60, 240, True), (300, 60, False)],
)
def test_panels_stand_side_by_side_except_in_panoramas(height, width, stacked):
    first, second = (axes.get_position() for axes in draw(height, width).axes[:2])
    assert (second.y1 <= first.y0) == stacked
    assert (second.x0 >= first.x1) != stacked


@pytest.mark.parametrize(
    ("height", "width"),
    [(600, 800), (800, 600), (50, 400), (30, 40), (1, 1), (1, 30), (30, 1), (1, 3000), (2, 2)],
)
def test_image_keeps_its_proportions_and_nothing_leaves_the_page(tmp_path, height, width):
    figure = draw(height, width, title="photograph.jpg")
    save_figure(figure, tmp_path / "a.png")
    page = figure.get_size_inches()
    for axes in figure.axes[:2]:
        drawn = axes.get_position().size * page
        if max(height, width) < 100 * min(height, width):  # thinner ones are widened to be seen
            assert drawn[0] / drawn[1] == pytest.approx(width / height)
    boxes = [axes.get_tightbbox(figure.canvas.get_renderer()) for axes in figure.axes]
    boxes += [text.get_window_extent() for text in figure.texts]
    margin_px = 2  # rings of points at the border
    for box in boxes:
        assert box.xmin >= -margin_px
        assert box.ymin >= -margin_px
        assert box.xmax <= figure.bbox.xmax + margin_px
        assert box.ymax <= figure.bbox.ymax + margin_px


def test_title_is_plain_text_and_fits(tmp_path):
    for title in ("$x_$ ^.jpg", "漢字.png", "long name " * 50):
        figure = draw(60, 60, title=title)
        save_figure(figure, tmp_path / "a.png")  # warnings are errors here
        (text,) = figure.texts
        assert text.get_window_extent().xmax <= figure.bbox.xmax
    assert "…" in text.get_text()


def test_sizes_that_do_not_fit_are_refused():
    image, log_density = photograph(30, 40), blob(40, 30, 15, 20, 5)
    # where annotations are checked, jaxtyping comes first
    with pytest.raises((ShapeError, TypeCheckError), match=r"log_density \(40, 30\)|'log_density'"):
        draw_prediction(image, log_density, np.zeros(2), np.zeros(2))
    with pytest.raises((ShapeError, TypeCheckError), match=r"x \(2,\), y \(3,\)|parameter 'y'"):
        draw_prediction(image, log_density.T, np.zeros(2), np.zeros(3))


def test_saved_figure_is_the_only_file_and_a_whole_png(tmp_path):
    save_figure(draw(30, 40), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert image.format == "PNG"


def test_failed_writing_leaves_the_earlier_file_and_no_other(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"earlier")
    figure = draw(30, 40)

    def fill_disk(path, **kwargs):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure, "savefig", fill_disk)
    with pytest.raises(OutputError, match=r"a.png: cannot be written .No space left"):
        save_figure(figure, tmp_path / "a.png")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.png": b"earlier"}


def test_a_missing_folder_is_made_and_a_folder_in_the_way_is_refused(tmp_path):
    figure = draw(30, 40)
    save_figure(figure, tmp_path / "absent" / "a.png")
    with pytest.raises(OutputError, match=r"cannot be written .Is a directory"):
        save_figure(figure, tmp_path / "absent")
    assert [path.name for path in tmp_path.rglob("*")] == ["absent", "a.png"]


def test_drawing_does_not_import_pyplot():
    code = "import sys, foregaze.viz; sys.exit('matplotlib.pyplot' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
