import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from foregaze.data.pysaliency_stimuli import (
    StoredArrays,
    read_stimuli,
    shared_names,
    write_stimuli,
)
from foregaze.errors import DataError, ImageError
from foregaze.images import read_image
from foregaze.types import EyeTrackingDataset, Fixations, Stimuli
from tests.data.pysaliency_copy import GOLDEN, VERSIONS, structure, write_hdf5

ARRAYS = GOLDEN / "v0.2.22" / "arrays.hdf5"
NAMES = ("a/one.png", "b/two.png")


def write_file_stimuli(folder: Path, version: str = "2.1", **changed: object) -> Path:
    """Two images of 50x20 in photos/, and the file that names them."""
    for name in NAMES:
        (folder / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (50, 20)).save(folder / "photos" / name)
    attributes = {"type": "FileStimuli", "version": version, "size": 2, "__attributes__": []}
    shapes = np.empty(2, dtype=object)
    shapes[:] = [np.array([20, 50, 3]), np.array([20, 50, 3])]
    datasets: dict[str, object] = {"filenames": [f"photos/{name}" for name in NAMES]}
    for name, value in changed.items():
        (attributes if name in attributes else datasets)[name] = value
    path = write_hdf5(folder / "stimuli.hdf5", attributes, **datasets)
    with h5py.File(path, "a") as file:
        stored = file.create_dataset("shapes", (2,), h5py.vlen_dtype(np.int64))
        for number, shape in enumerate(shapes):
            stored[number] = shape
    return path


def of_stimuli(stimuli: Stimuli, categories: tuple[str, ...] = ()) -> EyeTrackingDataset:
    one, nothing = np.array([1.0]), np.array([0])
    fixations = Fixations(nothing, nothing, nothing, one, one, one)
    return EyeTrackingDataset("toy", stimuli, fixations, False, None, categories=categories)


@pytest.mark.parametrize("version", VERSIONS)
def test_image_files_are_read_as_they_are_named(version):
    path = GOLDEN / version / "stimuli.hdf5"
    stimuli, categories = read_stimuli(path)
    with h5py.File(path) as file:
        names = [name.decode() for name in file["filenames"]]
        shapes = [tuple(shape) for shape in file["shapes"]]
    assert stimuli.paths == tuple(path.parent / name for name in names)
    assert stimuli.sizes == tuple(shape[:2] for shape in shapes)
    assert stimuli.names == ("im0.png", "im1.png", "im2.png")  # of get_minimal_unique_filenames
    assert categories == ()
    np.testing.assert_array_equal(stimuli[1], read_image(path.parent / names[1]))


def test_images_inside_the_file_are_read():
    stimuli, categories = read_stimuli(ARRAYS)
    with h5py.File(ARRAYS) as file:
        color, gray = (file[name][()] for name in "01")
    assert stimuli.names == ("x/1.png", "2.png")  # attribute "filenames", shared folders left out
    assert stimuli.sizes == ((6, 9), (7, 5))
    assert categories == ("Äpfel", "b")
    np.testing.assert_array_equal(stimuli[0], color)
    np.testing.assert_array_equal(stimuli[1], np.repeat(gray[..., None], 3, axis=2))
    assert isinstance(stimuli.read, StoredArrays)
    np.testing.assert_array_equal(stimuli.read.raw(stimuli.paths[1]), gray)


def test_images_inside_the_file_survive_pickling_and_subsets():
    stimuli, _ = read_stimuli(ARRAYS)
    again = pickle.loads(pickle.dumps(stimuli)).subset([1])
    assert again.names == ("2.png",)
    np.testing.assert_array_equal(again[0], stimuli[1])


def test_images_without_names_are_numbered(tmp_path):
    attributes = {"type": "Stimuli", "version": "1.0", "size": 2}
    arrays = {"0": np.zeros((3, 4, 3), np.uint8), "1": np.ones((5, 2), np.uint8)}
    stimuli, categories = read_stimuli(write_hdf5(tmp_path / "s.hdf5", attributes, **arrays))
    assert (stimuli.names, stimuli.sizes, categories) == (("0", "1"), ((3, 4), (5, 2)), ())


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_file_names_are_relative_to_the_hdf5_file(tmp_path, monkeypatch, version):
    path = write_file_stimuli(tmp_path / "set", version)
    monkeypatch.chdir(tmp_path)
    stimuli, _ = read_stimuli(Path("set/stimuli.hdf5"))
    monkeypatch.chdir("/")
    assert stimuli.names == NAMES
    assert stimuli[1].shape == (20, 50, 3)
    assert path.is_file()


def test_file_names_of_version_1_are_relative_to_the_current_folder(tmp_path, monkeypatch):
    path = write_file_stimuli(tmp_path / "set", "1.0")
    monkeypatch.chdir(tmp_path / "set")
    assert read_stimuli(path)[0].names == NAMES
    monkeypatch.chdir(tmp_path)
    message = rf"{tmp_path}/photos/a/one\.png: no such file, .* looked for from {tmp_path}$"
    with pytest.raises(DataError, match=message):
        read_stimuli(path)


def test_absolute_file_names_are_kept(tmp_path):
    folder = tmp_path / "set"
    path = write_file_stimuli(folder, filenames=[f"{folder}/photos/{name}" for name in NAMES])
    assert read_stimuli(path)[0].names == NAMES


def test_names_can_begin_below_a_given_folder(tmp_path):
    path = write_file_stimuli(tmp_path)
    assert read_stimuli(path, tmp_path)[0].names == ("photos/a/one.png", "photos/b/two.png")


@pytest.mark.parametrize(
    ("values", "expected"), [([b"cats", b"dogs"], ("cats", "dogs")), ([3, 4], ("3", "4"))]
)
def test_categories_are_texts_or_numbers(tmp_path, values, expected):
    path = write_file_stimuli(tmp_path, __attributes__=["category"], category=values)
    assert read_stimuli(path)[1] == expected


def test_missing_image_files_are_counted_and_the_first_named(tmp_path):
    path = write_file_stimuli(tmp_path)
    for name in NAMES:
        (tmp_path / "photos" / name).unlink()
    message = (
        rf"photos/a/one\.png: no such file, first of 2 missing stimuli; stimuli\.hdf5 names 2, "
        rf"looked for from {tmp_path}$"
    )
    with pytest.raises(DataError, match=message):
        read_stimuli(path)


def test_an_image_of_another_size_is_refused(tmp_path):
    path = write_file_stimuli(tmp_path)
    Image.new("RGB", (51, 20)).save(tmp_path / "photos" / NAMES[1])
    with pytest.raises(DataError, match=r"two\.png: is 51x20, but stimuli\.hdf5 says 50x20$"):
        read_stimuli(path)


def test_an_image_that_its_exif_data_turn_is_refused(tmp_path):
    path = write_file_stimuli(tmp_path)
    turned = Image.new("RGB", (50, 20))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "photos" / NAMES[1], exif=exif)
    with pytest.raises(DataError, match=r"two\.png: is 20x50 \(turned upright .*\), but .* 50x20$"):
        read_stimuli(path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"type": "Fixations"}, r"expected one of FileStimuli \(1.0, 2.0, 2.1\), Stimuli \(1.0, 1"),
        ({"version": "3.0"}, "holds FileStimuli of version 3.0, known are 1.0, 2.0, 2.1"),
        ({"size": 3}, r"different numbers of stimuli \(filenames: 2, shapes: 2, size: 3\)"),
        ({"filenames": [b"a"]}, r"different numbers of stimuli \(filenames: 1"),
        ({"__attributes__": ["category"]}, "holds no dataset 'category'"),
        (
            {"__attributes__": ["category"], "category": [1]},
            r"'category' has shape \(1,\), there are 2 stimuli",
        ),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, changed, message):
    with pytest.raises(DataError, match=message):
        read_stimuli(write_file_stimuli(tmp_path, **changed))


@pytest.mark.parametrize(
    ("attributes", "datasets", "message"),
    [
        ({}, {}, "has no attribute 'size'"),
        ({"size": 0}, {}, "holds no stimuli"),
        ({"size": 2}, {"0": np.zeros((2, 2))}, "holds no dataset '1'"),
        ({"size": 1}, {"0": np.zeros(2)}, r"a stimulus has shape \(2,\)"),
        (
            {"size": 1, "__attributes__": ["filenames"]},
            {"0": np.zeros((2, 2)), "filenames": [b"a", b"b"]},
            "'filenames' are not one name for each of 1 stimuli",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, attributes, datasets, message):
    attributes = {"type": "Stimuli", "version": "1.1", **attributes}
    with pytest.raises(DataError, match=message):
        read_stimuli(write_hdf5(tmp_path / "s.hdf5", attributes, **datasets))


def test_a_file_without_shapes_is_refused(tmp_path):
    path = write_file_stimuli(tmp_path)
    with h5py.File(path, "a") as file:
        del file["shapes"]
    with pytest.raises(DataError, match="holds no dataset 'shapes'; it holds filenames"):
        read_stimuli(path)


def test_arrays_that_are_no_images_are_refused_when_they_are_read(tmp_path):
    attributes = {"type": "Stimuli", "version": "1.1", "size": 1, "__attributes__": []}
    path = write_hdf5(tmp_path / "s.hdf5", attributes, **{"0": np.zeros((2, 2))})
    stimuli, _ = read_stimuli(path)
    with pytest.raises(ImageError, match="float64"):
        stimuli[0]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a.png",), ("a.png",)),
        (("in/a.png",), ("a.png",)),
        (("a.png", "in/a.png"), ("a.png", "in/a.png")),
        (("in/a.png", "in/b.png"), ("a.png", "b.png")),
        (("in/x/a.png", "in/y/x/a.png"), ("x/a.png", "y/x/a.png")),
        (("in/x/a.png", "in/x/y/b.png"), ("a.png", "y/b.png")),
    ],
)
def test_shared_folders_are_left_out_of_names(names, expected):
    assert shared_names(names) == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_files_are_named_as_pysaliency_names_them(tmp_path, version):
    golden = GOLDEN / version / "stimuli.hdf5"
    stimuli, _ = read_stimuli(golden, GOLDEN / version / "stimuli")
    assert stimuli.names == ("sub/im0.png", "sub/im1.png", "sub/im2.png")
    write_stimuli(of_stimuli(stimuli), tmp_path / "stimuli.hdf5")
    assert structure(tmp_path / "stimuli.hdf5") == structure(golden)
    with h5py.File(tmp_path / "stimuli.hdf5") as ours, h5py.File(golden) as theirs:
        assert ours["filenames"][()].tolist() == theirs["filenames"][()].tolist()
        assert [s.tolist() for s in ours["shapes"]] == [s.tolist() for s in theirs["shapes"]]
    for name, path in zip(stimuli.names, stimuli.paths, strict=True):
        assert (tmp_path / "stimuli" / name).read_bytes() == path.read_bytes()


def test_arrays_are_stored_as_pysaliency_stores_them(tmp_path):
    stimuli, categories = read_stimuli(ARRAYS)
    write_stimuli(of_stimuli(stimuli, categories), tmp_path / "stimuli.hdf5")
    assert structure(tmp_path / "stimuli.hdf5") == structure(ARRAYS)
    with h5py.File(tmp_path / "stimuli.hdf5") as written, h5py.File(ARRAYS) as golden:
        for name in "01":
            np.testing.assert_array_equal(written[name][()], golden[name][()])
        assert written["category"][()].tolist() == golden["category"][()].tolist()
        assert written["filenames"][()].tolist() == [b"x/1.png", b"2.png"]


def test_gray_files_have_two_sides(tmp_path):
    Image.new("L", (8, 5)).save(tmp_path / "gray.png")
    stimuli = Stimuli((tmp_path / "gray.png",), ((5, 8),), read_image)
    (tmp_path / "out").mkdir()
    write_stimuli(of_stimuli(stimuli), tmp_path / "out" / "stimuli.hdf5")
    with h5py.File(tmp_path / "out" / "stimuli.hdf5") as file:
        assert file["shapes"][0].tolist() == [5, 8]


@pytest.mark.parametrize("orientation", [3, 6])
def test_an_image_that_pysaliency_would_see_turned_is_not_written(tmp_path, orientation):
    image = Image.new("RGB", (8, 5))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif)
    size = (8, 5) if orientation == 6 else (5, 8)
    stimuli = Stimuli((tmp_path / "a.jpg",), (size,), read_image)
    with pytest.raises(DataError, match=r"a\.jpg: is stored as 8x5 and turned"):
        write_stimuli(of_stimuli(stimuli), tmp_path / "stimuli.hdf5")


def test_two_images_of_one_name_are_not_written(tmp_path):
    paths = tuple(tmp_path / folder / "a.png" for folder in "xy")
    stimuli = Stimuli(paths, ((5, 8),) * 2, read_image)
    with pytest.raises(DataError, match=r"toy: two stimuli are called a\.png"):
        write_stimuli(of_stimuli(stimuli), tmp_path / "stimuli.hdf5")
