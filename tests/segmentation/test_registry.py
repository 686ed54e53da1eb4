"""What holds for every segmenter that needs nothing but an image."""

import numpy as np
import pytest
import skimage.data

from foregaze.errors import ConfigError, UnknownNameError, WeightsError
from foregaze.segmentation import SEGMENTERS, make_segmenter

TOY = {
    "kmeans": {
        "backbone": "tf_efficientnet_lite0",
        "weights": "random:0",
        "stage": 2,
        "input_size": (192, 256),
    }
}


def make(name, **settings):
    return make_segmenter(name, **TOY.get(name, {}), **settings)


@pytest.fixture(scope="module")
def photo():
    return skimage.data.astronaut()[60:300, 100:420]


@pytest.fixture(params=["felzenszwalb", "kmeans", "slic"])
def name(request):
    return request.param


@pytest.mark.parametrize("wanted", [1, 4, 16])
def test_there_are_as_many_segments_as_wanted_at_most(name, photo, wanted):
    found = make(name, segments=wanted).segments(photo)
    assert found.shape == photo.shape[:2]
    assert found.dtype == np.int32
    ids = np.unique(found)
    np.testing.assert_array_equal(ids, np.arange(len(ids)))
    assert min(wanted, 2) <= len(ids) <= wanted


def test_equal_images_have_equal_segments(name, photo):
    first = make(name).segments(photo)
    np.testing.assert_array_equal(make(name).segments(photo.copy()), first)


@pytest.mark.parametrize("size", [(1, 1), (7, 90), (64, 64), (101, 33)])
def test_images_of_any_size_are_segmented(name, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert make(name, segments=4).segments(image).shape == size


def test_an_image_of_one_color_is_segmented(name):
    found = make(name, segments=4).segments(np.full((40, 60, 3), 90, np.uint8))
    assert found.max() < 4


def test_two_colors_are_not_mixed(name):
    image = np.zeros((96, 128, 3), np.uint8)
    image[:, 64:] = (250, 200, 40)
    found = make(name, segments=6).segments(image)
    inside = slice(16, 80)
    left, right = found[inside, 16:48], found[inside, 80:112]
    assert not set(left.ravel().tolist()) & set(right.ravel().tolist())


def test_all_segmenters_are_known():
    known = ["felzenszwalb", "grid", "kmeans", "maps", "segment-anything", "slic"]
    assert sorted(SEGMENTERS) == known


def test_unknown_names_and_settings_are_refused(name):
    with pytest.raises(UnknownNameError, match="unknown segmenter 'sam'; known: felzenszwalb, gr"):
        make_segmenter("sam")
    with pytest.raises(ConfigError, match="segment_count"):
        make(name, segment_count=3)
    with pytest.raises(ConfigError, match="segments"):
        make(name, segments=0)


def test_weights_that_are_not_there_are_an_error():
    with pytest.raises(WeightsError, match=r"nowhere\.pth"):
        make_segmenter("kmeans", weights="nowhere.pth")
