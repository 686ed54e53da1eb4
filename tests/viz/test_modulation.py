import numpy as np
import pytest

from foregaze.viz.modulation import ModulatedImage, draw_modulation


@pytest.fixture
def shown():
    gamma = np.zeros((3, 4, 6))
    gamma[:, 1, 2] = [0.5, 0.5, -0.25]
    beta = np.full((3, 4, 6), -2.0)
    segments = np.repeat(np.arange(2), 30)[None].repeat(40, 0)
    return ModulatedImage(np.zeros((40, 60, 3), np.uint8), segments, gamma, beta)


def test_maps_are_means_and_root_mean_squares_over_channels(shown):
    figure = draw_modulation([shown])
    images = [axes.images[0].get_array() for axes in figure.axes[:5]]
    assert images[1][1, 2] == pytest.approx(0.25)
    assert images[2][1, 2] == pytest.approx(np.sqrt((0.25 + 0.25 + 0.0625) / 3))
    assert (images[3] == -2).all()
    assert (images[4] == 2).all()


def test_edges_of_segments_are_white(shown):
    picture = np.asarray(draw_modulation([shown]).axes[0].images[0].get_array())
    assert (picture[:, 29:31] == 255).all()
    assert not picture[:, :28].any()


def test_colors_mean_the_same_in_all_rows(shown):
    larger = ModulatedImage(shown.image, shown.segments, 4 * shown.gamma, shown.beta)
    figure = draw_modulation([shown, larger])
    limits = {axes.images[0].get_clim() for axes in (figure.axes[1], figure.axes[6])}
    assert limits == {(-1.0, 1.0)}
