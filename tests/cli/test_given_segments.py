"""Which map belongs to which image."""

import pytest

from foregaze.cli.given_segments import maps_of_images
from foregaze.errors import DataError


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "photo.png"
    path.touch()
    return path


def test_without_the_option_there_are_none(image):
    assert maps_of_images(None)(image) is None


def test_a_file_is_the_map_of_the_one_image(image, tmp_path):
    assert maps_of_images(tmp_path / "any.npy")(image) == tmp_path / "any.npy"


@pytest.mark.parametrize("name", ["photo-ids.png", "photo-ids.npy", "photo.npy"])
def test_a_folder_holds_maps_by_their_images_names(image, tmp_path, name):
    (tmp_path / "other-ids.png").touch()
    (tmp_path / name).touch()
    assert maps_of_images(tmp_path)(image) == tmp_path / name


def test_missing_and_ambiguous_maps_are_errors(image, tmp_path):
    of = maps_of_images(tmp_path)
    with pytest.raises(DataError, match=r"photo\.png: has no segment map in .*; expected photo-"):
        of(image)  # which is not its own map
    for name in ("photo-ids.png", "photo-ids.npy"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"photo-ids\.npy and .*photo-ids\.png: one map for an"):
        of(image)


def test_maps_of_foregaze_segment_come_first(image, tmp_path):
    """A picture of the prediction may have the image's stem."""
    for name in ("photo-ids.png", "photo.npy"):
        (tmp_path / name).touch()
    assert maps_of_images(tmp_path)(image) == tmp_path / "photo-ids.png"
