import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from foregaze.data.columns import (
    duration_column,
    first_duplicate,
    image_column,
    number_column,
    read_columns,
    text_column,
    whole_number_column,
)
from foregaze.errors import DataError

REQUIRED, OPTIONAL = ("image", "x"), ("duration_ms",)


def columns_of(tmp_path, text: str, *, others_allowed: bool = False):
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    return path, read_columns(path, REQUIRED, OPTIONAL, others_allowed=others_allowed)


def test_other_columns_are_ignored_or_refused(tmp_path):
    text = "seed,x,image,seed\n1,2,a.png,3\n"
    path, columns = columns_of(tmp_path, text, others_allowed=True)
    assert set(columns) == {"x", "image"}
    assert text_column(path, columns, "image") == ["a.png"]
    with pytest.raises(DataError, match="unknown column 'seed'; known are image, x, duration_ms"):
        columns_of(tmp_path, text.replace("seed\n", "more\n"))
    with pytest.raises(DataError, match="column 'x' is there twice"):
        columns_of(tmp_path, "image,x,x\na.png,1,2\n", others_allowed=True)


def test_numbers_are_the_same_from_either_kind_of_file(tmp_path):
    path, columns = columns_of(tmp_path, "image,x,duration_ms\na.png,0.1,\nb.png,1e3,2.5\n")
    other = tmp_path / "a.parquet"
    content = {"image": ["a.png", "b.png"], "x": [0.1, 1e3], "duration_ms": [None, 2.5]}
    parquet.write_table(pyarrow.table(content), other)
    stored = read_columns(other, REQUIRED, OPTIONAL, others_allowed=False)
    for where, found in ((path, columns), (other, stored)):
        np.testing.assert_array_equal(number_column(where, found, "x"), [0.1, 1000.0])
        np.testing.assert_array_equal(duration_column(where, found, 2), [np.nan, 2.5])


def test_durations_are_not_known_without_their_column(tmp_path):
    path, columns = columns_of(tmp_path, "image,x\na.png,1\nb.png,2\n")
    np.testing.assert_array_equal(duration_column(path, columns, 2), [np.nan, np.nan])


def test_images_become_their_indices(tmp_path):
    path, columns = columns_of(tmp_path, "image,x\nb.png,1\na.png,2\nb.png,3\n")
    found = image_column(path, columns, ["a.png", "b.png"], "toy")
    assert found.tolist() == [1, 0, 1]
    message = (
        r"a\.csv: row 2 has image 'a\.png', which is not in toy \(1 unknown names in all\); its 1 "
        r"images begin with 'b\.png'$"
    )
    with pytest.raises(DataError, match=message):
        image_column(path, columns, ["b.png"], "toy")


@pytest.mark.parametrize("lowest", [0, -5])
def test_whole_numbers_keep_to_their_range(tmp_path, lowest):
    path, columns = columns_of(tmp_path, f"image,x\na.png,{lowest}\nb.png,2147483647\n")
    found = whole_number_column(path, columns, "x", lowest=lowest)
    assert found.tolist() == [lowest, 2**31 - 1]
    for wrong in (f"{lowest - 1}", "2147483648", "0.5"):
        path, columns = columns_of(tmp_path, f"image,x\na.png,{wrong}\n")
        message = rf"row 1 has x {wrong}, expected a whole number from {lowest} to 2147483647$"
        with pytest.raises(DataError, match=message):
            whole_number_column(path, columns, "x", lowest=lowest)


def test_the_first_rows_that_are_alike_in_all_columns_are_found():
    a, b = np.array([1, 2, 1, 2]), np.array([0.5, 1.0, 1.5, 1.0])
    assert first_duplicate([a, b]) == (1, 3)
    assert first_duplicate([a]) == (0, 2)
    assert first_duplicate([b, np.arange(4)]) is None
    assert first_duplicate([np.zeros(0)]) is None
