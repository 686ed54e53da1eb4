from pathlib import Path

import numpy as np
import pyarrow
import pytest

from foregaze.data import load_dataset
from foregaze.errors import ConfigError, DataError, ForegazeError, ImageError
from tests.data.plain_copy import CSV, HEAD, write_parquet, write_plain


def test_a_table_loads_exactly(tmp_path):
    dataset = load_dataset("plain", write_plain(tmp_path))
    assert dataset.name == "plain"
    assert dataset.stimuli.names == ("b.png", "in/a9.webp", "in/a10.jpg")
    assert dataset.stimuli.sizes == ((30, 40), (20, 50), (20, 50))
    assert dataset.stimuli[0].shape == (30, 40, 3)
    f = dataset.fixations
    assert f.image.tolist() == [0, 1, 0, 0]
    assert f.observer.tolist() == [0, 1, 1, 0]  # 2 before 10
    assert f.order.tolist() == [0, 0, 0, 1]  # rows of an observer on an image
    assert f.x.tolist() == [1.5, 49.9, 3.0, 5.5]
    assert f.y.tolist() == [2.5, 19.9, 4.0, 6.5]
    assert np.isnan(f.duration_ms).all()
    assert dataset.categories == ()
    assert (dataset.starts_at_center, dataset.px_per_dva) == (False, None)
    assert dataset.same_picture == ()


def test_optional_columns_load_exactly(tmp_path):
    table = """\
category,order,duration_ms,y,x,observer,image
cats,1,200,2.5,1.5,Zoë,b.png
dogs,0,,4,3,al,in/a10.jpg
cats,0,0.5,6,5,Zoë,b.png
"""
    dataset = load_dataset("plain", write_plain(tmp_path, table))
    f = dataset.fixations
    assert f.image.tolist() == [0, 2, 0]
    assert f.observer.tolist() == [0, 1, 0]
    assert f.order.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(f.duration_ms, [200.0, np.nan, 0.5])
    assert dataset.categories == ("cats", "", "dogs")


def test_settings_load_exactly(tmp_path):
    settings = """\
name: mine
description: Two photographs.
px_per_dva: 30
blur_px: 24
starts_at_center: true
dropped_fixations: 3
same_picture: [[b.png, in/a10.jpg]]
"""
    dataset = load_dataset("plain", write_plain(tmp_path, settings=settings))
    assert dataset.name == "mine"
    assert dataset.px_per_dva == 30.0
    assert dataset.blur_px == 24.0
    assert dataset.starts_at_center
    assert dataset.dropped_fixations == 3
    assert dataset.same_picture == (("b.png", "in/a10.jpg"),)


def test_fixations_without_order_have_no_history(tmp_path):
    dataset = load_dataset("plain", write_plain(tmp_path, settings="ordered: false\n"))
    assert dataset.fixations.order.tolist() == [0] * 4
    assert np.isnan(dataset.history(1)[0]).all()


def test_a_byte_order_mark_and_crlf_do_not_matter(tmp_path):
    root = write_plain(tmp_path)
    text = CSV.replace("\n", "\r\n")
    (root / "fixations.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(load_dataset("plain", root).fixations) == 4


@pytest.mark.parametrize("observer", [[7, 3, 7], ["g", "c", "g"], np.array([7, 3, 7], np.uint8)])
def test_parquet_loads_exactly(tmp_path, observer):
    root = write_parquet(
        tmp_path,
        image=pyarrow.array(["b.png", "b.png", "b.png"]).dictionary_encode(),
        observer=observer,
        x=np.array([1, 2, 3], np.int16),
        y=np.array([4, 5, 6], np.float32),
        duration_ms=[100, None, 300],
        order=[1, 0, 0],
    )
    f = load_dataset("plain", root).fixations
    assert f.observer.tolist() == [1, 0, 1]
    assert f.order.tolist() == [1, 0, 0]
    assert (f.x.tolist(), f.y.tolist()) == ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    np.testing.assert_array_equal(f.duration_ms, [100.0, np.nan, 300.0])


def test_fixations_outside_are_dropped_and_counted(tmp_path):
    table = CSV + "b.png,2,40,3\nb.png,2,3,-0.5\nin/a9.webp,2,49.9,19\n"
    dataset = load_dataset("plain", write_plain(tmp_path, table))
    assert len(dataset.fixations) == 5
    assert dataset.dropped_fixations == 2


def test_hidden_files_are_no_stimuli(tmp_path):
    root = write_plain(tmp_path)
    (root / "images" / ".cache").mkdir()
    (root / "images" / ".cache" / "c.png").touch()
    (root / "images" / "._b.png").touch()
    (root / "images" / "notes.txt").touch()
    assert len(load_dataset("plain", root)) == 3


def message_of(root: Path, kind: type[ForegazeError] = DataError) -> str:
    with pytest.raises(kind) as caught:
        load_dataset("plain", root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


WITH_ORDER = "image,observer,x,y,order\n"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", "is not a readable CSV file (Empty CSV file)"),
        (HEAD, "holds no fixations"),
        (HEAD + "b.png,1,2\n", "is not a readable CSV file (CSV parse error: Expected 4 columns"),
        (
            "image,x,y\nb.png,1,2\n",
            "column 'observer' is missing; needed are image, observer, x, y, found are image, x, y",
        ),
        ("image;observer;x;y\nb.png;1;2;3\n", "column 'image' is missing; needed are image, obs"),
        (
            "image,observer,x,y,pupil\nb.png,1,2,3,4\n",
            "unknown column 'pupil'; known are image, observer, x, y, duration_ms, order, category",
        ),
        ("image,observer,x,y,x\nb.png,1,2,3,4\n", "column 'x' is there twice"),
        (CSV + "b.png,1,left,3\n", "row 5 has x 'left', expected a number"),
        (CSV + "b.png,1,3,\n", "row 5 has y nan, expected a number"),
        (CSV + "b.png,1,nan,3\n", "row 5 has x nan, expected a number"),
        (CSV + "b.png,1,-inf,3\n", "row 5 has x -inf, expected a number"),
        (CSV + ",1,2,3\n", "row 5 has no image"),
        (CSV + "b.png,,2,3\n", "row 5 has no observer"),
        (
            CSV + "c.png,1,2,3\nd.png,1,2,3\nc.png,1,4,5\n",
            "row 5 has image 'c.png', which is not in images/ (2 unknown names in all)",
        ),
        (HEAD + "a10.jpg,1,2,3\n", "row 1 has image 'a10.jpg', which is not in images/ (1 unkn"),
        (CSV + "b.png,10,3.0,4\n", "rows 3 and 5 have the same image, observer, x and y"),
        (
            WITH_ORDER + "b.png,1,2,3,0\nb.png,1,4,5,1\nb.png,1,6,7,0\n",
            "rows 1 and 3 have the same image, observer and order",
        ),
        (WITH_ORDER + "b.png,1,2,3,-1\n", "row 1 has order -1, expected a whole number from 0"),
        (WITH_ORDER + "b.png,1,2,3,1.5\n", "row 1 has order 1.5, expected a whole number from 0"),
        (WITH_ORDER + "b.png,1,2,3,first\n", "row 1 has order 'first', expected a number"),
        (WITH_ORDER + "b.png,1,2,3,\n", "row 1 has order nan, expected a number"),
        (
            "image,observer,x,y,duration_ms\nb.png,1,2,3,-5\n",
            "row 1 has duration_ms -5, below 0",
        ),
        (
            "image,observer,x,y,duration_ms\nb.png,1,2,3,inf\n",
            "row 1 has duration_ms inf, expected a number",
        ),
        (
            "image,observer,x,y,category\nb.png,1,2,3,cats\nb.png,2,2,3,dogs\n",
            "row 2 puts b.png in category 'dogs', an earlier one in 'cats'",
        ),
        ("image,observer,x,y,category\nb.png,1,2,3,\n", "row 1 has no category"),
        (
            HEAD + "b.png,1,40,3\nb.png,1,-1,3\n",
            "all 2 fixations lie outside their image",
        ),
    ],
)
def test_a_wrong_table_is_answered_in_one_line(tmp_path, table, expected):
    message = message_of(write_plain(tmp_path, table))
    assert message.startswith(f"{tmp_path / 'fixations.csv'}: {expected}")


@pytest.mark.parametrize("heading", [HEAD.encode(), b"image,observer,x,y\xff\n"])
def test_a_table_that_is_not_utf8_is_refused(tmp_path, heading):
    root = write_plain(tmp_path)
    (root / "fixations.csv").write_bytes(heading + "b.png,Zoë,1,2\n".encode("latin-1"))
    assert "fixations.csv: is not a readable CSV file (" in message_of(root)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"x": ["1"]}, None),
        ({"x": [True]}, "column 'x' is bool, expected numbers"),
        ({"x": [None]}, "column 'x' is null, expected numbers"),
        ({"image": [3]}, "column 'image' is int64, expected text"),
        ({"image": [None]}, "column 'image' is null, expected text"),
        ({"observer": [1.5]}, "column 'observer' is double, expected text"),
    ],
)
def test_parquet_columns_have_their_types(tmp_path, columns, expected):
    content = {"image": ["b.png"], "observer": [1], "x": [2.0], "y": [3.0]} | columns
    root = write_parquet(tmp_path, **content)
    if expected is None:
        assert load_dataset("plain", root).fixations.x.tolist() == [1.0]
    else:
        assert message_of(root) == f"{root / 'fixations.parquet'}: {expected}"


def test_broken_parquet_is_refused(tmp_path):
    root = write_plain(tmp_path)
    (root / "fixations.csv").rename(root / "fixations.parquet")
    assert "fixations.parquet: is not a readable Parquet file (" in message_of(root)


def test_both_tables_or_none_are_refused(tmp_path):
    root = write_plain(tmp_path)
    (root / "fixations.parquet").touch()
    expected = f"{root}: expected fixations.csv or fixations.parquet, "
    assert message_of(root) == f"{expected}both are here, keep one"
    (root / "fixations.parquet").unlink()
    (root / "fixations.csv").unlink()
    assert message_of(root) == f"{expected}none is here"


def test_missing_and_empty_image_folders_are_refused(tmp_path):
    path = tmp_path / "images"
    assert message_of(tmp_path).startswith(f"{path}: no such folder; the plain form is a folder")
    path.mkdir()
    assert message_of(tmp_path).startswith(f"{path}: no images (png, jpg, jpeg,")


def test_a_damaged_image_is_an_image_error(tmp_path):
    root = write_plain(tmp_path)
    (root / "images" / "b.png").write_bytes(b"no picture")
    assert "b.png: not an image" in message_of(root, ImageError)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("px_per_dva: -3\n", "px_per_dva: Input should be greater than 0 (given: -3)"),
        ("pixels: 3\n", "unknown key 'pixels'; known here: blur_px, description,"),
        ("- 3\n", "expected keys and values, found list"),
    ],
)
def test_wrong_settings_are_a_config_error(tmp_path, settings, expected):
    root = write_plain(tmp_path, settings=settings)
    assert message_of(root, ConfigError).startswith(f"{root / 'dataset.yaml'}: {expected}")


def test_an_order_that_is_said_not_to_be_known_is_refused(tmp_path):
    table = WITH_ORDER + "b.png,1,2,3,0\n"
    root = write_plain(tmp_path, table, settings="ordered: false\n")
    assert message_of(root).endswith("has a column 'order', but dataset.yaml says ordered: false")
