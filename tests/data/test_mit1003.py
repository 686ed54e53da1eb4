from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from foregaze.data import completeness_note, load_dataset
from foregaze.data.mit1003 import OBSERVERS
from foregaze.errors import DataError
from tests.data.mit1003_copy import save_gaze, trial, write_mit1003
from tests.data.test_mit1003_detection import gaze


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_mit1003(tmp_path / "mit1003")


def test_a_copy_in_the_published_layout_loads_exactly(root):
    dataset = load_dataset("mit1003", root)
    assert dataset.name == "mit1003"
    assert dataset.stimuli.names == ("i9.jpeg", "i10.jpeg")
    assert dataset.stimuli.sizes == ((768, 1024),) * 2
    f = dataset.fixations
    assert len(f) == 2 * 15 * 3
    assert f.image.tolist() == [0] * 45 + [1] * 45
    assert f.observer.tolist() == list(np.repeat(np.arange(15), 3)) * 2
    assert f.order.tolist() == [0, 1, 2] * 30
    third_observer = dataset.on_image(1).where(dataset.on_image(1).observer == 2)
    np.testing.assert_allclose(third_observer.x, [512, 102, 700])
    np.testing.assert_allclose(third_observer.y, [384, 200, 502])
    np.testing.assert_allclose(third_observer.duration_ms, np.array([55, 71, 96]) / 0.24)
    assert dataset.px_per_dva == 35.0
    assert dataset.dropped_fixations == 0


def test_observers_are_the_fifteen_folders():
    assert len(set(OBSERVERS)) == 15
    assert sorted(OBSERVERS) == list(OBSERVERS)


def test_forced_first_fixations_are_history_even_where_they_are_lost(root):
    save_gaze(root / "DATA" / "hp" / "i9.mat", gaze((-50.0, 384.0, 60), (100.0, 200.0, 80)))
    dataset = load_dataset("mit1003", root)
    assert dataset.starts_at_center
    assert dataset.dropped_fixations == 1
    evidence = dataset.evidence()
    of_hp = evidence.where((evidence.image == 0) & (evidence.observer == OBSERVERS.index("hp")))
    assert (of_hp.order.tolist(), of_hp.x.tolist()) == ([1], [100.0])


@pytest.mark.parametrize(
    ("place", "inside"),
    [((0.0, 200.0), 1), ((100.0, 0.0), 1), ((0.5, 0.5), 2), ((1023.5, 767.5), 2), ((1024.0, 9), 1)],
)
def test_positions_must_exceed_zero_and_lie_below_the_size(root, place, inside):
    for observer in OBSERVERS:
        save_gaze(root / "DATA" / observer / "i9.mat", gaze((512.0, 384.0, 60), (*place, 80)))
    dataset = load_dataset("mit1003", root)
    assert len(dataset.on_image(0)) == 15 * inside


def test_a_long_name_is_cut_by_matlab_and_found(tmp_path):
    name = "i" + "x" * 80
    dataset = load_dataset("mit1003", write_mit1003(tmp_path / "mit1003", [f"{name}.jpeg"]))
    assert len(dataset.fixations) == 45


def test_the_folder_around_it_loads_too(root):
    (root / "DATA" / "hp" / "._i9.mat").write_bytes(b"left by an archive")
    (root / "ALLSTIMULI" / "._i9.jpeg").write_bytes(b"left by an archive")
    assert len(load_dataset("mit1003", root.parent)) == 2


def test_images_that_are_not_here_are_told(root):
    dataset = load_dataset("mit1003", root)
    note = completeness_note("mit1003", dataset)
    assert note == "mit1003: 2 of the 1003 published images are here"


def message_of(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset("mit1003", root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


WHERE_FROM = (
    "MIT1003's folder holds ALLSTIMULI/*.jpeg and DATA/<observer>/*.mat, "
    "from http://people.csail.mit.edu/tjudd/WherePeopleLook/"
)


def test_a_missing_folder_says_how_it_looks_and_where_to_get_it(tmp_path):
    path = tmp_path / "no" / "ALLSTIMULI"
    assert message_of(tmp_path / "no") == f"{path}: no such file or folder; {WHERE_FROM}"


def test_a_missing_observer_is_named(root):
    (root / "DATA" / "po").rename(root / "DATA" / "op")
    assert message_of(root) == f"{root / 'DATA' / 'po'}: no such folder; {WHERE_FROM}"


def test_an_image_without_gaze_is_named(root):
    path = root / "DATA" / "zb" / "i10.mat"
    path.unlink()
    assert message_of(root) == f"{path}: no such file; {WHERE_FROM}"


def test_an_image_of_another_size_is_refused(root):
    path = root / "ALLSTIMULI" / "i9.jpeg"
    Image.new("RGB", (800, 600)).save(path)
    assert message_of(root) == (
        f"{path}: is 800x600, but MIT1003 publishes images with a longer side of 1024"
    )


def test_more_images_than_published_are_refused(tmp_path, monkeypatch):
    root = write_mit1003(tmp_path / "mit1003", ["a.jpeg"])
    for number in range(1003):
        (root / "ALLSTIMULI" / f"b{number}.jpeg").touch()
    assert message_of(root).endswith("ALLSTIMULI: 1004 images, but MIT1003 has 1003")


@pytest.mark.parametrize(
    "content",
    [
        {"i9": {"DATA": {"eyeData": "letters"}}},
        {"i9": {"DATA": {"eyeData": np.zeros((9, 1))}}},
        {"i9": {"DATA": {"eyeData": np.zeros((0, 2))}}},
        {"i9": {"DATA": {"other": trial(0)}}},
        {"i9": {"other": 1}},
        {"i9": 3.0},
    ],
)
def test_gaze_in_another_form_is_refused(root, content):
    path = root / "DATA" / "CNG" / "i9.mat"
    scipy.io.savemat(path, content)
    assert message_of(root).startswith(
        f"{path}: field DATA.eyeData is not as MIT1003 publishes it ("
    )


def test_a_damaged_file_is_refused(root):
    path = root / "DATA" / "CNG" / "i9.mat"
    path.write_bytes(path.read_bytes()[:150])
    assert message_of(root).startswith(f"{path}: is not a readable MATLAB file (")
