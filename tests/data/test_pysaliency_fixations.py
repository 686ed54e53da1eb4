import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foregaze.data.pysaliency_fixations import (
    number_scanpaths,
    read_fixations,
    repeated_scanpaths,
    write_fixations,
)
from foregaze.errors import DataError
from foregaze.types import Fixations
from tests.data.pysaliency_copy import GOLDEN, VERSIONS, structure, write_hdf5, write_trains

TRAINS = [
    *(GOLDEN / version / "fixations.hdf5" for version in VERSIONS),
    GOLDEN / "v0.3dev" / "scanpath_fixations.hdf5",
]


def table(image, observer, order, x=None, duration_ms=None) -> Fixations:
    x = np.arange(len(image)) + 0.25 if x is None else x
    durations = np.full(len(image), np.nan) if duration_ms is None else duration_ms
    return Fixations(
        *(np.asarray(column, dtype=np.int64) for column in (image, observer, order)),
        np.asarray(x, dtype=np.float64),
        np.asarray(x, dtype=np.float64) + 100,
        np.asarray(durations, dtype=np.float64),
    )


def rows(fixations: Fixations) -> list[tuple[float, ...]]:
    f = fixations
    durations = np.where(np.isnan(f.duration_ms), -1, f.duration_ms)
    columns = (f.image, f.observer, f.order, f.x, f.y, durations)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("path", TRAINS, ids=lambda path: "/".join(path.parts[-2:]))
def test_scanpaths_are_read_as_pysaliency_reads_them(path):
    fixations, scanpath = read_fixations(path)
    # what 0.2.22 makes of them: n, subjects, lengths, x, y, duration
    assert rows(fixations) == [
        (0, 0, 0, 1.5, 1.0, 100.0),
        (0, 0, 1, 2.5, 2.0, 200.0),
        (0, 0, 2, 3.0, 3.0, 300.0),
        (2, 1, 0, 4.0, 4.0, 400.0),
        (2, 1, 1, 5.0, 5.0, 500.0),
    ]
    assert scanpath.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("version", VERSIONS)
def test_single_fixations_are_read_as_they_are_stored(version):
    path = GOLDEN / version / "fix.hdf5"
    fixations, scanpath = read_fixations(path)
    with h5py.File(path) as file:
        stored = {name: values[()] for name, values in file.items()}
    subject = stored["subjects" if version == "v0.2.22" else "subject"]
    history = (~np.isnan(stored["x_hist"])).sum(axis=1)
    assert fixations.image.tolist() == stored["n"].tolist()
    assert fixations.observer.tolist() == subject.tolist()
    assert fixations.order.tolist() == history.tolist() == [0, 1, 2]
    assert fixations.x.tolist() == stored["x"].tolist()
    assert fixations.y.tolist() == stored["y"].tolist()
    assert fixations.duration_ms.tolist() == (stored["duration"] * 1000).tolist()
    assert scanpath.tolist() == stored["scanpath_index"].tolist()


def test_durations_may_be_an_attribute_of_fixations():
    fixations, _ = read_fixations(GOLDEN / "v0.2.22" / "trains.hdf5")
    assert rows(fixations) == [
        (0, 3, 0, 1.5, 1.0, 250.0),
        (0, 3, 1, 2.25, 2.0, 500.0),
        (1, 5, 0, 4.0, 6.5, 125.0),
    ]


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3"])
def test_every_version_of_trains_is_read(tmp_path, version):
    groups = {"scanpath_attributes": None, "scanpath_fixation_attributes": None}
    older = groups if version == "1.0" else {"scanpath_fixation_attributes": None}
    changed = older if version < "1.2" else {}
    lengths = {"train_lengths": [3, 2]} if version == "1.3" else {}
    path = write_trains(tmp_path / "f.hdf5", version, **changed, **lengths)
    assert [row[:4] for row in rows(read_fixations(path)[0])] == [
        (0, 0, 0, 1.5),
        (0, 0, 1, 2.5),
        (0, 0, 2, 3.0),
        (2, 1, 0, 4.0),
        (2, 1, 1, 5.0),
    ]


def test_version_1_1_of_fixations_has_lengths_and_subjects(tmp_path):
    one = {"n": [0, 0], "x": [1.0, 2.0], "y": [3.0, 4.0], "subjects": [1.0, 1.0]}
    attributes = {"type": "Fixations", "version": "1.1", "__attributes__": ["subjects"]}
    path = write_hdf5(tmp_path / "f.hdf5", attributes, lengths=[2, 3], **one)
    fixations, scanpath = read_fixations(path)
    assert rows(fixations) == [(0, 1, 2, 1.0, 3.0, -1), (0, 1, 3, 2.0, 4.0, -1)]
    assert scanpath.tolist() == [0, 0]


def test_fixations_without_history_are_all_first_ones(tmp_path):
    nothing = np.full((2, 1), np.nan)
    attributes = {"type": "Fixations", "version": "1.0", "__attributes__": ["subjects"]}
    columns = {"n": [0, 0], "x": [1.0, 2.0], "y": [3.0, 4.0], "subjects": [1.0, 1.0]}
    path = write_hdf5(tmp_path / "f.hdf5", attributes, x_hist=nothing, **columns)
    fixations, scanpath = read_fixations(path)
    assert fixations.order.tolist() == [0, 0]
    assert scanpath.tolist() == [0, 1]
    assert not repeated_scanpaths(fixations, scanpath).any()


def test_a_missing_position_inside_a_scanpath_keeps_its_place(tmp_path):
    path = write_trains(tmp_path / "f.hdf5", train_xs=[[1.5, np.nan, 3.0], [4.0, 5.0, np.nan]])
    assert read_fixations(path)[0].order.tolist() == [0, 1, 2, 0, 1]


def write_scanpaths(path, **changed):
    datasets = {
        "xs": [[1.0, 2.0], [3.0, np.nan], [4.0, 5.0]],
        "ys": [[1.5, 2.5], [3.5, np.nan], [4.5, 5.5]],
        "n": [1, 0, 1],
        "lengths": [2, 1, 2],
        "scanpath_attributes": {},
        "fixation_attributes": {"ts": [[0.0, 1.0], [0.0, np.nan], [0.0, 1.0]]},
        **changed,
    }
    return write_hdf5(path, {"type": "Scanpaths", "version": "1.0"}, **datasets)


def test_scanpaths_without_subject_are_numbered_by_image(tmp_path):
    fixations, _ = read_fixations(write_scanpaths(tmp_path / "f.hdf5"))
    assert [row[:4] for row in rows(fixations)] == [
        (1, 0, 0, 1.0),
        (1, 0, 1, 2.0),
        (0, 0, 0, 3.0),
        (1, 1, 0, 4.0),
        (1, 1, 1, 5.0),
    ]


def test_subjects_with_names_are_numbered_in_sorted_order(tmp_path):
    attributes = {"subject": [b"zoe", b"al", b"al"]}
    path = write_scanpaths(tmp_path / "f.hdf5", scanpath_attributes=attributes)
    assert read_fixations(path)[0].observer.tolist() == [1, 1, 0, 0, 0]


ROW = np.zeros((2, 2))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_ys": ROW}, r"'train_ys' has shape \(2, 2\), expected \(2, 3\)"),
        ({"train_ns": [0]}, "images or subjects of 1 scanpaths, but positions of 2"),
        ({"train_ns": [0, -2]}, "'train_ns' holds -2, expected whole numbers from 0"),
        ({"train_subjects": None}, "holds no dataset 'train_subjects'; it holds"),
        ({"train_xs": [1.0]}, r"'train_xs' has float64 values of shape \(1,\)"),
        ({"train_lengths": [3, 4]}, r"'train_lengths' does not fit 'train_xs' of shape \(2, 3\)"),
        ({"train_lengths": [3]}, "'train_lengths' does not fit 'train_xs'"),
        (
            {"scanpath_fixation_attributes": {"durations": ROW}},
            r"scanpath_fixation_attributes: 'durations' has shape \(2, 2\)",
        ),
        (
            {"scanpath_fixation_attributes": {"viewing_orders": np.ones((2, 3))}},
            "'viewing_orders' are not whole numbers from 0 that increase",
        ),
    ],
)
def test_trains_that_contradict_themselves_are_refused(tmp_path, changed, message):
    with pytest.raises(DataError, match=message):
        read_fixations(write_trains(tmp_path / "f.hdf5", **changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y": [1.0]}, "2 fixations have 1 values: y"),
        ({"duration": [1.0]}, "1 duration of 2 fixations"),
    ],
)
def test_fixations_that_contradict_themselves_are_refused(tmp_path, changed, message):
    attributes = {"type": "Fixations", "version": "1.2", "__attributes__": list(changed)}
    columns = {"n": [0, 0], "x": [1.0, 2.0], "y": [3.0, 4.0], "subject": [1, 1], "lengths": [0, 1]}
    path = write_hdf5(tmp_path / "f.hdf5", attributes, **{**columns, **changed})
    with pytest.raises(DataError, match=message):
        read_fixations(path)


def test_types_that_are_no_fixations_list_those_that_are():
    message = (
        r"holds 'FileStimuli', expected one of FixationTrains \(1\.0, 1\.1, 1\.2, 1\.3\), "
        r"Fixations \(1\.0, 1\.1, 1\.2\), ScanpathFixations \(1\.0\), Scanpaths \(1\.0\)$"
    )
    with pytest.raises(DataError, match=message):
        read_fixations(GOLDEN / "v0.2.22" / "stimuli.hdf5")


def test_a_later_version_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"FixationTrains of version 1\.4, known are 1\.0, 1\.1"):
        read_fixations(write_trains(tmp_path / "f.hdf5", "1.4"))


def test_what_one_observer_sees_on_one_image_is_a_scanpath():
    fixations = table([1, 0, 1, 1, 0], [0, 2, 3, 0, 2], [0, 1, 0, 1, 0])
    assert number_scanpaths(fixations).tolist() == [0, 1, 2, 0, 1]


def test_a_place_that_is_taken_twice_begins_another_scanpath():
    fixations = table([0] * 6, [0] * 6, [0, 1, 0, 1, 2, 2])
    assert number_scanpaths(fixations).tolist() == [0, 0, 1, 1, 1, 2]


def test_second_scanpaths_are_found():
    fixations = table([0, 0, 0, 0, 1], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0])
    scanpath = np.array([0, 1, 2, 2, 3])
    repeated = repeated_scanpaths(fixations, scanpath)
    assert repeated.tolist() == [False, False, True, True, False]


def test_scanpaths_are_stored_as_pysaliency_stores_them(tmp_path):
    golden = GOLDEN / "v0.2.22" / "fixations.hdf5"
    write_fixations(read_fixations(golden)[0], tmp_path / "f.hdf5")
    assert structure(tmp_path / "f.hdf5") == structure(golden)
    with h5py.File(tmp_path / "f.hdf5") as ours, h5py.File(golden) as theirs:
        for name in ("train_xs", "train_ys", "train_ns", "train_subjects"):
            np.testing.assert_array_equal(ours[name][()], theirs[name][()])
        durations = "scanpath_fixation_attributes/durations"
        np.testing.assert_array_equal(ours[durations][()], theirs[durations][()])
        np.testing.assert_array_equal(ours["train_ts"][()], [[0, 1, 2], [0, 1, np.nan]])


def test_empty_places_are_told_by_an_attribute(tmp_path):
    write_fixations(table([0, 0, 1], [0, 0, 0], [1, 3, 0]), tmp_path / "f.hdf5")
    with h5py.File(tmp_path / "f.hdf5") as file:
        group = file["scanpath_fixation_attributes"]
        assert list(group) == ["viewing_orders"]
        np.testing.assert_array_equal(group["viewing_orders"][()], [[1, 3], [0, np.nan]])
        np.testing.assert_array_equal(file["train_xs"][()], [[0.25, 1.25], [2.25, np.nan]])
    assert read_fixations(tmp_path / "f.hdf5")[0].order.tolist() == [1, 3, 0]


def test_milliseconds_that_seconds_cannot_hold_are_kept(tmp_path):
    duration_ms = np.array([1001.0, 257.0, np.nan])
    assert (duration_ms[:2] / 1000 * 1000 != duration_ms[:2]).any()
    write_fixations(table([0, 0, 0], [0, 0, 0], [0, 1, 2], None, duration_ms), tmp_path / "f.hdf5")
    np.testing.assert_array_equal(read_fixations(tmp_path / "f.hdf5")[0].duration_ms, duration_ms)


@st.composite
def fixation_tables(draw: st.DrawFn) -> Fixations:
    """Scanpaths with empty places, in any order of rows; or, of some viewers, no order at all."""
    viewers = draw(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, unique=True)
    )
    keys: list[tuple[int, int, int]] = []
    for image, observer in viewers:
        if draw(st.booleans()):
            orders = draw(st.lists(st.integers(0, 9), min_size=1, unique=True))
        else:
            orders = [0] * draw(st.integers(1, 4))
        keys += [(image, observer, order) for order in orders]
    keys = draw(st.permutations(keys))
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    x = draw(arrays(np.float64, len(keys), elements=numbers))
    known = st.floats(0, 1e7) | st.just(np.nan)
    duration_ms = draw(arrays(np.float64, len(keys), elements=known))
    return table(*np.array(keys).T, x, duration_ms)


def viewers(fixations: Fixations) -> list[tuple[int, int]]:
    pairs = zip(fixations.image.tolist(), fixations.observer.tolist(), strict=True)
    return list(dict.fromkeys(pairs))


@given(fixation_tables())
def test_fixations_come_back_exactly(tmp_path_factory, fixations):
    path = tmp_path_factory.mktemp("trip") / "f.hdf5"
    write_fixations(fixations, path)
    again, scanpath = read_fixations(path)
    assert sorted(rows(again)) == sorted(rows(fixations))
    assert (np.diff(scanpath) >= 0).all()
    assert viewers(again) == viewers(fixations)
    write_fixations(again, path.with_name("g.hdf5"))
    assert rows(read_fixations(path.with_name("g.hdf5"))[0]) == rows(again)
