from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foregaze.data.hdf5 import (
    array,
    dataset,
    find_type,
    inner_group,
    listed,
    matrix,
    numbers,
    opened,
    text_attribute,
    texts,
    whole_numbers,
)
from foregaze.errors import DataError
from tests.data.pysaliency_copy import GOLDEN, write_hdf5

FIXATIONS = GOLDEN / "v0.2.22" / "fixations.hdf5"
CONTENT = FIXATIONS.read_bytes()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"x\.hdf5: no such file$"), opened(tmp_path / "x.hdf5"):
        pass


def test_a_file_of_another_kind_is_no_hdf5_file(tmp_path):
    path = tmp_path / "x.hdf5"
    path.write_text("image,observer,x,y\n")
    with (
        pytest.raises(DataError, match=r"x\.hdf5: is no readable HDF5 file .*signature"),
        opened(path),
    ):
        pass


def test_a_file_cut_short_is_said_to_be(tmp_path):
    path = tmp_path / "x.hdf5"
    path.write_bytes(CONTENT[:-100])
    with pytest.raises(DataError, match=r"is no readable HDF5 file .*truncated"), opened(path):
        pass


@given(st.integers(0, len(CONTENT) - 1))
def test_wherever_a_file_is_cut_the_error_is_ours(tmp_path_factory, length):
    path = tmp_path_factory.mktemp("cut") / "x.hdf5"
    path.write_bytes(CONTENT[:length])
    with pytest.raises(DataError), opened(path) as file:
        matrix(file, "train_xs")


def test_text_is_read_from_bytes_and_from_text(tmp_path):
    path = write_hdf5(tmp_path / "x.hdf5", {"a": np.bytes_("Zoë".encode()), "b": "Zoë", "c": 3})
    with opened(path) as file:
        assert text_attribute(file, "a") == text_attribute(file, "b") == "Zoë"
        with pytest.raises(DataError, match=r"attribute 'c' holds int64, expected text"):
            text_attribute(file, "c")
        with pytest.raises(DataError, match=r"has no attribute 'd'"):
            text_attribute(file, "d")


def test_lists_of_names_are_json(tmp_path):
    attributes = {"a": ["x", "y"], "b": "[", "c": {"x": 1}, "d": [1]}
    path = write_hdf5(tmp_path / "x.hdf5", attributes)
    with opened(path) as file:
        assert listed(file, "a") == ["x", "y"]
        with pytest.raises(DataError, match=r"'b' is no JSON"):
            listed(file, "b")
        for name in "cd":
            with pytest.raises(DataError, match=f"'{name}' is no list of names"):
                listed(file, name)


def test_an_unknown_type_or_version_lists_the_known_ones(tmp_path):
    known = {"A": ("1.0", "1.1"), "B": ("2.0",)}
    path = write_hdf5(tmp_path / "x.hdf5", {"type": np.bytes_("A"), "version": "1.1"})
    with opened(path) as file:
        assert find_type(file, known) == ("A", "1.1")
        with pytest.raises(DataError, match=r"holds A of version 1\.1, known are 3\.0$"):
            find_type(file, {"A": ("3.0",)})
        with pytest.raises(DataError, match=r"holds 'A', expected one of B \(2\.0\), C \(1\.0\)$"):
            find_type(file, {"C": ("1.0",), "B": ("2.0",)})


def test_what_is_missing_is_named_with_what_is_there(tmp_path):
    path = write_hdf5(tmp_path / "x.hdf5", {}, a=[1], group={"b": [2]})
    with opened(path) as file:
        with pytest.raises(DataError, match=r"x\.hdf5: holds no dataset 'c'; it holds a, group$"):
            dataset(file, "c")
        with pytest.raises(DataError, match=r"holds no dataset 'group'"):
            array(file, "group")
        with pytest.raises(DataError, match=r"holds no group 'a'"):
            inner_group(file, "a")
        with pytest.raises(DataError, match=r"x\.hdf5: group: holds no dataset 'a'; it holds b$"):
            array(inner_group(file, "group"), "a")


def test_numbers_are_read_however_they_are_stored(tmp_path):
    path = write_hdf5(
        tmp_path / "x.hdf5",
        {},
        whole=np.array([3, 0], np.uint8),
        floats=np.array([3.0, 0.0], np.float32),
        table=[[1.5, 2.5]],
    )
    with opened(path) as file:
        assert whole_numbers(file, "whole").tolist() == whole_numbers(file, "floats").tolist()
        assert numbers(file, "whole").dtype == np.float64
        assert matrix(file, "table").tolist() == [[1.5, 2.5]]


@pytest.mark.parametrize(
    ("read", "values", "message"),
    [
        (numbers, [[1.0]], r"has float64 values of shape \(1, 1\), expected a row of numbers"),
        (numbers, [b"a"], "expected a row of numbers"),
        (matrix, [1.0], "expected a number table"),
        (whole_numbers, [0.5], "holds 0.5, expected whole numbers from 0"),
        (whole_numbers, [1, -1], "holds -1, expected whole numbers from 0"),
        (whole_numbers, [np.nan], "holds nan, expected whole numbers from 0"),
        (texts, [[b"a"]], "expected a row of texts"),
        (texts, [1], "'a' holds int, expected text"),
        (texts, [b"\xff"], "'a' is no UTF-8 text"),
    ],
)
def test_values_of_another_kind_are_refused(tmp_path: Path, read, values, message):
    path = write_hdf5(tmp_path / "x.hdf5", {}, a=values)
    with opened(path) as file, pytest.raises(DataError, match=message):
        read(file, "a")


def test_damaged_values_are_told_from_missing_ones(tmp_path):
    path = tmp_path / "x.hdf5"
    with h5py.File(path, "w") as file:
        noise = np.random.default_rng(0).random(1000)
        offset = file.create_dataset("a", data=noise, compression="gzip", chunks=(1000,))
        file.flush()
        start = offset.id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[start : start + 50] = bytes(50)
    path.write_bytes(content)
    with opened(path) as file, pytest.raises(DataError, match=r"'a' is damaged \("):
        array(file, "a")
