from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from foregaze.data import completeness_note, load_dataset
from foregaze.data.cat2000 import CATEGORIES
from foregaze.errors import DataError
from tests.data.cat2000_copy import NAMES, SCANPATHS, save_scanpaths, write_cat2000
from tests.data.matlab_copy import save_map_73


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_cat2000(tmp_path / "trainSet")


def test_stimuli_keep_their_categories_in_their_names(root):
    dataset = load_dataset("cat2000", root)
    assert dataset.stimuli.names == NAMES
    assert dataset.categories == ("Action", "Action", "Social")
    assert dataset.stimuli.sizes == ((1080, 1920),) * 3
    assert dataset.px_per_dva == 38.0
    assert not dataset.starts_at_center


def test_scanpaths_come_out_exactly(root):
    dataset = load_dataset("cat2000", root)
    assert dataset.name == "cat2000"
    f = dataset.on_image(1)
    bc, ab = f.where(f.observer == 1), f.where(f.observer == 0)  # numbered in sorted order
    assert bc.x.tolist() == [100.5, 1919.5, 6.5]  # the repeated fixation counts once
    assert bc.y.tolist() == [199.5, 1079.5, 7.5]
    assert bc.order.tolist() == [0, 1, 2]
    assert (ab.x.tolist(), ab.y.tolist(), ab.order.tolist()) == ([0.5], [0.5], [1])
    assert (bc.column.tolist(), bc.row.tolist()) == ([100, 1919, 6], [199, 1079, 7])
    assert dataset.dropped_fixations == 3 * 2  # not a number, and one column too far
    assert np.isnan(f.duration_ms).all()


def test_a_map_of_version_73_reads_alike(root):
    expected = load_dataset("cat2000", root).fixations
    save_scanpaths(root / "allFixData.mat", save=save_map_73)
    found = load_dataset("cat2000", root).fixations
    for column in ("image", "observer", "order", "x", "y"):
        np.testing.assert_array_equal(getattr(found, column), getattr(expected, column))


@pytest.mark.parametrize("name", ["cat2000", "cat2000-locations"])
def test_locations_alone_load_without_observers_and_order(tmp_path, name):
    root = write_cat2000(tmp_path / "trainSet", scanpaths=False)
    dataset = load_dataset(name, root)
    assert dataset.name == "cat2000-locations"
    f = dataset.on_image(2)
    assert sorted(zip(f.x.tolist(), f.y.tolist(), strict=True)) == [
        (0.5, 0.5),
        (12.5, 20.5),
        (1919.5, 1079.5),
    ]
    assert set(dataset.fixations.observer) == set(dataset.fixations.order) == {0}
    x_hist, _ = dataset.history(1)
    assert np.isnan(x_hist).all()
    assert len(dataset.evidence()) == len(dataset.fixations)


def test_locations_can_be_asked_for_where_both_are_there(root):
    assert len(load_dataset("cat2000-locations", root).fixations) == 9


def test_the_folder_around_it_loads_too(root):
    dataset = load_dataset("cat2000", root.parent)
    note = completeness_note("cat2000", dataset)
    assert note == "cat2000: 3 of the 2000 published images are here"


def test_there_are_twenty_categories():
    assert len(set(CATEGORIES)) == 20


def message_of(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset("cat2000", root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_says_how_it_looks_and_where_to_get_it(tmp_path):
    assert message_of(tmp_path) == (
        f"{tmp_path / 'Stimuli'}: no such file or folder; CAT2000's folder trainSet/ holds "
        "Stimuli/<category>/*.jpg and allFixData.mat or FIXATIONLOCS/<category>/*.mat, "
        "from http://saliency.mit.edu/trainSet.zip"
    )


def test_stimuli_alone_are_refused(root):
    (root / "allFixData.mat").unlink()
    (root / "FIXATIONLOCS").rename(root / "LOCS")
    assert message_of(root).startswith(f"{root / 'allFixData.mat'}: no such file; CAT2000's")


def test_a_missing_map_is_named(root):
    (root / "allFixData.mat").unlink()
    path = root / "FIXATIONLOCS" / "Action" / "010.mat"
    path.unlink()
    assert message_of(root).startswith(f"{path}: no such file; CAT2000's folder")


def test_an_image_without_scanpaths_is_named(root):
    save_scanpaths(root / "allFixData.mat", {name: SCANPATHS[name] for name in NAMES[:1]})
    assert message_of(root).endswith("no fixations for 2 stimuli, Action/010.jpg first")


def test_an_unknown_category_is_refused(root):
    (root / "Stimuli" / "Action").rename(root / "Stimuli" / "Actions")
    assert "Actions: CAT2000 has no such category; it has Action, Affective," in message_of(root)


def test_an_image_of_another_size_is_refused(root):
    path = root / "Stimuli" / "Social" / "002.jpg"
    Image.new("RGB", (1024, 768)).save(path)
    assert message_of(root) == (f"{path}: is 1024x768, but CAT2000 publishes images of 1920x1080")


def test_more_images_than_published_are_refused(root):
    for number in range(100, 199):
        (root / "Stimuli" / "Action" / f"{number}.jpg").touch()
    assert message_of(root).endswith("Action: 101 images, but CAT2000 has 100 in each")


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "Stimuli" / "Action").mkdir(parents=True)
    assert message_of(tmp_path).startswith(
        f"{tmp_path / 'Stimuli'}: no .jpg files in its folders; CAT2000's folder"
    )


def test_scanpaths_in_another_form_are_refused(root):
    columns_missing = {name: {"24-53-ab.eye": [[1.0]] * 3} for name in NAMES}
    save_scanpaths(root / "allFixData.mat", columns_missing)
    assert "allFixData.mat: the entry Action/001.jpg is not as CAT2000 publishes it (" in (
        message_of(root)
    )


@pytest.mark.parametrize("content", [{"fixLocs": np.ones((5, 5))}, {"fixLocs": "letters"}])
def test_a_map_in_another_form_is_refused(root, content):
    (root / "allFixData.mat").unlink()
    path = root / "FIXATIONLOCS" / "Action" / "001.mat"
    scipy.io.savemat(path, content)
    assert message_of(root).startswith(f"{path}: map 'fixLocs' is not as CAT2000 publishes it (")
