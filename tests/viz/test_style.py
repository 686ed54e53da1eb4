import numpy as np
import pytest

from foregaze.viz.style import (
    DISPLAY_PX,
    blank_page,
    draw_density,
    fade,
    fitted,
    heat,
    image_inches,
    place_axes,
    reduce_log_density,
    reduce_photograph,
    show_stimulus,
    size_pt,
    to_gray,
)


def test_axes_are_placed_from_the_top_left_corner_in_inches():
    figure = blank_page(4.0, 2.0)
    axes = place_axes(figure, 1.0, 0.5, 2.0, 1.0)
    box = axes.get_position()
    np.testing.assert_allclose([box.x0, box.y0, box.x1, box.y1], [0.25, 0.25, 0.75, 0.75])
    np.testing.assert_allclose(size_pt(axes), [144, 72])


def test_a_panel_of_a_stimulus_has_its_pixels_as_coordinates():
    axes = place_axes(blank_page(2.0, 2.0), 0.0, 0.0, 2.0, 2.0)
    show_stimulus(axes, (30, 40))
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 40), (30, 0))


@pytest.mark.parametrize(
    ("size", "inches"), [((30, 60), (4, 2)), ((60, 30), (2, 4)), ((1, 1000), (4, 0.05))]
)
def test_the_long_side_of_an_image_is_as_asked(size, inches):
    assert image_inches(size, 4.0) == pytest.approx(inches)


def test_reducing_keeps_the_mass_of_each_part():
    log_density = np.random.default_rng(0).normal(size=(40, 60)).astype(np.float32)
    reduced = np.exp(reduce_log_density(log_density, 30))
    parts = np.exp(log_density).reshape(20, 2, 30, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(reduced / reduced.sum(), parts / parts.sum(), rtol=1e-5)


def test_small_photographs_are_not_reduced():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(reduce_photograph(image), image)
    assert reduce_photograph(np.repeat(image, 100, axis=1)).shape[1] == DISPLAY_PX


def test_gray_has_no_color_and_keeps_black_and_white():
    image = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], dtype=np.uint8)
    np.testing.assert_array_equal(to_gray(image), [[[0] * 3, [255] * 3, [76] * 3]])


def test_fading_keeps_white_and_that_share_of_the_contrast():
    image = np.array([[[255, 155, 55]]], dtype=np.uint8)
    np.testing.assert_array_equal(fade(image, 0.5), [[[255, 205, 155]]])


def test_heat_grows_with_density():
    opacity = heat(np.linspace(-3, 0, 50)[None])[0, :, 3]
    assert (np.diff(opacity) >= 0).all()
    assert opacity[0] == 0


def test_a_flat_density_has_no_contours():
    axes = place_axes(blank_page(2.0, 2.0), 0.0, 0.0, 2.0, 2.0)
    assert draw_density(axes, np.zeros((8, 9)), (8, 9)) is None


def test_contours_know_their_shares():
    axes = place_axes(blank_page(2.0, 2.0), 0.0, 0.0, 2.0, 2.0)
    density = -np.hypot(*(np.mgrid[:20, :20] - 9.5)) / 3
    contours = draw_density(axes, density, (20, 20))
    assert [contours.share_of[level] for level in contours.curves.levels] == [0.75, 0.5, 0.25]


def test_text_is_shortened_in_the_middle_and_unknown_signs_replaced():
    assert fitted("name.jpg", 3.0, 8.0) == "name.jpg"
    assert fitted("漢.jpg", 3.0, 8.0) == "\N{REPLACEMENT CHARACTER}.jpg"
    short = fitted("a" * 100 + "z", 2.0, 8.0)
    assert short.startswith("a")
    assert short.endswith("z")
    assert "…" in short
