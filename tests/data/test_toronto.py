from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from foregaze.data import completeness_note, load_dataset
from foregaze.errors import DataError
from tests.data.toronto_copy import fixation_map, save_maps, write_toronto


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_toronto(tmp_path / "eyetrackingdata")


def test_a_copy_in_the_published_layout_loads_exactly(root):
    dataset = load_dataset("toronto", root)
    assert dataset.name == "toronto"
    assert dataset.stimuli.names == ("1.jpg", "2.jpg", "3.jpg")
    assert dataset.stimuli.sizes == ((511, 681),) * 3
    f = dataset.on_image(1)
    assert f.x.tolist() == [0.5, 2.5, 680.5]  # row by row
    assert f.y.tolist() == [0.5, 7.5, 510.5]
    assert set(f.observer) == set(f.order) == {0}
    assert np.isnan(f.duration_ms).all()
    assert not dataset.starts_at_center
    assert len(dataset.evidence()) == 9
    assert dataset.px_per_dva is None


def test_fixations_without_order_have_no_history(root):
    x_hist, _ = load_dataset("toronto", root).history(2)
    assert np.isnan(x_hist).all()


@pytest.mark.parametrize("inside", [".", "..", "fixdens"])
def test_the_folders_inside_and_around_it_load_too(root, inside):
    assert len(load_dataset("toronto", root / inside)) == 3


def test_ten_comes_after_nine(tmp_path):
    dataset = load_dataset("toronto", write_toronto(tmp_path, images=10))
    assert dataset.stimuli.names[8:] == ("9.jpg", "10.jpg")
    assert dataset.on_image(9).x.tolist() == [0.5, 10.5, 680.5]


def test_one_image_loads_and_is_told(tmp_path):
    dataset = load_dataset("toronto", write_toronto(tmp_path, images=1))
    assert len(dataset.fixations) == 3
    note = completeness_note("toronto", dataset)
    assert note == "toronto: 1 of the 120 published images are here"


def message_of(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset("toronto", root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_says_how_it_looks_and_where_to_get_it(tmp_path):
    assert message_of(tmp_path) == (
        f"{tmp_path / 'fixdens'}: no such file or folder; Toronto's folder "
        "eyetrackingdata/fixdens/ holds Original Image Set/*.jpg and origfixdata.mat, "
        "from http://www-sop.inria.fr/members/Neil.Bruce/eyetrackingdata.zip"
    )


def test_missing_images_and_missing_maps_are_refused(root):
    (root / "fixdens" / "origfixdata.mat").unlink()
    assert "origfixdata.mat: no such file; Toronto's folder" in message_of(root)
    (root / "fixdens" / "Original Image Set").rename(root / "fixdens" / "images")
    assert "Original Image Set: no such folder; Toronto's folder" in message_of(root)


def test_an_image_without_a_map_is_named(root):
    save_maps(root, [fixation_map()] * 2)
    assert message_of(root).endswith("no fixations for 3.jpg; it holds images 1 to 2")


def test_another_size_is_refused(root):
    save_maps(root, [fixation_map(), np.zeros((681, 511)), fixation_map()])
    assert message_of(root).endswith(
        "cell 2 of 'white' is not as Toronto publishes it (shape (681, 511), expected (511, 681))"
    )
    Image.new("RGB", (640, 480)).save(root / "fixdens" / "Original Image Set" / "1.jpg")
    assert message_of(root).endswith("1.jpg: is 640x480, but Toronto publishes images of 681x511")


@pytest.mark.parametrize("value", ["letters", 3.0, {"a": 1}])
def test_maps_that_are_no_cell_are_refused(root, value):
    scipy.io.savemat(root / "fixdens" / "origfixdata.mat", {"white": value})
    for number in (2, 3):
        (root / "fixdens" / "Original Image Set" / f"{number}.jpg").unlink()
    assert "cell 1 of 'white' is not as Toronto publishes it (" in message_of(root)


def test_more_images_than_published_are_refused(root):
    for number in range(4, 122):
        (root / "fixdens" / "Original Image Set" / f"{number}.jpg").touch()
    assert message_of(root).endswith("121 images, but Toronto has 120")
