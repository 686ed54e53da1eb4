import multiprocessing
import os
import pickle
import signal
import struct
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing.synchronize import Barrier
from pathlib import Path

import lmdb
import pytest
import torch

from foregaze.backbones.feature_store import FeatureStore, feature_key
from foregaze.errors import OutputError, ShapeError

STAGES = 3
SHAPE = (8, 16, 16)


def image_keys(image: str) -> list[bytes]:
    return [feature_key("lite0", f"{stage}", "weights", "plain", image) for stage in range(STAGES)]


def put_image(store: FeatureStore, image: str, value: float) -> None:
    """All stages of one image, each full of one value."""
    store.put({key: torch.full(SHAPE, value + i) for i, key in enumerate(image_keys(image))})


def whole_images(store: FeatureStore, images: list[str]) -> int:
    """How many of the images are there; fails if one is there in part."""
    whole = 0
    for image in images:
        found = [feature for key in image_keys(image) if (feature := store.get(key)) is not None]
        assert len(found) in (0, STAGES)
        for stage, feature in enumerate(found):
            assert feature.shape == SHAPE
            assert feature.min() == feature.max() == found[0].max() + stage
        whole += bool(found)
    return whole


# What other processes run


def write_shared_and_own(folder: Path, writer: int, together: Barrier) -> None:
    store = FeatureStore(folder)
    together.wait(60)
    for number in range(40):
        put_image(store, f"shared {number}", 100.0 * writer)
        put_image(store, f"own {writer} {number}", number)


def write_until_killed(folder: Path, start: int) -> None:
    store = FeatureStore(folder)
    for number in count(start):
        put_image(store, f"{number}", number % 1000)


def read_one(store: FeatureStore, key: bytes) -> list[float] | None:
    feature = store.get(key)
    return None if feature is None else feature.tolist()


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "deep" / "store")


@pytest.mark.parametrize("shape", [(), (0,), (5,), (16, 3, 7), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_a_feature_comes_back_rounded_to_half_precision(store, shape, dtype):
    feature = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    store.put({b"key": feature.to(dtype)})
    found = store.get(b"key")
    assert found.dtype == torch.float16
    assert found.shape == shape
    torch.testing.assert_close(found, feature.to(dtype).half(), rtol=0, atol=0)


def test_a_transposed_feature_comes_back_in_its_order(store):
    feature = torch.arange(24.0).reshape(4, 6).T
    store.put({b"key": feature, b"sliced": feature[::2, 1]})
    assert torch.equal(store.get(b"key"), feature.half())
    assert torch.equal(store.get(b"sliced"), feature[::2, 1].half())


def test_a_feature_with_gradient_is_stored_without(store):
    store.put({b"key": torch.ones(2, requires_grad=True) * 3})
    assert store.get(b"key").tolist() == [3, 3]


def test_what_comes_back_can_be_written_to_without_changing_the_store(store):
    store.put({b"key": torch.zeros(3)})
    store.get(b"key").add_(1)
    assert store.get(b"key").tolist() == [0, 0, 0]


def test_a_key_that_is_not_there_gives_none(store):
    assert store.get(b"key") is None
    assert not store.has(b"key")
    assert len(store) == 0


def test_storing_again_replaces(store):
    store.put({b"key": torch.zeros(3), b"other": torch.zeros(1)})
    store.put({b"key": torch.ones(2)})
    assert store.get(b"key").tolist() == [1, 1]
    assert store.has(b"key")
    assert len(store) == 2


def test_any_different_part_makes_another_key():
    parts = ["lite0", "3", "weights", "768x576", "image"]
    keys = {feature_key(*parts)}
    for place in range(len(parts)):
        keys.add(feature_key(*(p + "x" * (i == place) for i, p in enumerate(parts))))
    keys.add(feature_key(*parts[:-1]))
    keys.add(feature_key("lite03", "", *parts[2:]))  # the same letters, cut elsewhere
    assert len(keys) == len(parts) + 3
    assert {len(key) for key in keys} == {32}
    assert feature_key(*parts) in keys


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e5])
def test_what_half_precision_cannot_hold_is_refused_and_nothing_is_stored(store, value):
    with pytest.raises(ShapeError, match="not finite in half precision"):
        store.put({b"first": torch.zeros(1), b"second": torch.tensor([1.0, value])})
    assert len(store) == 0


def test_a_put_that_fails_in_the_middle_stores_nothing(store):
    with pytest.raises(OutputError, match="is no usable feature store"):
        store.put({b"first": torch.zeros(1), b"longer than LMDB allows" * 100: torch.zeros(1)})
    assert len(store) == 0
    store.put({b"first": torch.ones(1)})
    assert len(store) == 1


def test_features_outlive_the_store_object(tmp_path):
    first = FeatureStore(tmp_path)
    first.put({b"key": torch.ones(2)})
    first.close()
    assert first.get(b"key").tolist() == [1, 1]  # opens again
    first.close()
    del first
    assert FeatureStore(str(tmp_path)).get(b"key").tolist() == [1, 1]


def test_two_stores_of_one_folder_work_side_by_side(tmp_path):
    """Two stages of training open the same folder in one process."""
    first, second = FeatureStore(tmp_path), FeatureStore(tmp_path / "." / "../" / tmp_path.name)
    first.put({b"a": torch.zeros(1)})
    second.put({b"b": torch.ones(1)})
    assert first.get(b"b").tolist() == [1]
    first.close()
    assert second.get(b"a").tolist() == [0]


def test_a_path_that_is_a_file_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    for use in (len, lambda store: store.get(b"key"), lambda store: store.put({})):
        with pytest.raises(OutputError, match=f"^{path}: is no usable feature store"):
            use(FeatureStore(path))


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"not LMDB" * 2000)
    with pytest.raises(OutputError, match=f"^{tmp_path}: is no usable feature store"):
        FeatureStore(tmp_path).get(b"key")


def test_a_store_that_is_full_is_refused_and_keeps_what_it_has(tmp_path):
    with lmdb.open(str(tmp_path), map_size=1 << 20):
        pass
    store = FeatureStore(tmp_path)
    store.put({b"key": torch.ones(1)})
    store._environment.set_mapsize(1 << 20)
    with pytest.raises(OutputError, match="MDB_MAP_FULL"):
        store.put({b"large": torch.zeros(1 << 20)})
    assert store.get(b"key").tolist() == [1]
    assert not store.has(b"large")


def test_a_value_is_its_layout_its_shape_and_its_bytes(store):
    """The layout on disk: a change needs another first word, so that old stores are not misread."""
    store.put({b"key": torch.tensor([[1.0, 2.0, -2.0]])})
    with store._open().begin() as transaction:
        value = transaction.get(b"key")
    assert value == b"FG1\0" + struct.pack("<3I", 2, 1, 3) + bytes.fromhex("003c 0040 00c0")


def test_an_open_store_can_be_handed_to_a_worker(store):
    store.put({b"key": torch.tensor([1.5, 2.5])})
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as workers:
        assert workers.submit(read_one, store, b"key").result() == [1.5, 2.5]
        assert workers.submit(read_one, store, b"other").result() is None
    assert pickle.loads(pickle.dumps(store)).get(b"key").tolist() == [1.5, 2.5]


def test_two_processes_write_the_same_and_different_keys_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    writers = [
        context.Process(target=write_shared_and_own, args=(tmp_path, number, together))
        for number in (1, 2)
    ]
    for writer in writers:
        writer.start()
    store = FeatureStore(tmp_path)
    shared = [f"shared {number}" for number in range(40)]
    while any(writer.is_alive() for writer in writers):
        for key in (key for image in shared for key in image_keys(image)):
            feature = store.get(key)  # while it may be replaced
            assert feature is None or feature.min() == feature.max()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert whole_images(store, shared) == 40
    assert whole_images(store, [f"own {w} {n}" for w in (1, 2) for n in range(40)]) == 80
    assert len(store) == STAGES * 120


def test_a_killed_writer_leaves_whole_images_and_a_store_that_works(tmp_path):
    store = FeatureStore(tmp_path)
    context = multiprocessing.get_context("spawn")
    images = []
    for start in (0, 100_000):
        writer = context.Process(target=write_until_killed, args=(tmp_path, start))
        writer.start()
        deadline = time.monotonic() + 60
        while not store.has(image_keys(f"{start + 20}")[0]):
            assert time.monotonic() < deadline, "the writer has not written"
            time.sleep(0.001)
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        assert writer.exitcode == -signal.SIGKILL
        images += [f"{start + i}" for i in range(2000)]
        assert whole_images(store, images) >= 21
    store.close()
    reopened = FeatureStore(tmp_path)
    put_image(reopened, "after", 5)  # may bring to light a last image that a writer had committed
    whole = whole_images(reopened, [*images, "after"])
    assert whole >= 43
    assert len(reopened) == STAGES * whole


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_store_that_is_open_before_a_fork_works_on_both_sides(tmp_path):
    first, second = FeatureStore(tmp_path), FeatureStore(tmp_path)
    put_image(first, "parent", 1)
    assert whole_images(second, ["parent"]) == 1
    child = os.fork()
    if child == 0:
        try:
            for number in range(30):
                put_image(first, f"child {number}", number)
            fine = whole_images(second, ["parent", "child 29"]) == 2
            os._exit(0 if fine else 1)
        finally:
            os._exit(2)
    for number in range(30):
        put_image(second, f"parent {number}", number)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    written = [f"{side} {number}" for side in ("parent", "child") for number in range(30)]
    assert whole_images(first, written) == 60
