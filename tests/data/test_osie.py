from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from foregaze.data import load_dataset
from foregaze.data.osie import load_osie
from foregaze.errors import DataError, ImageError
from foregaze.types import EyeTrackingDataset
from tests.data.osie_copy import cell, eye_cell, save_eye, save_mouse, scanpath, write_osie


@pytest.fixture
def small_osie(tmp_path: Path) -> Path:
    return write_osie(tmp_path / "osie")


@pytest.fixture(scope="module")
def osie(osie_root: Path) -> EyeTrackingDataset:
    return load_dataset("osie", osie_root)


@pytest.fixture(scope="module")
def published(osie_root: Path) -> np.ndarray:
    """OSIE's fixations as MATLAB nests them, read another way than the loader does."""
    return scipy.io.loadmat(osie_root / "eye" / "fixations.mat", squeeze_me=False)["fixations"]


def test_osie_here_has_600_images_of_800_by_600(osie):
    assert len(osie) == 600
    assert set(osie.stimuli.sizes) == {(600, 800)}
    assert osie.stimuli.names[0] == "1001.jpg"
    assert osie.stimuli[0].shape == (600, 800, 3)


def test_every_osie_image_was_seen_by_the_same_15_observers(osie):
    seen = np.zeros((600, 15), dtype=int)
    np.add.at(seen, (osie.fixations.image, osie.fixations.observer), 1)
    assert seen.min() >= 1


def test_first_osie_fixation_is_the_published_one_less_half_a_pixel(osie):
    first = osie.fixations.where(np.array([0]))
    assert (first.image, first.observer, first.order) == (0, 0, 0)
    assert (first.x[0], first.y[0], first.duration_ms[0]) == (395.5 - 0.5, 265.7 - 0.5, 246.0)


def test_osie_scanpaths_equal_the_published_cells(osie, published):
    for image in (0, 299, 599):
        entry = published[image, 0]
        assert entry["img"][0, 0].item() == osie.stimuli.names[image]
        on_image = osie.on_image(image)
        for observer in range(15):
            expected = entry["subjects"][0, 0][observer, 0]
            scanpath = on_image.where(on_image.observer == observer)
            np.testing.assert_array_equal(scanpath.x, expected["fix_x"][0, 0].ravel() - 0.5)
            np.testing.assert_array_equal(scanpath.y, expected["fix_y"][0, 0].ravel() - 0.5)
            np.testing.assert_array_equal(
                scanpath.duration_ms, expected["fix_duration"][0, 0].ravel()
            )
            assert scanpath.order.tolist() == list(range(len(scanpath)))


def test_no_osie_fixation_is_lost(osie, published):
    assert osie.dropped_fixations == 0
    assert len(osie.fixations) == sum(
        observer["fix_x"][0, 0].size
        for (entry,) in published
        for (observer,) in entry["subjects"][0, 0]
    )


def test_osie_fixations_lie_inside_with_plausible_durations(osie):
    f = osie.fixations
    assert 0 <= f.column.min() <= f.column.max() < 800
    assert 0 <= f.row.min() <= f.row.max() < 600
    assert 5 < f.duration_ms.min() <= f.duration_ms.max() < 3000


def test_osie_viewers_start_at_the_center(osie):
    assert osie.starts_at_center
    f = osie.fixations
    distance_px = np.hypot(f.x - 400, f.y - 300)
    medians = [np.median(distance_px[f.order == order]) for order in range(4)]
    assert medians == pytest.approx([114, 169, 190, 194], abs=0.6)  # spec, in whole pixels
    assert osie.evidence().order.min() == 1


def test_osie_knows_its_scale_and_its_two_copies_of_one_picture(osie):
    assert osie.px_per_dva == 24.0
    assert osie.same_picture == (("1279.jpg", "1374.jpg"),)
    first, second = (osie.stimuli[osie.stimuli.names.index(name)] for name in osie.same_picture[0])
    difference = np.abs(first.astype(int) - second.astype(int)).mean()
    assert difference < 3
    assert np.abs(first.astype(int) - osie.stimuli[0].astype(int)).mean() > 20


@pytest.mark.parametrize("recording", ["mouse_amt", "mouse_lab"])
def test_mouse_traces_are_thinned_and_have_x_before_y(osie_root, recording):
    dataset = load_dataset(f"osie-{recording.replace('_', '-')}", osie_root)
    f = dataset.fixations
    raw = scipy.io.loadmat(osie_root / recording / "1001.mat")["fixations"][0, 0]
    worker = raw["subj"][0, 0]
    (order,) = np.nonzero(raw["subj"].ravel() == worker)  # this worker's samples, in order
    thinned = raw["coord"][order][10::10].astype(float) - 0.5  # row, column
    mine = dataset.on_image(0).where(dataset.on_image(0).observer == worker)
    np.testing.assert_array_equal(np.column_stack([mine.y, mine.x]), thinned)
    assert f.x.max() > 600  # wider than high: x is not the row
    assert dataset.dropped_fixations == 0
    assert not dataset.starts_at_center
    assert np.isnan(f.duration_ms).all()
    assert set(f.image) == set(range(600))


def test_no_worker_counts_twice_on_an_osie_image(osie_root):
    f = load_dataset("osie-mouse-amt", osie_root).fixations
    places = (f.image * 10_000 + f.observer) * 10_000 + f.order
    assert len(np.unique(places)) == len(f)


def test_a_copy_in_the_published_layout_loads(small_osie):
    dataset = load_osie(small_osie)
    assert dataset.name == "osie"
    assert dataset.stimuli.names == ("1001.jpg", "1002.jpg")
    assert len(dataset.fixations) == 2 * 15 * 3
    last = dataset.fixations.where(dataset.fixations.observer == 14).where(np.array([2]))
    assert (last.x[0], last.y[0], last.duration_ms[0]) == (25.5, 30.5, 200.0)


def test_one_image_with_one_fixation_per_observer_loads(small_osie, tmp_path):
    (small_osie / "stimuli" / "1002.jpg").unlink()
    save_eye(small_osie, [eye_cell("1001.jpg", [scanpath(1)] * 15)])
    assert load_osie(small_osie).fixations.x.tolist() == [9.5] * 15


def test_observers_without_fixations_are_kept_as_empty_scanpaths(small_osie):
    paths = [scanpath(0), *[scanpath(2)] * 14]
    save_eye(small_osie, [eye_cell(name, paths) for name in ("1001.jpg", "1002.jpg")])
    dataset = load_osie(small_osie)
    assert len(dataset.by_observer(0)) == 0
    assert len(dataset.fixations) == 2 * 14 * 2


def test_fixations_of_images_that_are_not_there_are_left_out(small_osie):
    (small_osie / "stimuli" / "1001.jpg").unlink()
    dataset = load_osie(small_osie)
    assert len(dataset.fixations) == 15 * 3
    assert set(dataset.fixations.image) == {0}


def test_fixations_are_matched_by_name_not_by_place(small_osie):
    cells = [
        eye_cell("1002.jpg", [scanpath(1, start=50)] * 15),
        eye_cell("1001.jpg", [scanpath(1, start=30)] * 15),
    ]
    save_eye(small_osie, cells)
    dataset = load_osie(small_osie)
    assert set(dataset.on_image(0).x) == {29.5}
    assert set(dataset.on_image(1).x) == {49.5}


def test_fixations_outside_the_image_are_dropped_counted_and_leave_a_gap(small_osie):
    wild = scanpath(4, start=10)
    wild["fix_x"] = np.array([[10.0, 80.5, np.nan, 20.0]])  # 80.5 - 0.5 is the first one outside
    wild["fix_y"] = np.array([[0.5, 20.0, 20.0, 60.4]])
    inside = eye_cell("1002.jpg", [scanpath()] * 15)
    save_eye(small_osie, [eye_cell("1001.jpg", [wild, *[scanpath()] * 14]), inside])
    dataset = load_osie(small_osie)
    assert dataset.dropped_fixations == 2
    kept = dataset.on_image(0).where(dataset.on_image(0).observer == 0)
    assert kept.order.tolist() == [0, 3]
    assert kept.y.tolist() == pytest.approx([0.0, 59.9])


def test_only_the_first_trace_of_a_worker_counts(small_osie):
    def trace(worker: int, column: int, length: int) -> list[tuple[int, int, int, int]]:
        return [(worker, order, 20, column) for order in range(1, length + 1)]

    samples = trace(3, 11, 25) + trace(4, 22, 21) + trace(3, 33, 45) + trace(4, 44, 35)
    save_mouse(small_osie / "mouse_amt" / "1001.mat", samples)
    on_image = load_osie(small_osie, "mouse_amt").on_image(0)
    assert on_image.observer.tolist() == [3, 3, 4, 4]
    assert on_image.order.tolist() == [0, 1, 0, 1]
    assert on_image.x.tolist() == [10.5, 10.5, 21.5, 21.5]


def message_of(root: Path, recording: Any = "eye") -> str:
    with pytest.raises(DataError) as caught:
        load_osie(root, recording)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_says_what_osie_holds(tmp_path):
    assert message_of(tmp_path / "no") == (
        f"{tmp_path / 'no' / 'stimuli'}: no such folder; "
        "OSIE's folder holds stimuli/, eye/fixations.mat, mouse_amt/ and mouse_lab/"
    )


def test_a_folder_without_images_is_refused(small_osie):
    for path in (small_osie / "stimuli").iterdir():
        path.unlink()
    assert message_of(small_osie).startswith(f"{small_osie / 'stimuli'}: no .jpg files; OSIE's")


def test_missing_fixations_are_refused(small_osie):
    path = small_osie / "eye" / "fixations.mat"
    path.unlink()
    assert message_of(small_osie).startswith(f"{path}: no such file; OSIE's folder holds")


def test_an_image_without_fixations_is_named(small_osie):
    save_eye(small_osie, [eye_cell("1001.jpg", [scanpath()] * 15)])
    assert message_of(small_osie).endswith("no fixations for 1 stimuli, 1002.jpg first")


@pytest.mark.parametrize("observers", [1, 14, 16])
def test_a_wrong_number_of_observers_is_refused(small_osie, observers):
    cells = [eye_cell(name, [scanpath()] * observers) for name in ("1001.jpg", "1002.jpg")]
    save_eye(small_osie, cells)
    assert message_of(small_osie).endswith(f"1001.jpg has {observers} observers, expected 15")


def broken_scanpaths() -> dict[str, dict[str, Any]]:
    return {
        "letters": scanpath() | {"fix_x": "left"},
        "one letter among numbers": scanpath() | {"fix_y": cell(["12", "x", "14"])},
        "different lengths": scanpath() | {"fix_y": np.zeros((1, 2))},
        "no durations": {key: scanpath()[key] for key in ("fix_x", "fix_y")},
    }


@pytest.mark.parametrize("problem", broken_scanpaths())
def test_a_broken_scanpath_is_named_by_image_and_observer(small_osie, problem):
    paths = [scanpath(), broken_scanpaths()[problem], *[scanpath()] * 13]
    save_eye(small_osie, [eye_cell(name, paths) for name in ("1001.jpg", "1002.jpg")])
    assert "fixations.mat: 1001.jpg, observer 2 is not as OSIE publishes it (" in message_of(
        small_osie
    )


@pytest.mark.parametrize("value", ["text", 3.0, {"other": 1}])
def test_fixations_that_are_no_cells_of_images_are_refused(small_osie, value):
    scipy.io.savemat(small_osie / "eye" / "fixations.mat", {"fixations": value})
    assert "cell 'fixations' is not as OSIE publishes it" in message_of(small_osie)


def test_another_variable_is_refused(small_osie):
    path = small_osie / "eye" / "fixations.mat"
    scipy.io.savemat(path, {"scanpaths": 1})
    assert message_of(small_osie) == f"{path}: holds no variable 'fixations'"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95])
def test_a_truncated_file_is_refused(small_osie, share):
    path = small_osie / "eye" / "fixations.mat"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert message_of(small_osie).startswith(f"{path}: is not a readable MATLAB file (")


def test_a_file_that_is_no_matlab_is_refused(small_osie):
    path = small_osie / "eye" / "fixations.mat"
    path.write_text("image,x,y\n1001.jpg,4,5\n" * 20)
    assert message_of(small_osie).startswith(f"{path}: is not a readable MATLAB file (")


@pytest.mark.parametrize("recording", ["mouse_amt", "mouse_lab"])
def test_a_missing_mouse_trace_is_named(small_osie, recording):
    path = small_osie / recording / "1002.mat"
    path.unlink()
    assert message_of(small_osie, recording).startswith(f"{path}: no such file; OSIE's folder")


@pytest.mark.parametrize(
    "change",
    [
        {"coord": np.ones((2, 31))},  # columns and rows exchanged
        {"coord": np.ones((30, 2))},
        {"coord": "letters"},
        {"order": cell(["x"] * 31)},
        {"subj": np.ones((4, 1))},
    ],
)
def test_a_broken_mouse_trace_is_refused(small_osie, change):
    path = small_osie / "mouse_lab" / "1001.mat"
    order = np.arange(1, 32)[:, None]
    trace = {"subj": np.ones((31, 1)), "coord": np.ones((31, 2)), "order": order}
    scipy.io.savemat(path, {"fixations": trace | change})
    assert message_of(small_osie, "mouse_lab").startswith(
        f"{path}: struct 'fixations' is not as OSIE publishes it ("
    )


def test_a_damaged_stimulus_is_an_image_error(small_osie):
    (small_osie / "stimuli" / "1002.jpg").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"1002\.jpg: not an image"):
        load_osie(small_osie)
