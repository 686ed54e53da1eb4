import numpy as np
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from pyarrow import parquet

from foregaze.errors import DataError, OutputError
from foregaze.evaluation.scanpath_csv import read_scanpaths, write_scanpaths
from foregaze.evaluation.scanpaths import scanpaths_by_image
from foregaze.scanpath_metrics import Scanpath
from tests.evaluation.conftest import make_dataset
from tests.scanpath_metrics.scanpaths import scanpaths

DATASET = make_dataset()  # 0.png to 3.png of 40x30 px
HEADER = "image,observer,order,x,y,duration_ms"


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for image, group in expected.items():
        for a, b in zip(found[image], group, strict=True):
            for name in ("x", "y", "duration_ms"):
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_what_is_written_is_read(tmp_path):
    generated = scanpaths_by_image(DATASET.fixations)
    write_scanpaths(tmp_path / "new" / "a.csv", generated, DATASET)
    assert_same(read_scanpaths(tmp_path / "new" / "a.csv", DATASET), generated)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scanpath=scanpaths())
def test_every_digit_is_kept(tmp_path, scanpath):
    thirds = Scanpath(scanpath.x / 3, scanpath.y / 3, scanpath.duration_ms / 3)
    write_scanpaths(tmp_path / "a.csv", {1: [thirds]}, DATASET)
    assert_same(read_scanpaths(tmp_path / "a.csv", DATASET), {1: [thirds]})


def test_unknown_durations_are_empty_cells_or_no_column(tmp_path):
    path = tmp_path / "a.csv"
    none = Scanpath.without_durations(np.ones(2), np.ones(2))
    some = Scanpath(np.ones(2), np.ones(2), np.array([np.nan, 250.0]))
    write_scanpaths(path, {0: [none]}, DATASET)
    assert path.read_text() == "image,observer,order,x,y\n0.png,0,0,1.0,1.0\n0.png,0,1,1.0,1.0\n"
    assert_same(read_scanpaths(path, DATASET), {0: [none]})
    write_scanpaths(path, {0: [none, some]}, DATASET)
    assert path.read_text().splitlines()[3] == "0.png,1,0,1.0,1.0,"
    assert_same(read_scanpaths(path, DATASET), {0: [none, some]})


def test_rows_and_columns_come_in_any_order_and_others_are_ignored(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "y,x,seed,order,observer,image\n"
        "4,14,a,9,2,3.png\n1,11,b,0,7,1.png\n2,12,c,1,2,3.png\n3,13,d,4,2,3.png\n"
    )
    found = read_scanpaths(path, DATASET)
    assert list(found) == [1, 3]
    assert found[3][0].x.tolist() == [12, 13, 14]
    assert found[3][0].y.tolist() == [2, 3, 4]
    assert found[1][0].x.tolist() == [11]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "0.png,0,0,1,1,\n9.png,0,0,1,1,",
            r"row 2 has image '9\.png', which is not in toy \(1 unk",
        ),
        ("0.png,zero,0,1,1,", "row 1 has observer 'zero', expected a number"),
        ("0.png,0,1.5,1,1,", r"row 1 has order 1\.5, expected a whole number from"),
        ("0.png,99999999999999999999,0,1,1,", r"row 1 has observer 1e\+20, expected a whole n"),
        ("0.png,0,0,1,1,\n0.png,0,1,left,1,", "row 2 has x 'left', expected a number"),
        ("0.png,0,0,,1,", "row 1 has x nan, expected a number"),
        ("0.png,0,0,1,nan,", "row 1 has y nan, expected a number"),
        ("0.png,0,0,1,inf,", "row 1 has y inf, expected a number"),
        ("0.png,0,0,1,1,inf", "row 1 has duration_ms inf, expected a number"),
        ("0.png,0,0,1,1,-3", "row 1 has duration_ms -3, below 0"),
        (
            "0.png,0,0,1,1,\n0.png,0,1,40,1,",
            r"row 2 has a fixation at \(40, 1\), outside its image of 40x30 px \(1 such rows\)",
        ),
        (
            "0.png,0,0,1,1,\n0.png,1,0,2,2,\n0.png,0,0,3,3,",
            "rows 1 and 3 have the same image, observer and order",
        ),
        ("0.png,0,0,1", "is not a readable CSV file .*Expected 6 columns"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, rows, message):
    path = tmp_path / "a.csv"
    path.write_text(f"{HEADER}\n{rows}\n")
    with pytest.raises(DataError, match=rf"a\.csv: .*{message}"):
        read_scanpaths(path, DATASET)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a readable CSV file"),
        (b"\xff\xfe\x00\x01,\n\x00", "."),
        (b"image,x,y\n0.png,1,1\n", "column 'observer' is missing; needed are image, ob"),
        (HEADER.encode() + b"\n", "holds no fixations"),
        (b"image,observer,order,x,x,y\n0.png,0,0,1,1,1\n", "column 'x' is there twice"),
    ],
)
def test_what_is_no_table_of_scanpaths_is_refused(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_scanpaths(path, DATASET)


def test_a_parquet_table_is_read_alike(tmp_path):
    content = {"image": ["3.png", "3.png"], "observer": [-2, -2], "order": [5, 1], "x": [1.5, 2.0]}
    table = pyarrow.table({**content, "y": [3, 4], "duration_ms": [None, 200.0]})
    parquet.write_table(table, tmp_path / "a.parquet")
    expected = Scanpath(np.array([2.0, 1.5]), np.array([4.0, 3.0]), np.array([200.0, np.nan]))
    assert_same(read_scanpaths(tmp_path / "a.parquet", DATASET), {3: [expected]})


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: is not a readable CSV file"):
        read_scanpaths(tmp_path / "none.csv", DATASET)


def test_an_image_that_the_data_set_lacks_cannot_be_written(tmp_path):
    with pytest.raises(DataError, match="scanpaths on image 4, but toy has 4 images"):
        write_scanpaths(tmp_path / "a.csv", {4: scanpaths_by_image(DATASET.fixations)[0]}, DATASET)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    generated = scanpaths_by_image(DATASET.fixations)
    with pytest.raises(OutputError, match="cannot be written"):
        write_scanpaths(tmp_path / "file" / "a.csv", generated, DATASET)
