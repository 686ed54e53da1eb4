from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foregaze.data import completeness_note, load_dataset
from foregaze.errors import DataError
from tests.data.salicon_copy import (
    gaze,
    name_of,
    save_gaze,
    save_json,
    write_images,
    write_salicon,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_salicon(tmp_path / "salicon")


@pytest.mark.parametrize("edition", ["2015", "2017"])
@pytest.mark.parametrize("split", ["train", "val"])
def test_fixations_come_out_exactly(tmp_path, edition, split):
    root = write_salicon(tmp_path / "salicon", split)
    dataset = load_dataset(f"salicon-{edition}-{split}", root)
    assert dataset.name == f"salicon-{edition}-{split}"
    assert dataset.stimuli.names == (name_of(9, split), name_of(25, split))
    assert dataset.stimuli.sizes == ((480, 640),) * 2
    f = dataset.on_image(1)
    assert f.observer.tolist() == [0, 0, 0, 1]
    assert f.order.tolist() == [0, 1, 2, 0]
    assert f.x.tolist() == [0.5, 639.5, 320.5, 4.5]
    assert f.y.tolist() == [0.5, 479.5, 1.5, 5.5]
    assert (f.column.tolist(), f.row.tolist()) == ([0, 639, 320, 4], [0, 479, 1, 5])
    assert np.isnan(f.duration_ms).all()
    assert not dataset.starts_at_center
    assert dataset.px_per_dva is None


def test_columns_are_small(root):
    f = load_dataset("salicon-2017-train", root).fixations
    assert sum(column.itemsize for column in vars(f).values()) == 24


@pytest.mark.parametrize("edition", ["2015", "2017"])
def test_mouse_traces_are_thinned_without_their_beginning(root, edition):
    dataset = load_dataset(f"salicon-{edition}-train-mouse", root)
    assert dataset.name == f"salicon-{edition}-train-mouse"
    f = dataset.on_image(0)
    assert f.observer.tolist() == [0, 0, 1, 1, 2, 2]
    assert f.order.tolist() == [0, 1] * 3
    assert f.x.tolist() == [20.5, 30.5] * 3  # samples 11 and 21
    assert f.y.tolist() == [310.5, 320.5] * 3


def test_positions_outside_are_dropped_and_counted(root):
    path = root / "fixations" / "train" / name_of(9, "train")
    save_gaze(path.with_suffix(".mat"), gaze([[(0, 5), (641, 5), (5, 481), (6, 7)]]))
    dataset = load_dataset("salicon-2017-train", root)
    assert dataset.dropped_fixations == 3
    assert dataset.on_image(0).order.tolist() == [3]


@pytest.mark.parametrize("folder", [".", "annotations"])
def test_the_json_of_2015_loads_with_rows_before_columns(tmp_path, folder):
    root = write_images(tmp_path / "salicon", "val")
    save_json(root / folder / "fixations_val2014.json", "val", [25, 9, 77])
    dataset = load_dataset("salicon-2015-val", root)
    f = dataset.on_image(0)
    assert dataset.stimuli.names[0] == name_of(9, "val")
    assert f.x.tolist() == [639.5, 1.5, 4.5]
    assert f.y.tolist() == [0.5, 479.5, 8.5]
    assert f.observer.tolist() == [0, 0, 1]
    assert f.order.tolist() == [0, 1, 0]


def test_the_folder_around_it_loads_too(root):
    dataset = load_dataset("salicon-2017-train", root.parent)
    note = completeness_note("salicon-2017-train", dataset)
    assert note == "salicon-2017-train: 2 of the 10000 published images are here"


def message_of(name: str, root: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset(name, root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_split_says_how_the_folder_looks_and_where_to_get_it(root):
    path = root / "images" / "val"
    assert message_of("salicon-2017-val", root) == (
        f"{path}: no such file or folder; SALICON's folder holds images/val/*.jpg and "
        "fixations/val/*.mat, from http://salicon.net/challenge-2017"
    )
    assert "fixations/val/*.mat (or fixations_val2014.json), from" in (
        message_of("salicon-2015-val", root)
    )


def test_an_image_without_annotations_is_named(root):
    path = root / "fixations" / "train" / name_of(25, "train").replace(".jpg", ".mat")
    path.unlink()
    assert message_of("salicon-2017-train", root).startswith(f"{path}: no such file; SALICON's")


def test_2017_never_reads_the_json_of_2015(tmp_path):
    root = write_images(tmp_path / "salicon", "val")
    save_json(root / "fixations_val2014.json", "val", [9, 25])
    assert "no such file; SALICON's folder" in message_of("salicon-2017-val", root)
    assert "2014.json: holds no mouse traces; SALICON's" in (
        message_of("salicon-2015-val-mouse", root)
    )


def test_an_image_that_the_json_lacks_is_named(tmp_path):
    root = write_images(tmp_path / "salicon", "val")
    save_json(root / "fixations_val2014.json", "val", [9])
    assert message_of("salicon-2015-val", root).endswith(
        f"no fixations for 1 stimuli, {name_of(25, 'val')} first"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "is not a readable JSON file ("),
        ('{"annotations": [{"fixations": [[1, 2], [3]]}]}', "is not a readable JSON file ("),
        ('{"images": []}', "its content is not as SALICON (val) publishes it ("),
        ("[]", "its content is not as SALICON (val) publishes it ("),
    ],
)
def test_a_broken_json_is_refused(tmp_path, text, expected):
    root = write_images(tmp_path / "salicon", "val")
    (root / "fixations_val2014.json").write_text(text)
    assert expected in message_of("salicon-2015-val", root)


def test_an_image_of_another_size_is_refused(root):
    path = root / "images" / "train" / name_of(9, "train")
    Image.new("RGB", (480, 640)).save(path)
    assert message_of("salicon-2017-train", root) == (
        f"{path}: is 480x640, but SALICON (train) publishes images of 640x480"
    )


@pytest.mark.parametrize("content", ["letters", {"location": np.ones((3, 2))}, 3.0])
def test_gaze_in_another_form_is_refused(root, content):
    path = root / "fixations" / "train" / name_of(9, "train").replace(".jpg", ".mat")
    save_gaze(path, content)
    assert message_of("salicon-2017-train", root).startswith(
        f"{path}: field gaze.fixations is not as SALICON (train) publishes it ("
    )


def test_a_damaged_file_is_refused(root):
    path = root / "fixations" / "train" / name_of(9, "train").replace(".jpg", ".mat")
    path.write_text("no MATLAB file")
    assert message_of("salicon-2017-train", root).startswith(
        f"{path}: is not a readable MATLAB file ("
    )
