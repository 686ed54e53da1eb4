import re

import numpy as np
import pytest
from PIL import Image

from foregaze.data.areas import read_areas
from foregaze.data.areas_segments import read_segment_areas
from foregaze.errors import DataError

SIZE = (4, 6)
IDS = np.arange(24).reshape(SIZE) // 8  # 0, 1, 2, eight pixels each


def names(path, background=None):
    return [(area.name, area.area_px) for area in read_segment_areas(path, SIZE, background)]


THREE = [("segment 0", 8), ("segment 1", 8), ("segment 2", 8)]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint16, np.int64])
def test_an_array_has_an_area_for_each_id(tmp_path, dtype):
    np.save(tmp_path / "a.npy", IDS.astype(dtype))
    assert names(tmp_path / "a.npy") == THREE
    assert names(tmp_path / "a.npy", background=1) == [THREE[0], THREE[2]]


def test_an_array_of_true_and_false_has_two_areas(tmp_path):
    np.save(tmp_path / "a.npy", IDS == 1)
    assert names(tmp_path / "a.npy") == [("segment 0", 16), ("segment 1", 8)]


def test_pictures_in_gray_palette_and_sixteen_bits_hold_ids(tmp_path):
    gray = Image.fromarray(IDS.astype(np.uint8))
    palette = gray.copy()
    palette.putpalette([9, 9, 9, 200, 0, 0, 0, 0, 200])
    assert palette.mode == "P"
    for number, image in enumerate((gray, palette, Image.fromarray(IDS.astype(np.uint16)))):
        image.save(tmp_path / f"{number}.png")
        assert names(tmp_path / f"{number}.png") == THREE


def test_sixteen_bits_are_all_read(tmp_path):
    Image.fromarray((IDS * 1000).astype(np.uint16)).save(tmp_path / "a.png")
    assert [name for name, _ in names(tmp_path / "a.png")] == [
        "segment 0",
        "segment 1000",
        "segment 2000",
    ]


def refused(path, message, background=None):
    with pytest.raises(DataError, match=f"{re.escape(str(path))}: {message}"):
        read_areas(path, SIZE, background=background)


def test_a_map_of_another_size_is_refused(tmp_path):
    message = r"is a segment map of 4x6 px, and the image has 6x4 px \(W x H\)"
    np.save(tmp_path / "a.npy", IDS.T)
    refused(tmp_path / "a.npy", message)
    Image.fromarray(IDS.T.astype(np.uint8)).save(tmp_path / "a.png")
    refused(tmp_path / "a.png", message)


def test_what_is_no_map_of_ids_is_refused(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, IDS.astype(np.float64))
    refused(path, "holds float64, expected whole numbers")
    np.save(path, IDS - 1)
    refused(path, "segments have the id -1; ids are 0 or larger")
    np.save(path, np.full(SIZE, 3))
    refused(path, "segments hold no id but the background, 3", background=3)
    path.write_bytes(b"\x93NUMPY rubbish")
    refused(path, r"is no .npy file of numbers")
    np.save(path, np.array([None]), allow_pickle=True)
    refused(path, r"is no .npy file of numbers")
    picture = tmp_path / "a.png"
    Image.new("RGB", SIZE[::-1]).save(picture)
    refused(picture, r"is a picture in RGB; a segment map has one channel, of ids")
    picture.write_bytes(b"\x89PNG rubbish")
    refused(picture, "is no readable PNG file")


def test_more_ids_than_a_report_can_hold_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(300).reshape(10, 30))
    with pytest.raises(DataError, match="300 areas; the limit is 256"):
        read_areas(tmp_path / "a.npy", (10, 30))
