import json
import pickle

import lmdb
import numpy as np
import pytest

from foregaze.errors import OutputError, ShapeError
from foregaze.keyed_store import KeyedStore
from foregaze.segmentation import SegmentStore, make_segmenter
from foregaze.segmentation.store import segment_key

SAID = {"method": "slic", "settings": {"segments": 4}, "made_with": {"x": "1"}, "image": "ab"}


@pytest.fixture
def store(tmp_path):
    return SegmentStore(tmp_path / "store")


def ids(largest, size=(7, 5)):
    found = np.random.default_rng(0).integers(0, largest + 1, size, dtype=np.int32)
    found[0, 0] = largest
    return found


@pytest.mark.parametrize("largest", [0, 1, 255, 256, 65535, 65536, 2**31 - 1])
def test_segments_come_back(store, largest):
    key = store.put(SAID, ids(largest))
    assert key == segment_key(SAID)
    found = store.get(key)
    np.testing.assert_array_equal(found, ids(largest))
    assert found.dtype == np.int32
    found += 1  # belongs to the caller
    np.testing.assert_array_equal(store.get(key), ids(largest))


def test_how_they_came_about_comes_back(store):
    key = store.put(SAID, ids(3))
    assert store.provenance(key) == SAID
    assert store.keys() == [key]


def test_nothing_comes_back_where_nothing_is(store):
    assert store.get(segment_key(SAID)) is None
    assert store.provenance(segment_key(SAID)) is None
    assert store.keys() == []


def test_keys_hash_all_that_is_said_whatever_its_order():
    assert segment_key(dict(reversed(SAID.items()))) == segment_key(SAID)
    others = [{**SAID, key: "other"} for key in SAID]
    assert len({segment_key(said) for said in (SAID, *others)}) == 5
    assert segment_key(SAID).hex().startswith("13fa4d24")  # another layout needs other keys


def test_values_are_small(store):
    """A byte for each pixel at most, and far less where segments are large."""
    blocks = np.kron(np.arange(16, dtype=np.int32).reshape(4, 4), np.ones((64, 64), np.int32))
    noise = ids(255, (256, 256))
    for segments, most in ((blocks, 2000), (noise, 256 * 256 + 500)):
        key = store.put({**SAID, "most": most}, segments)
        with store._transaction() as transaction:
            assert len(transaction.get(key)) < most


def test_negative_ids_are_refused(store):
    with pytest.raises(ShapeError, match="segments have the id -1"):
        store.put(SAID, ids(3) - 1)
    assert len(store) == 0


def test_an_image_is_segmented_once(store, monkeypatch):
    segmenter = make_segmenter("slic", segments=4)
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    asked = []
    original = type(segmenter).segments

    def segments(self, image, name=None):
        asked.append(name)
        return original(self, image, name)

    monkeypatch.setattr(type(segmenter), "segments", segments)
    first = store.segments(segmenter, image, "a.jpg")
    np.testing.assert_array_equal(store.segments(segmenter, image.copy(), "b.jpg"), first)
    assert asked == ["a.jpg"]
    store.segments(segmenter, image[::-1].copy(), "c.jpg")
    store.segments(make_segmenter("slic", segments=5), image)
    assert asked == ["a.jpg", "c.jpg", None]
    assert len(store) == 3
    assert json.dumps(store.provenance(segment_key(segmenter.provenance(image))))


def test_a_map_that_has_changed_is_read_anew(store, tmp_path):
    image = np.zeros((7, 5, 3), np.uint8)
    segmenter = make_segmenter("maps", folder=tmp_path)
    for largest in (3, 4):
        np.save(tmp_path / "a.npy", ids(largest))
        assert store.segments(segmenter, image, "a.jpg").max() == largest


def test_something_else_under_a_key_is_told(store):
    for value in (b"", b"FG1\0" + bytes(40), store_value(store)[:-3]):
        KeyedStore._write(store, {b"key": value})
        with pytest.raises(OutputError, match="holds something else than segments under 6b6579"):
            store.get(b"key")


def store_value(store):
    key = store.put(SAID, ids(3))
    with store._transaction() as transaction:
        return bytes(transaction.get(key))


def test_a_full_store_is_told(store):
    store.put(SAID, ids(3))
    store._environment.set_mapsize(1 << 16)
    with pytest.raises(OutputError, match="there is no room for more in this segment store"):
        store.put({**SAID, "image": "c"}, ids(2**31 - 1, (200, 200)))
    np.testing.assert_array_equal(store.get(segment_key(SAID)), ids(3))


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"not LMDB" * 2000)
    with pytest.raises(OutputError, match=f"^{tmp_path}: is no usable segment store"):
        SegmentStore(tmp_path).keys()


def test_it_can_be_handed_to_a_worker(store):
    key = store.put(SAID, ids(3))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store)).get(key), ids(3))
    assert isinstance(store._environment, lmdb.Environment)
