from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foregaze.data import completeness_note, load_dataset
from foregaze.errors import DataError
from tests.data.dut_omron_copy import save_fixations, write_dut_omron


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dut_omron(tmp_path / "dut")


def test_a_copy_in_the_published_layout_loads_exactly(root):
    dataset = load_dataset("dut-omron", root)
    assert dataset.name == "dut-omron"
    assert dataset.stimuli.names == ("im005.jpg", "sun_a.jpg")
    assert dataset.stimuli.sizes == ((300, 400), (400, 266))
    f = dataset.on_image(0)
    assert f.observer.tolist() == [0, 0, 1]
    assert f.order.tolist() == [0, 1, 0]
    assert f.x.tolist() == [0.5, 20.5, 399.5]
    assert f.y.tolist() == [0.5, 30.5, 299.5]
    assert np.isnan(f.duration_ms).all()
    assert dataset.on_image(1).x.tolist() == [0.5, 20.5]  # 399 lies outside
    assert dataset.dropped_fixations == 1
    assert not dataset.starts_at_center


@pytest.mark.parametrize("folder", ["DUT-OMRON-image", "DUT-OMRON-eye-fixations"])
def test_a_folder_in_a_folder_of_the_same_name_loads_too(root, folder):
    (root / folder).rename(root / "moved")
    (root / folder).mkdir()
    (root / "moved").rename(root / folder / folder)
    dataset = load_dataset("dut-omron", root.parent)
    note = completeness_note("dut-omron", dataset)
    assert note == "dut-omron: 2 of the 5168 published images are here"


def test_an_image_that_nobody_fixated_is_kept(root):
    save_fixations(root, "im005.jpg", [(400, 300, 0)])
    assert len(load_dataset("dut-omron", root).on_image(0)) == 0


def message_of(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset("dut-omron", root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_says_how_it_looks_and_where_to_get_it(tmp_path):
    assert message_of(tmp_path) == (
        f"{tmp_path / 'DUT-OMRON-image'}: no such file or folder; DUT-OMRON's folder holds "
        "DUT-OMRON-image/*.jpg and DUT-OMRON-eye-fixations/mat/*.mat, "
        "from http://saliencydetection.net/dut-omron/"
    )


def test_an_image_without_fixations_is_named(root):
    path = root / "DUT-OMRON-eye-fixations" / "mat" / "sun_a.mat"
    path.unlink()
    assert message_of(root).startswith(f"{path}: no such file; DUT-OMRON's folder holds")


def test_an_image_of_another_size_is_refused(root):
    path = root / "DUT-OMRON-image" / "im005.jpg"
    Image.new("RGB", (300, 400)).save(path)
    assert "(observer 0 has [[400.0, 300.0]], expected the image's width and" in message_of(root)
    Image.new("RGB", (640, 480)).save(path)
    assert message_of(root).endswith(
        "im005.jpg: is 640x480, but DUT-OMRON publishes images of at most 400 pixels a side"
    )


@pytest.mark.parametrize("rows", [[(1, 2, 1)], [(400, 300, 0)] * 2, [(1, 2)]])
def test_a_broken_table_is_refused(root, rows):
    save_fixations(root, "im005.jpg", rows)
    assert "im005.mat: table 's' is not as DUT-OMRON publishes it (" in message_of(root)
