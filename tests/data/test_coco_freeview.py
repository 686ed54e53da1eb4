from pathlib import Path

import pytest
from PIL import Image

from foregaze.data import completeness_note, load_dataset
from foregaze.errors import DataError
from tests.data.coco_freeview_copy import (
    TRAIN,
    VALID,
    save_scanpaths,
    scanpath,
    scanpaths,
    write_coco_freeview,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_coco_freeview(tmp_path / "freeview")


def test_the_training_split_comes_out_exactly(root):
    dataset = load_dataset("coco-freeview-train", root)
    assert dataset.name == "coco-freeview-train"
    assert dataset.stimuli.names == TRAIN
    assert dataset.stimuli.sizes == ((1050, 1680),) * 2
    assert len(dataset.fixations) == 2 * 10 * 3
    f = dataset.by_observer(9).where(dataset.by_observer(9).image == 1)
    assert f.x.tolist() == [850.0, 860.25, 870.5]
    assert f.y.tolist() == [525.0, 500.5, 476.0]
    assert f.duration_ms.tolist() == [180.0, 240.0, 300.0]
    assert f.order.tolist() == [0, 1, 2]
    assert dataset.starts_at_center
    assert dataset.evidence().order.min() == 1


def test_the_validation_split_holds_other_images(root):
    dataset = load_dataset("coco-freeview-val", root.parent)
    assert dataset.name == "coco-freeview-val"
    assert dataset.stimuli.names == VALID
    assert len(dataset.fixations) == 30
    note = completeness_note("coco-freeview-val", dataset)
    assert note == "coco-freeview-val: 1 of the 603 published images are here"


def test_fixations_outside_the_screen_are_dropped_and_counted(root):
    out = scanpath(VALID[0], 1, "valid") | {"X": [-0.1, 1680.0, 1679.9], "Y": [0.0, 5.0, 1049.9]}
    save_scanpaths(root, [out])
    dataset = load_dataset("coco-freeview-val", root)
    assert dataset.dropped_fixations == 2
    assert dataset.fixations.order.tolist() == [2]


def message_of(root: Path, name: str = "coco-freeview-train") -> str:
    with pytest.raises(DataError) as caught:
        load_dataset(name, root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_file_says_how_the_folder_looks_and_where_to_get_it(tmp_path):
    path = tmp_path / "COCOFreeView_fixations_trainval.json"
    assert message_of(tmp_path) == (
        f"{path}: no such file or folder; COCO-FreeView's folder holds "
        "COCOFreeView_fixations_trainval.json, images/<task>/*.jpg and "
        "coco_search18_images_TA/<task>/*.jpg, from "
        "https://sites.google.com/view/cocosearch/coco-freeview"
    )


def test_a_folder_without_images_of_the_split_is_refused(root):
    (root / "images" / "car" / VALID[0]).unlink()
    assert message_of(root, "coco-freeview-val").startswith(
        f"{root}: none of the 1 images of the validation split is here; COCO-FreeView's folder"
    )


def test_copies_that_differ_are_refused(root):
    path = root / "images" / "car" / TRAIN[0]
    Image.new("L", (1680, 1050), 200).save(path)
    assert f"{path}: differs from " in message_of(root)


def test_an_image_of_another_size_is_refused(root):
    path = root / "images" / "car" / TRAIN[1]
    Image.new("RGB", (640, 480)).save(path)
    assert message_of(root) == (
        f"{path}: is 640x480, but COCO-FreeView (train) publishes images of 1680x1050"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"subject": 0}, "subject 0, expected 1 to 10"),
        ({"subject": "a"}, "subject a, expected 1 to 10"),
        ({"X": [1.0, 2.0]}, r"shape (2,), expected a length of 3"),
        ({"Y": ["a", "b", "c"]}, "could not convert string to float"),
        ({"T": None}, "shape (), expected a length of 3"),
    ],
)
def test_a_broken_scanpath_is_named_by_its_place(root, change, reason):
    content = scanpaths()
    content[4] |= change
    save_scanpaths(root, content)
    message = message_of(root)
    assert "trainval.json: scanpath 5 is not as COCO-FreeView (train) publishes it (" in message
    assert reason in message


def test_a_scanpath_without_a_field_is_refused(root):
    content = scanpaths()
    del content[0]["X"]
    save_scanpaths(root, content)
    assert "scanpath 1 is not as COCO-FreeView (train) publishes it ('X')" in message_of(root)


def test_two_scanpaths_of_one_observer_on_an_image_are_refused(root):
    save_scanpaths(root, scanpaths() + scanpaths()[6:7])
    assert message_of(root).endswith(f"{TRAIN[0]} has two scanpaths of subject 7")


def test_a_file_without_the_split_names_those_it_has(root):
    save_scanpaths(root, [scanpath(TRAIN[0], 1, "train")])
    assert message_of(root, "coco-freeview-val").endswith(
        "no scanpath of the split 'valid'; its splits: train"
    )


@pytest.mark.parametrize("text", ["[", "", "{'a': 1}"])
def test_a_broken_json_is_refused(root, text):
    (root / "COCOFreeView_fixations_trainval.json").write_text(text)
    assert "trainval.json: is not a readable JSON file (" in message_of(root)


@pytest.mark.parametrize("text", ["{}", "3"])
def test_a_json_of_another_form_is_refused(root, text):
    (root / "COCOFreeView_fixations_trainval.json").write_text(text)
    assert "trainval.json: expected a list of scanpaths, found " in message_of(root)
