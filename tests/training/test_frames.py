"""Everything on an image must move together, whatever a view does to it."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from foregaze.ops.logdensity import normalize
from foregaze.ops.preprocess import to_working_size
from foregaze.training.frames import Frame, View, frame_of
from foregaze.training.recipe import DataConfig

SIZE = (240, 320)
INPUT = (96, 128)
DATA = DataConfig(root=Path("osie"), variants=6, crop_area=0.6, color=0.2)
SPOT = 12
"""Pixels from the middle of the bright dot to its edge."""
MARK = np.array([[168.0, 118.0]])
"""Middle of the dot in x, y, where every crop of 0.6 of the area shows it."""
PLAIN_COLOR = (1.0, 1.0, 1.0)


def dotted() -> np.ndarray:
    """A dark image with the dot."""
    image = np.full((*SIZE, 3), 20, dtype=np.uint8)
    x, y = MARK[0].astype(int)
    image[y - SPOT : y + SPOT, x - SPOT : x + SPOT] = 230
    return image


def frame(variant: int, mirrored: bool, data: DataConfig = DATA, name: str = "a.jpg") -> Frame:
    return frame_of(View(0, mirrored, (), variant), SIZE, name, data, INPUT)


def middle(values: np.ndarray) -> np.ndarray:
    """x, y of the middle of what is brighter than half, in pixels from the corner."""
    rows, columns = np.nonzero(values > (values.max() + values.min()) / 2)
    return np.array([columns.mean(), rows.mean()]) + 0.5


EVERY = list(product(range(7), (False, True)))


@pytest.mark.parametrize(("variant", "mirrored"), EVERY)
def test_what_is_at_one_place_of_the_image_is_at_one_place_of_the_view(variant, mirrored):
    seen = frame(variant, mirrored)
    (place,) = seen.positions(MARK)
    assert seen.shown(MARK).all()
    picture = seen.picture(dotted()).numpy()
    assert picture.shape == (3, *INPUT)
    np.testing.assert_allclose(middle(picture.mean(0)), place, atol=0.6)
    # The dot's segment, among as many as the image has columns and rows of 16 pixels.
    rows, columns = np.arange(SIZE[0])[:, None] // 16, np.arange(SIZE[1]) // 16
    labels = seen.labels(rows * 100 + columns)
    assert labels.shape == (seen.height, seen.width)
    scale = np.array([seen.width / INPUT[1], seen.height / INPUT[0]])
    x, y = (place * scale).astype(int)
    assert labels[y, x] == (118 // 16) * 100 + 168 // 16
    # A center bias that peaks there.
    yy, xx = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    log_density = -((xx - MARK[0, 0]) ** 2 + (yy - MARK[0, 1]) ** 2) / (2 * 15**2)
    prior = seen.prior(log_density, (24, 32))
    assert prior.exp().sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(middle(prior.exp().numpy()) * 4, place, atol=1.5)


@pytest.mark.parametrize("variant", range(7))
def test_a_mirrored_view_is_the_mirror_image_of_the_other(variant):
    plain, mirrored = frame(variant, False), frame(variant, True)
    image = dotted()
    assert torch.equal(plain.picture(image).flip(-1), mirrored.picture(image))
    xy = np.random.default_rng(variant).uniform(0, 200, (9, 2))
    np.testing.assert_allclose(
        INPUT[1] - plain.positions(xy)[:, 0], mirrored.positions(xy)[:, 0], atol=1e-10
    )
    np.testing.assert_array_equal(plain.shown(xy), mirrored.shown(xy))
    ids = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE)
    np.testing.assert_array_equal(plain.labels(ids)[:, ::-1], mirrored.labels(ids))


def test_variants_differ_and_come_out_the_same_again():
    frames = [frame(variant, False) for variant in range(7)]
    assert frames == [frame(variant, False) for variant in range(7)]
    assert len({f.made for f in frames}) == 7
    assert frame(1, False, name="b.jpg").made != frames[1].made
    assert len({f.color for f in frames}) == 7
    assert len({(f.top, f.left, f.height) for f in frames}) >= 6  # one is nearly whole


def test_crops_keep_to_their_limits_and_to_the_image():
    for variant in range(1, 300):
        seen = frame(variant, False)
        assert 0.59 < seen.height * seen.width / (SIZE[0] * SIZE[1]) <= 1
        assert seen.width / seen.height == pytest.approx(SIZE[1] / SIZE[0], rel=0.01)
        assert 0 <= seen.top <= SIZE[0] - seen.height
        assert 0 <= seen.left <= SIZE[1] - seen.width
        assert all(0.8 <= factor <= 1.2 for factor in seen.color)
        assert seen.size == INPUT


def test_all_of_an_image_may_be_a_variant():
    whole = DATA.model_copy(update={"crop_area": 1.0, "color": 0.0})
    seen = frame(3, False, whole)
    assert seen.is_whole
    assert torch.equal(seen.picture(dotted()), to_working_size(dotted(), INPUT))


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_plain_view_has_the_key_that_features_in_stores_have(mirrored):
    """Stores keep features by this text: another one would have all of them computed again."""
    assert frame(0, mirrored).made == f"(96, 128) {'mirrored' if mirrored else 'plain'}"
    seen = frame_of(View(0, mirrored), (600, 800), "1001.jpg", DATA, (576, 768))
    assert seen.made == f"(576, 768) {'mirrored' if mirrored else 'plain'}"


@pytest.mark.parametrize("mirrored", [False, True])
def test_what_a_crop_leaves_out_is_not_shown_and_lies_outside(mirrored):
    seen = Frame(40, 60, 100, 120, INPUT, mirrored, PLAIN_COLOR, is_whole=False)
    xy = np.array([[60.0, 40.0], [179.9, 139.9], [59.9, 90.0], [100.0, 140.0], [180.0, 90.0]])
    assert seen.shown(xy).tolist() == [True, True, False, False, False]
    moved = seen.positions(xy)
    inside = ((moved >= 0) & (moved <= np.array([128, 96]))).all(-1)
    assert inside[:2].all()
    assert not seen.shown(np.array([[np.nan, np.nan]])).any()
    x = moved[2, 0]
    assert x > 128 if mirrored else x < 0


def test_the_center_bias_of_a_crop_is_that_of_its_part():
    log_density = np.log(np.random.default_rng(0).dirichlet(np.ones(48 * 64)).reshape(48, 64))
    seen = Frame(8, 16, 24, 32, INPUT, False, PLAIN_COLOR, is_whole=False)
    part = torch.from_numpy(log_density[8:32, 16:48])[None]
    expected = normalize(part)[0].float()
    torch.testing.assert_close(seen.prior(log_density, (24, 32)), expected)
    halves = expected.exp().reshape(12, 2, 16, 2).sum((1, 3)).log()
    torch.testing.assert_close(seen.prior(log_density, (12, 16)), halves, rtol=0, atol=1e-5)


def test_a_brighter_view_is_brighter_and_stays_within_the_range_of_pixels():
    seen = Frame(0, 0, *SIZE, INPUT, False, (1.2, 1.0, 1.0))
    plain, brighter = frame(0, False).picture(dotted()), seen.picture(dotted())
    torch.testing.assert_close(brighter, (plain * 1.2).clamp(max=255).round(), rtol=0, atol=1)
    assert brighter.max() == 255
    assert torch.equal(brighter, brighter.round())


def test_gray_pictures_have_no_color():
    seen = Frame(0, 0, *SIZE, INPUT, False, (1.0, 1.0, 0.5))
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    spread = [p.amax(0) - p.amin(0) for p in (frame(0, False).picture(image), seen.picture(image))]
    assert spread[1].mean() < 0.6 * spread[0].mean()
