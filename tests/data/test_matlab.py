from pathlib import Path

import numpy as np
import pytest
import scipy.io

from foregaze.data.matlab import read_container_map, read_mat, rows_of
from foregaze.data.published import Published
from foregaze.errors import DataError
from tests.data.matlab_copy import cell, save_73, save_map, save_map_73

SOME = Published(title="Some", where_from="Some's folder holds a.mat", images=3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.mat"


CONTENT = {
    "table": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    "struct": {"name": "abc", "inner": {"value": np.array([[7.0, 8.0]])}},
    "cells": cell([np.array([[1.0, 2.0]]), "text", np.array([[3.0], [4.0]])]),
}


@pytest.mark.parametrize("save", [scipy.io.savemat, save_73], ids=["5", "7.3"])
def test_both_versions_of_a_matlab_file_read_alike(path, save):
    save(path, CONTENT)
    np.testing.assert_array_equal(read_mat(path, "table", SOME), CONTENT["table"])
    struct = read_mat(path, "struct", SOME)
    assert struct["name"] == "abc"
    assert np.ravel(struct["inner"]["value"]).tolist() == [7.0, 8.0]
    cells = read_mat(path, "cells", SOME)
    assert np.ravel(cells[0]).tolist() == [1.0, 2.0]
    assert cells[1] == "text"
    assert np.ravel(cells[2]).tolist() == [3.0, 4.0]


@pytest.mark.parametrize("save", [scipy.io.savemat, save_73], ids=["5", "7.3"])
def test_the_only_variable_needs_no_name(path, save):
    save(path, {"any_name": np.array([[3.0]])})
    assert read_mat(path, None, SOME) == 3.0
    save(path, CONTENT)
    with pytest.raises(DataError, match=r"a\.mat: holds 3 variables, expected one"):
        read_mat(path, None, SOME)


@pytest.mark.parametrize("save", [save_map, save_map_73], ids=["5", "7.3"])
@pytest.mark.parametrize("names", [["a/1.jpg"], ["a/1.jpg", "b/2.jpg"]])
def test_a_container_map_reads_as_a_dictionary(path, save, names):
    trial = {"name": "24-53-ak.eye", "data": np.array([[1.0, 2.0], [3.0, 4.0]])}
    save(path, {name: cell([trial, trial]) for name in names})
    content = read_container_map(path, SOME)
    assert list(content) == names
    for trials in content.values():
        assert [t["name"] for t in trials] == ["24-53-ak.eye"] * 2
        np.testing.assert_array_equal(trials[1]["data"], trial["data"])


def test_a_file_without_a_map_is_refused(path):
    scipy.io.savemat(path, CONTENT)
    with pytest.raises(DataError, match=r"a\.mat: holds no containers\.Map"):
        read_container_map(path, SOME)
    save_73(path, CONTENT)
    with pytest.raises(DataError, match=r"a\.mat: holds no containers\.Map"):
        read_container_map(path, SOME)


def test_a_missing_file_says_where_it_comes_from(path):
    with pytest.raises(DataError, match=r"a\.mat: no such file; Some's folder holds a\.mat"):
        read_mat(path, "x", SOME)


@pytest.mark.parametrize("save", [scipy.io.savemat, save_73, save_map, save_map_73])
def test_a_truncated_file_is_refused_in_one_line(path, save):
    save(path, {"a": cell([np.arange(1000.0)])})
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"a\.mat: is not a readable MATLAB file \(") as caught:
        (
            read_mat(path, "a", SOME)
            if "map" not in save.__name__
            else read_container_map(path, SOME)
        )
    assert "\n" not in str(caught.value)


def test_a_table_keeps_its_only_row_and_its_columns():
    assert rows_of(np.array([1, 2, 3]), 3).tolist() == [[1.0, 2.0, 3.0]]
    assert rows_of(np.zeros(0), 3).shape == (0, 3)
    assert rows_of(np.ones((2, 4)), 3).shape == (2, 4)
    for shape in [(2, 2), (4,), (2, 3, 1)]:
        with pytest.raises(ValueError, match="expected 3 columns"):
            rows_of(np.ones(shape), 3)
