import re

import numpy as np
import pytest
from PIL import Image

from foregaze.errors import DataError
from foregaze.segment_maps import read_segment_map

SIZE = (4, 6)
IDS = np.arange(24).reshape(SIZE) // 8


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64])
def test_arrays_come_back_as_they_are(tmp_path, dtype):
    np.save(tmp_path / "a.npy", IDS.astype(dtype) - (dtype == np.int16))
    found = read_segment_map(tmp_path / "a.npy", SIZE)
    np.testing.assert_array_equal(found, IDS - (dtype == np.int16))


def test_truth_values_are_zero_and_one(tmp_path):
    np.save(tmp_path / "a.npy", IDS == 1)
    np.testing.assert_array_equal(read_segment_map(tmp_path / "a.npy", SIZE), IDS == 1)
    Image.fromarray(IDS == 1).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_segment_map(tmp_path / "a.png", SIZE), IDS == 1)


def test_a_palette_holds_numbers_not_colors(tmp_path):
    picture = Image.fromarray(IDS.astype(np.uint8))
    picture.putpalette([9, 9, 9, 200, 0, 0, 0, 0, 200])
    picture.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as saved:
        assert saved.mode == "P"
    np.testing.assert_array_equal(read_segment_map(tmp_path / "a.png", SIZE), IDS)


def test_sixteen_bits_are_all_read(tmp_path):
    Image.fromarray((IDS * 30_000).astype(np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_segment_map(tmp_path / "a.png", SIZE), IDS * 30_000)


def refused(path, message):
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: {message}"):
        read_segment_map(path, SIZE)


def test_what_is_no_map_is_refused(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, IDS.T)
    refused(path, r"is a segment map of 4x6 px, and the image has 6x4 px \(W x H\)")
    np.save(path, IDS[0])
    refused(path, "is a segment map of 6 px")
    np.save(path, IDS / 2)
    refused(path, "holds float64, expected whole numbers")
    np.savez(tmp_path / "b.npz", IDS, IDS)
    (tmp_path / "b.npz").rename(path)
    refused(path, r"is no .npy file of numbers \(it holds several arrays\)")
    refused(tmp_path / "nowhere.npy", "no such file")
    picture = tmp_path / "a.png"
    Image.new("RGBA", SIZE[::-1]).save(picture)
    refused(picture, "is a picture in RGBA; a segment map has one channel")
    Image.new("L", SIZE).save(picture)
    refused(picture, "is a segment map of 4x6 px")
    picture.write_bytes(b"rubbish")
    refused(picture, "is no readable PNG file")
