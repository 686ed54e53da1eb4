import numpy as np
import pytest
from PIL import Image

from foregaze.errors import ConfigError, DataError
from foregaze.segmentation import make_segmenter

SIZE = (6, 8)
IMAGE = np.zeros((*SIZE, 3), np.uint8)
IDS = np.arange(48).reshape(SIZE) % 5


def save(path, ids=IDS):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, ids)
    else:
        Image.fromarray(ids.astype(np.uint8 if ids.max() < 256 else np.uint16)).save(path)
    return path


def maps(folder, **settings):
    return make_segmenter("maps", folder=folder, **settings)


@pytest.mark.parametrize("file", ["1001.png", "1001.npy"])
def test_the_map_with_the_images_stem_is_read(tmp_path, file):
    save(tmp_path / "1002.png", IDS[::-1])
    save(tmp_path / file)
    found = maps(tmp_path).segments(IMAGE, "1001.jpg")
    np.testing.assert_array_equal(found, IDS)
    assert found.dtype == np.int32


def test_ids_stay_as_they_are(tmp_path):
    save(tmp_path / "a.npy", IDS * 300 + 7)
    np.testing.assert_array_equal(maps(tmp_path).segments(IMAGE, "a.png"), IDS * 300 + 7)


def test_an_observers_maps_are_in_a_folder_for_each_image(tmp_path):
    save(tmp_path / "1001" / "ann.png", IDS)
    save(tmp_path / "1001" / "bob.npy", IDS[::-1])
    for observer, expected in (("ann", IDS), ("bob", IDS[::-1])):
        found = maps(tmp_path, observer=observer).segments(IMAGE, "1001.jpg")
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(
        DataError, match=r"no segment map; .*; name an observer, such as observer=a"
    ):
        maps(tmp_path).segments(IMAGE, "1001.jpg")
    with pytest.raises(DataError, match=r"expected .*1001/eve.npy or .*1001/eve.png$"):
        maps(tmp_path, observer="eve").segments(IMAGE, "1001.jpg")


def test_folders_and_endings_are_part_of_the_name(tmp_path):
    save(tmp_path / "indoor" / "1.v2-ids.png")
    found = maps(tmp_path, ending="-ids").segments(IMAGE, "indoor/1.v2.jpg")
    np.testing.assert_array_equal(found, IDS)


def test_a_missing_map_is_told_with_the_files_looked_for(tmp_path):
    message = rf"'1001.jpg' has no segment map; expected {tmp_path}/1001.npy or {tmp_path}/1001.png"
    for ask in (maps(tmp_path).segments, maps(tmp_path).provenance):
        with pytest.raises(DataError, match=message):
            ask(IMAGE, "1001.jpg")
        with pytest.raises(DataError, match="maps are found by the image's name, and none was giv"):
            ask(IMAGE)


@pytest.mark.parametrize("name", ["../1001.jpg", "/etc/1001.jpg", "a/../../1001.jpg", ""])
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    save(tmp_path / "1001.png")
    (tmp_path / "maps").mkdir()
    with pytest.raises(DataError, match="expected its file name"):
        maps(tmp_path / "maps").segments(IMAGE, name)


def test_two_maps_for_an_image_are_refused(tmp_path):
    for ending in ("png", "npy"):
        save(tmp_path / f"a.{ending}")
    with pytest.raises(DataError, match=r"a.npy and .*a.png: one map for an image"):
        maps(tmp_path).segments(IMAGE, "a.jpg")


def test_maps_that_do_not_fit_are_refused(tmp_path):
    path = save(tmp_path / "a.npy", IDS[:, :-1])
    with pytest.raises(DataError, match=rf"^{path}: is a segment map of 7x6 px, and the image has"):
        maps(tmp_path).segments(IMAGE, "a.jpg")
    save(path, IDS - 1)
    with pytest.raises(DataError, match=rf"^{path}: a segment has the id -1; ids are 0 or larger"):
        maps(tmp_path).segments(IMAGE, "a.jpg")
    save(path, IDS.astype(np.uint64) + 2**33)
    with pytest.raises(DataError, match=rf"^{path}: a segment has the id {2**33 + 4}; the largest"):
        maps(tmp_path).segments(IMAGE, "a.jpg")


def test_ids_beyond_the_limit_are_refused(tmp_path):
    path = save(tmp_path / "a.png")
    np.testing.assert_array_equal(maps(tmp_path, segments=5).segments(IMAGE, "a.jpg"), IDS)
    message = (
        rf"^{path}: a segment has the id 4; of 4 segments the last is 3: renumber them, or allow "
        r"more \(segments=5\)"
    )
    with pytest.raises(DataError, match=message):
        maps(tmp_path, segments=4).segments(IMAGE, "a.jpg")


def test_a_folder_is_needed(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder; it is to hold segment maps"):
        maps(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="maps: key 'folder' is missing"):
        make_segmenter("maps")


def test_provenance_follows_the_maps_content(tmp_path):
    path = save(tmp_path / "a.npy")
    segmenter = maps(tmp_path)
    before = segmenter.provenance(IMAGE, "a.jpg")
    assert before == segmenter.provenance(IMAGE.copy(), "a.jpg")
    assert before["settings"]["folder"] == str(tmp_path)
    save(path, IDS[::-1])
    after = segmenter.provenance(IMAGE, "a.jpg")
    assert {key for key in before if before[key] != after[key]} == {"map_sha256"}
