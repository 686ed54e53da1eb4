import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from foregaze.data import load_dataset, load_pysaliency, save_pysaliency
from foregaze.data.pysaliency_files import load_pysaliency_folder
from foregaze.errors import ConfigError, DataError, ForegazeError, OutputError
from foregaze.images import read_image
from foregaze.types import EyeTrackingDataset, Fixations, Stimuli
from tests.data.cat2000_copy import write_cat2000
from tests.data.osie_copy import write_osie
from tests.data.pysaliency_copy import GOLDEN, VERSIONS, structure, write_trains
from tests.data.toronto_copy import write_toronto

OLD = GOLDEN / "v0.2.22"


def copy_of_golden(folder: Path) -> Path:
    shutil.copytree(OLD, folder)
    return folder


def assert_same(again: EyeTrackingDataset, dataset: EyeTrackingDataset) -> None:
    for field in ("name", "starts_at_center", "px_per_dva", "blur_px", "same_picture"):
        assert getattr(again, field) == getattr(dataset, field)
    assert again.dropped_fixations == dataset.dropped_fixations
    assert again.categories == dataset.categories
    assert again.stimuli.names == dataset.stimuli.names
    assert again.stimuli.sizes == dataset.stimuli.sizes
    for image in range(len(dataset)):
        np.testing.assert_array_equal(again.stimuli[image], dataset.stimuli[image])
    for field in ("image", "observer", "order", "x", "y", "duration_ms"):
        ours, theirs = getattr(again.fixations, field), getattr(dataset.fixations, field)
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_folder_of_either_version_loads_exactly(version):
    dataset = load_dataset("pysaliency", GOLDEN / version)
    assert dataset.name == "pysaliency"
    assert dataset.stimuli.names == ("im0.png", "im1.png", "im2.png")
    assert dataset.stimuli.sizes == ((60, 80),) * 3
    f = dataset.fixations
    assert f.image.tolist() == [0, 0, 0, 2, 2]
    assert f.observer.tolist() == [0, 0, 0, 1, 1]
    assert f.order.tolist() == [0, 1, 2, 0, 1]
    assert f.x.tolist() == [1.5, 2.5, 3.0, 4.0, 5.0]
    assert f.y.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert f.duration_ms.tolist() == [100.0, 200.0, 300.0, 400.0, 500.0]
    assert (dataset.starts_at_center, dataset.dropped_fixations) == (False, 0)
    assert (dataset.px_per_dva, dataset.blur_px, dataset.categories) == (None, None, ())


def test_histories_are_those_that_pysaliency_gives():
    dataset = load_pysaliency(OLD / "stimuli.hdf5", OLD / "fix.hdf5", starts_at_center=False)
    with h5py.File(OLD / "fix.hdf5") as file:
        theirs = file["x_hist"][()]  # oldest first, then NaN
    ours, _ = dataset.history(2)  # NaN, then oldest first
    for row in range(3):
        known = ~np.isnan(ours[row])
        assert ours[row][known].tolist() == theirs[row][~np.isnan(theirs[row])].tolist()


def test_arguments_say_what_files_do_not():
    dataset = load_pysaliency(
        str(OLD / "stimuli.hdf5"),
        str(OLD / "fixations.hdf5"),
        starts_at_center=True,
        name="mine",
        px_per_dva=30.0,
        blur_px=24.0,
        same_picture=[["sub/im0.png", "sub/im1.png"]],
        names_from=OLD / "stimuli",
    )
    assert (dataset.name, dataset.px_per_dva, dataset.blur_px) == ("mine", 30.0, 24.0)
    assert dataset.same_picture == (("sub/im0.png", "sub/im1.png"),)
    assert dataset.stimuli.names == ("sub/im0.png", "sub/im1.png", "sub/im2.png")
    assert dataset.evidence().order.tolist() == [1, 2, 1]


def test_images_inside_the_file_make_a_data_set():
    dataset = load_pysaliency(OLD / "arrays.hdf5", OLD / "trains.hdf5", starts_at_center=False)
    assert dataset.stimuli.names == ("x/1.png", "2.png")
    assert dataset.categories == ("Äpfel", "b")
    assert dataset.fixations.observer.tolist() == [3, 3, 5]
    assert dataset.subset([1]).stimuli[0].shape == (7, 5, 3)


def test_settings_beside_the_files_are_read(tmp_path):
    root = copy_of_golden(tmp_path / "set")
    settings = "name: mine\nstarts_at_center: true\ndropped_fixations: 2\npx_per_dva: 30\n"
    (root / "dataset.yaml").write_text(settings)
    dataset = load_pysaliency_folder(root)
    assert (dataset.name, dataset.px_per_dva, dataset.dropped_fixations) == ("mine", 30.0, 2)
    assert dataset.starts_at_center
    (root / "dataset.yaml").write_text("centered: true\n")
    with pytest.raises(ConfigError, match=r"dataset\.yaml: unknown key 'centered'; known here"):
        load_pysaliency_folder(root)


def test_fixations_outside_their_image_are_dropped_and_counted(tmp_path):
    path = write_trains(tmp_path / "f.hdf5", train_xs=[[-0.5, 2.5, 80.0], [79.99, 0.0, np.nan]])
    dataset = load_pysaliency(OLD / "stimuli.hdf5", path, starts_at_center=False)
    assert dataset.fixations.x.tolist() == [2.5, 79.99, 0.0]
    assert dataset.fixations.order.tolist() == [1, 0, 1]
    assert dataset.dropped_fixations == 2


def test_fixations_that_are_all_outside_are_refused(tmp_path):
    path = write_trains(tmp_path / "f.hdf5", train_ys=np.full((2, 3), 60.0))
    with pytest.raises(DataError, match=r"f\.hdf5: holds no fixations inside an image \(5 outside"):
        load_pysaliency(OLD / "stimuli.hdf5", path, starts_at_center=False)


def test_a_fixation_on_an_image_that_is_not_there_is_refused(tmp_path):
    path = write_trains(tmp_path / "f.hdf5", train_ns=[0, 3])
    message = r"f\.hdf5: has a fixation on image 3, but .*stimuli\.hdf5 holds 3 stimuli, numbered"
    with pytest.raises(DataError, match=message):
        load_pysaliency(OLD / "stimuli.hdf5", path, starts_at_center=False)


def test_repeated_viewings_are_refused_unless_the_first_is_asked_for(tmp_path):
    path = write_trains(tmp_path / "f.hdf5", train_ns=[2, 2], train_subjects=[1, 1])
    load: Callable[..., EyeTrackingDataset] = load_pysaliency
    message = r"f\.hdf5: observer 1 has several scanpaths on im2\.png; first_viewing_only: true in"
    with pytest.raises(DataError, match=message):
        load(OLD / "stimuli.hdf5", path, starts_at_center=False)
    first = load(OLD / "stimuli.hdf5", path, starts_at_center=False, first_viewing_only=True)
    assert first.fixations.x.tolist() == [1.5, 2.5, 3.0]


@pytest.mark.parametrize("missing", ["stimuli.hdf5", "fixations.hdf5"])
def test_a_missing_file_is_named_with_what_belongs_there(tmp_path, missing):
    root = copy_of_golden(tmp_path / "set")
    (root / missing).unlink()
    message = rf"set/{missing}: no such file; a folder of pysaliency holds stimuli\.hdf5 and fixa"
    with pytest.raises(DataError, match=message):
        load_pysaliency_folder(root)


@pytest.mark.parametrize("name", ["stimuli.hdf5", "fixations.hdf5"])
@pytest.mark.parametrize("content", [b"", b"no HDF5", (OLD / "stimuli.hdf5").read_bytes()[:2000]])
def test_damaged_files_are_named_in_one_line(tmp_path, name, content):
    root = copy_of_golden(tmp_path / "set")
    (root / name).write_bytes(content)
    with pytest.raises(ForegazeError) as caught:
        load_pysaliency_folder(root)
    assert f"{name}: is no readable HDF5 file (" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_swapped_files_are_told():
    with pytest.raises(
        DataError, match=r"fixations\.hdf5: holds 'FixationTrains', expected one of"
    ):
        load_pysaliency(OLD / "fixations.hdf5", OLD / "stimuli.hdf5", starts_at_center=False)


def rich_dataset(folder: Path) -> EyeTrackingDataset:
    """Names in folders and beyond ASCII, gray and color, categories, gaps, all settings."""
    rng = np.random.default_rng(5)
    sizes, modes = ((20, 50), (30, 40), (20, 50)), ("RGB", "L", "RGB")
    names = ("Zoë/a.png", "b.png", "Zoë/c.jpg")
    for name, (height, width), mode in zip(names, sizes, modes, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (height, width, len(mode)), dtype=np.uint8)
        Image.fromarray(pixels.squeeze()).save(folder / name)
    stimuli = Stimuli(tuple(folder / name for name in names), sizes, read_image, folder)
    fixations = Fixations(
        image=np.array([0, 0, 0, 0, 2, 2]),
        observer=np.array([4, 4, 1, 1, 4, 4]),
        order=np.array([0, 2, 1, 3, 0, 1]),
        x=rng.random(6) * 40,
        y=rng.random(6) * 20,
        duration_ms=np.array([1001.0, np.nan, 30.0, 1000 / 240, 250.0, 0.0]),
    )
    return EyeTrackingDataset(
        name="rich",
        stimuli=stimuli,
        fixations=fixations,
        starts_at_center=True,
        px_per_dva=31.5,
        dropped_fixations=2,
        same_picture=(("b.png", "Zoë/c.jpg"),),
        categories=("Äpfel", "", "b"),
        blur_px=24.0,
    )


def test_a_saved_data_set_comes_back_exactly(tmp_path):
    dataset = rich_dataset(tmp_path / "images")
    save_pysaliency(dataset, tmp_path / "saved")
    assert_same(load_dataset("pysaliency", tmp_path / "saved"), dataset)


def test_names_come_back_even_if_all_share_a_folder(tmp_path):
    dataset = rich_dataset(tmp_path / "images").subset([2, 0])
    dataset = replace(dataset, same_picture=())
    save_pysaliency(dataset, tmp_path / "saved")
    again = load_pysaliency_folder(tmp_path / "saved")
    assert again.stimuli.names == ("Zoë/c.jpg", "Zoë/a.png")
    assert again.categories == ("b", "Äpfel")


def test_images_inside_a_file_come_back_exactly(tmp_path):
    dataset = load_pysaliency(OLD / "arrays.hdf5", OLD / "trains.hdf5", starts_at_center=True)
    save_pysaliency(dataset, tmp_path / "saved")
    assert_same(load_pysaliency_folder(tmp_path / "saved"), dataset)
    save_pysaliency(dataset.subset([1]), tmp_path / "one")
    assert_same(load_pysaliency_folder(tmp_path / "one"), dataset.subset([1]))


def test_published_data_sets_come_back_exactly(tmp_path):
    roots = {
        "osie": write_osie(tmp_path / "osie"),
        "cat2000": write_cat2000(tmp_path / "cat2000"),
        "toronto": write_toronto(tmp_path / "toronto"),
    }
    for name, root in roots.items():
        dataset = load_dataset(name, root)
        save_pysaliency(dataset, tmp_path / "saved" / name)
        assert_same(load_pysaliency_folder(tmp_path / "saved" / name), dataset)


def test_files_are_those_that_pysaliency_writes(tmp_path):
    dataset = load_pysaliency(
        OLD / "stimuli.hdf5",
        OLD / "fixations.hdf5",
        starts_at_center=False,
        names_from=OLD / "stimuli",
    )
    save_pysaliency(dataset, tmp_path / "saved")
    for name in ("stimuli.hdf5", "fixations.hdf5"):
        assert structure(tmp_path / "saved" / name) == structure(OLD / name)
    files = {path.name for path in (tmp_path / "saved").iterdir()}
    assert files == {"stimuli.hdf5", "fixations.hdf5", "stimuli", "dataset.yaml"}


def test_nothing_is_overwritten(tmp_path):
    dataset = rich_dataset(tmp_path / "images")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"saved: is already there; name a new or empty folder"):
        save_pysaliency(dataset, tmp_path / "saved")
    assert [path.name for path in (tmp_path / "saved").iterdir()] == ["mine.txt"]
    with pytest.raises(OutputError, match="is already there"):
        save_pysaliency(dataset, tmp_path / "saved" / "mine.txt")


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "saved").mkdir()
    save_pysaliency(rich_dataset(tmp_path / "images"), tmp_path / "saved")
    assert (tmp_path / "saved" / "stimuli.hdf5").is_file()


def test_a_failed_save_leaves_nothing(tmp_path):
    dataset = rich_dataset(tmp_path / "images")
    wrong = replace(dataset.stimuli, sizes=((20, 50), (30, 40), (21, 50)))
    with pytest.raises(
        DataError, match=r"c\.jpg: is stored as 50x20 and turned or scaled to 50x21"
    ):
        save_pysaliency(replace(dataset, stimuli=wrong), tmp_path / "saved")
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_leftovers_of_a_stopped_save_do_not_matter(tmp_path):
    dataset = rich_dataset(tmp_path / "images")
    (tmp_path / "saved.part" / "stimuli").mkdir(parents=True)
    save_pysaliency(dataset, tmp_path / "saved")
    assert_same(load_dataset("pysaliency", tmp_path / "saved"), dataset)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    dataset = rich_dataset(tmp_path / "images")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/saved: cannot be written \(Not a directory\)"):
        save_pysaliency(dataset, tmp_path / "file" / "saved")


def test_no_fixations_are_not_saved(tmp_path):
    dataset = rich_dataset(tmp_path / "images").subset([1])
    with pytest.raises(DataError, match="rich: has no fixations to save"):
        save_pysaliency(dataset, tmp_path / "saved")
