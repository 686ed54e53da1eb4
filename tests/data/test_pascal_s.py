from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from foregaze.data import completeness_note, load_dataset
from foregaze.errors import DataError
from tests.data.pascal_s_copy import FIXATIONS, save_fixations, save_sizes, write_pascal_s


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_pascal_s(tmp_path / "datasets")


@pytest.mark.parametrize("save", [None, scipy.io.savemat], ids=["7.3", "5"])
def test_a_copy_in_the_published_layout_loads_exactly(root, save):
    if save is not None:
        save_fixations(root, FIXATIONS, save)
    dataset = load_dataset("pascal-s", root)
    assert dataset.name == "pascal-s"
    assert dataset.stimuli.names == ("1.jpg", "2.jpg")
    assert dataset.stimuli.sizes == ((375, 500), (500, 333))
    f = dataset.fixations
    assert f.image.tolist() == [0, 0, 0, 0, 1]
    assert f.observer.tolist() == [0, 0, 1, 11, 2]
    assert f.order.tolist() == [0, 1, 0, 0, 0]
    assert f.x.tolist() == [0.5, 29.5, 499.5, 49.5, 332.5]
    assert f.y.tolist() == [0.5, 19.5, 374.5, 39.5, 499.5]
    assert np.isnan(f.duration_ms).all()
    assert not dataset.starts_at_center
    assert dataset.px_per_dva is None
    assert dataset.dropped_fixations == 0


def test_the_folder_around_it_loads_too_and_sizes_may_be_missing(root):
    (root / "fixations" / "pascalSize.mat").unlink()
    dataset = load_dataset("pascal-s", root.parent)
    note = completeness_note("pascal-s", dataset)
    assert note == "pascal-s: 2 of the 850 published images are here"


def test_fixations_outside_are_dropped_and_counted(root):
    save_fixations(root, [[(0, 1, 1), (376, 1, 1), (5, 6, 1)], [(1, 334, 1)]])
    dataset = load_dataset("pascal-s", root)
    assert dataset.dropped_fixations == 3
    assert dataset.fixations.order.tolist() == [2]


def test_an_image_without_fixations_is_kept(root):
    save_fixations(root, [np.zeros((0, 3)), [(1, 1, 1)]])
    assert len(load_dataset("pascal-s", root).on_image(0)) == 0


def message_of(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset("pascal-s", root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_says_how_it_looks_and_where_to_get_it(tmp_path):
    assert message_of(tmp_path) == (
        f"{tmp_path / 'imgs/pascal'}: no such file or folder; PASCAL-S's folder datasets/ holds "
        "imgs/pascal/*.jpg and fixations/pascalFix.mat, "
        "from http://cbs.ic.gatech.edu/salobj/download/salObj.zip"
    )


def test_missing_fixations_are_refused(root):
    path = root / "fixations" / "pascalFix.mat"
    path.unlink()
    assert message_of(root).startswith(f"{path}: no such file; PASCAL-S's folder datasets/ holds")


@pytest.mark.parametrize("name", ["4.jpg", "0.jpg", "cat.jpg"])
def test_an_image_that_the_cell_lacks_is_named(root, name):
    (root / "fixations" / "pascalSize.mat").unlink()
    Image.new("RGB", (50, 40)).save(root / "imgs" / "pascal" / name)
    assert message_of(root).endswith(f"no fixations for {name}; it holds images 1 to 3")


def test_images_of_another_size_are_refused(root):
    save_sizes(root, [(375, 500), (333, 500)])
    assert message_of(root).endswith("2.jpg: is 333x500, but PASCAL-S publishes it at 500x333")
    Image.new("RGB", (640, 480)).save(root / "imgs" / "pascal" / "2.jpg")
    assert "2.jpg: is 640x480, but PASCAL-S publishes images of at most 500" in message_of(root)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([(1, 2)] * 4, "shape (4, 2), expected 3 columns"),
        ([(1, 2, 0)], "observer 0, expected 1 to 12"),
        ([(1, 2, 13)], "observer 13, expected 1 to 12"),
        ([(1, 2, 1.5)], "observer 1.5, expected 1 to 12"),
    ],
)
def test_a_broken_cell_is_named(root, rows, reason):
    save_fixations(root, [[(1, 1, 1)], rows])
    assert message_of(root).endswith(
        f"cell 2 of 'fixCell' is not as PASCAL-S publishes it ({reason})"
    )
