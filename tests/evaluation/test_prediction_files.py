from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.special import log_softmax

from foregaze.errors import DataError, OutputError, ShapeError
from foregaze.evaluation.maps import PredictedMaps
from foregaze.evaluation.prediction_files import read_predictions, save_predictions
from foregaze.types import EyeTrackingDataset, Fixations, Stimuli

GOLDEN = Path(__file__).parents[1] / "golden" / "pysaliency_hdf5"
SIZES = ((6, 9), (5, 7))
NAMES = ("in/one.png", "two.jpg")


def dataset_of(folder: str = "/data/images", names: tuple[str, ...] = NAMES) -> EyeTrackingDataset:
    one, nothing = np.array([1.0]), np.array([0])
    paths = tuple(Path(folder, name) for name in names)
    sizes = tuple(SIZES[i % 2] for i in range(len(names)))
    return EyeTrackingDataset(
        name="toy",
        stimuli=Stimuli(paths, sizes, lambda path: np.zeros((6, 9, 3), np.uint8), Path(folder)),
        fixations=Fixations(nothing, nothing, nothing, one, one, one),
        starts_at_center=False,
        px_per_dva=None,
    )


def saliency_maps() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.random(size) for size in SIZES]


def log_densities() -> list[np.ndarray]:
    return [log_softmax(3 * values) for values in saliency_maps()]


def write_npy(folder: Path, arrays: list[np.ndarray]) -> Path:
    (folder / "in").mkdir(parents=True)
    np.save(folder / "in" / "one.npy", arrays[0])
    np.save(folder / "two.npy", arrays[1])
    return folder


def write_hdf5(path: Path, arrays: list[np.ndarray], names: tuple[str, ...] = NAMES) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in zip(names, arrays, strict=True):
            file.create_dataset(name, data=values, compression=9)
    return path


def write(kind: str, place: Path, arrays: list[np.ndarray]) -> Path:
    if kind == "npy":
        return write_npy(place / "maps", arrays)
    return write_hdf5(place / "maps.hdf5", arrays)


@pytest.mark.parametrize("kind", ["npy", "hdf5"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_log_densities_are_read_as_such(tmp_path, kind, dtype):
    arrays = [values.astype(dtype) for values in log_densities()]
    predictions = read_predictions(write(kind, tmp_path, arrays), dataset_of())
    assert predictions.are_densities
    for image, expected in enumerate(arrays):
        maps = predictions.maps(image)
        assert maps.saliency_map is None
        assert maps.log_density is not None
        assert maps.log_density.dtype == dtype
        np.testing.assert_allclose(maps.log_density, expected, atol=1e-6)
        maps.check(SIZES[image], "here")


@pytest.mark.parametrize("kind", ["npy", "hdf5"])
def test_half_precision_log_densities_are_normalized_again(tmp_path, kind):
    arrays = [values.astype(np.float16) for values in log_densities()]
    predictions = read_predictions(write(kind, tmp_path, arrays), dataset_of())
    assert predictions.are_densities
    log_density = predictions.maps(1).log_density
    assert log_density is not None
    assert log_density.dtype == np.float32
    assert np.exp(log_density.astype(np.float64)).sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(log_density, log_densities()[1], atol=4e-3)  # 2^-9 of 4 nats


@pytest.mark.parametrize("kind", ["npy", "hdf5"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.uint8, np.int64, bool])
def test_other_arrays_are_saliency_maps_and_stay_as_they_are(tmp_path, kind, dtype):
    arrays = [(250 * values).astype(dtype) for values in saliency_maps()]
    predictions = read_predictions(write(kind, tmp_path, arrays), dataset_of())
    assert not predictions.are_densities
    for image, expected in enumerate(arrays):
        maps = predictions.maps(image)
        assert maps.log_density is None
        np.testing.assert_array_equal(maps.saliency_map, expected.astype(np.float64))


def test_a_density_that_is_no_logarithm_is_a_saliency_map(tmp_path):
    arrays = [np.exp(values) for values in log_densities()]
    assert not read_predictions(write_npy(tmp_path / "maps", arrays), dataset_of()).are_densities


def test_maps_with_values_that_are_not_finite_are_no_densities(tmp_path):
    for value in (np.inf, np.nan):
        arrays = log_densities()
        arrays[0][0, 0] = value
        path = write_npy(tmp_path / str(value), arrays)
        predictions = read_predictions(path, dataset_of())
        assert not predictions.are_densities
        with pytest.raises(ShapeError, match="1 of 54 values of the saliency map are infinite"):
            predictions.maps(0).check(SIZES[0], "here")


@pytest.mark.parametrize(("levels", "dtype"), [(255, np.uint8), (65535, np.uint16)])
def test_png_files_are_saliency_maps(tmp_path, levels, dtype):
    arrays = [(levels * values).astype(dtype) for values in saliency_maps()]
    (tmp_path / "in").mkdir()
    Image.fromarray(arrays[0]).save(tmp_path / "in" / "one.png")
    Image.fromarray(arrays[1]).save(tmp_path / "two.png")
    predictions = read_predictions(tmp_path, dataset_of())
    assert not predictions.are_densities
    for image, expected in enumerate(arrays):
        np.testing.assert_array_equal(predictions.maps(image).saliency_map, expected)


def test_colored_png_files_become_gray(tmp_path):
    Image.new("RGB", (9, 6), (9, 9, 9)).save(tmp_path / "one.png")
    predictions = read_predictions(tmp_path, dataset_of(names=("one.png",)))
    np.testing.assert_array_equal(predictions.maps(0).saliency_map, np.full((6, 9), 9.0))


def test_npy_goes_before_png(tmp_path):
    folder = write_npy(tmp_path / "maps", log_densities())
    Image.new("L", (7, 5)).save(folder / "two.png")
    assert read_predictions(folder, dataset_of()).maps(1).log_density is not None


def test_places_of_another_kind_are_refused(tmp_path):
    (tmp_path / "maps.mat").write_bytes(b"")
    kinds = r"predictions come as a folder of \.npy or \.png files, or as one HDF5 file"
    with pytest.raises(DataError, match=rf"maps\.mat: {kinds} \(\.hdf5 or \.h5\)$"):
        read_predictions(tmp_path / "maps.mat", dataset_of())
    with pytest.raises(DataError, match=rf"none: {kinds} .*; there is no such file$"):
        read_predictions(tmp_path / "none", dataset_of())
    with pytest.raises(DataError, match=r"none\.h5: no such file"):
        read_predictions(tmp_path / "none.h5", dataset_of())


def test_missing_files_are_named(tmp_path):
    folder = write_npy(tmp_path / "maps", saliency_maps())
    (folder / "two.npy").unlink()
    predictions = read_predictions(folder, dataset_of())
    with pytest.raises(DataError, match=r"maps: holds no two\.npy or two\.png for image two\.jpg$"):
        predictions.maps(1)
    (folder / "in" / "one.npy").unlink()
    with pytest.raises(DataError, match=r"holds no one\.npy or one\.png for image in/one\.png"):
        read_predictions(folder, dataset_of())


def test_missing_datasets_are_named_with_those_that_are_there(tmp_path):
    path = write_hdf5(tmp_path / "maps.hdf5", saliency_maps()[:1], NAMES[:1])
    predictions = read_predictions(path, dataset_of())
    message = r"maps\.hdf5: holds no dataset for image two\.jpg; it begins with in$"
    with pytest.raises(DataError, match=message):
        predictions.maps(1)
    path = write_hdf5(tmp_path / "other.hdf5", saliency_maps(), ("a", "b"))
    with pytest.raises(DataError, match=r"for image in/one\.png; it begins with a, b$"):
        read_predictions(path, dataset_of())


@pytest.mark.parametrize("content", [b"", b"no array", np.random.default_rng(0).bytes(500)])
def test_damaged_files_are_named(tmp_path, content):
    folder = write_npy(tmp_path / "maps", saliency_maps())
    (folder / "two.npy").write_bytes(content)
    predictions = read_predictions(folder, dataset_of())
    with pytest.raises(DataError, match=r"two\.npy: is no readable \.npy file \("):
        predictions.maps(1)
    (folder / "two.npy").rename(folder / "two.png")
    with pytest.raises(DataError, match=r"two\.png: is no readable image \("):
        predictions.maps(1)
    (tmp_path / "maps.h5").write_bytes(content)
    with pytest.raises(DataError, match=r"maps\.h5: is no readable HDF5 file \("):
        read_predictions(tmp_path / "maps.h5", dataset_of())


def test_npy_files_cut_short_are_named(tmp_path):
    folder = write_npy(tmp_path / "maps", saliency_maps())
    content = (folder / "two.npy").read_bytes()
    (folder / "two.npy").write_bytes(content[:-8])
    with pytest.raises(DataError, match=r"two\.npy: is no readable \.npy file"):
        read_predictions(folder, dataset_of()).maps(1)


def test_damaged_datasets_are_named(tmp_path):
    path = write_hdf5(tmp_path / "maps.hdf5", saliency_maps())
    with h5py.File(path) as file:
        start = file["two.jpg"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[start : start + 20] = bytes(20)
    path.write_bytes(content)
    predictions = read_predictions(path, dataset_of())
    with pytest.raises(DataError, match=r"maps\.hdf5: two\.jpg is damaged \("):
        predictions.maps(1)


@pytest.mark.parametrize("kind", ["npy", "hdf5"])
@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((6, 9, 3)), r"float64 values of shape \(6, 9, 3\)"),
        (np.zeros(54), r"float64 values of shape \(54,\)"),
        (np.zeros((6, 9), dtype=complex), r"complex128 values of shape \(6, 9\)"),
        (np.full((6, 9), b"a"), r"S1 values of shape \(6, 9\)"),
    ],
)
def test_arrays_that_are_no_maps_are_refused(tmp_path, kind, values, said):
    path = write(kind, tmp_path, [values, values])
    with pytest.raises(DataError, match=rf"holds \|?{said}, expected numbers \(H, W\)"):
        read_predictions(path, dataset_of())


def test_maps_of_another_size_do_not_pass_the_check(tmp_path):
    predictions = read_predictions(write("hdf5", tmp_path, saliency_maps()[::-1]), dataset_of())
    with pytest.raises(ShapeError, match=r"here: saliency map has shape \(5, 7\), the image has"):
        predictions.maps(0).check(SIZES[0], "here")


def test_a_map_among_log_densities_is_refused(tmp_path):
    arrays = [log_densities()[0], np.zeros(SIZES[1])]
    predictions = read_predictions(write("npy", tmp_path, arrays), dataset_of())
    message = r"two\.jpg: exp of it sums to 35, but the first image's file holds a log density"
    with pytest.raises(DataError, match=message):
        predictions.maps(1)


@pytest.mark.parametrize("version", ["v0.2.22", "v0.3dev"])
def test_files_that_pysaliency_exports_are_read(version):
    root = GOLDEN / version
    names = tuple(f"sub/im{number}.png" for number in range(3))
    dataset = dataset_of(str(root / "stimuli"), names)  # the file has im0.png, im1.png, ...
    predictions = read_predictions(root / "model.hdf5", dataset)
    assert predictions.are_densities
    for image in range(3):
        log_density = predictions.maps(image).log_density
        np.testing.assert_allclose(log_density, np.full((60, 80), -np.log(4800)), rtol=1e-12)


@pytest.mark.parametrize("keys", [("one.png", "b/two.png"), ("a/one.png", "a/b/two.png")])
def test_leading_folders_of_names_may_differ(tmp_path, keys):
    path = write_hdf5(tmp_path / "maps.hdf5", saliency_maps(), keys)
    dataset = dataset_of("/data", ("a/one.png", "a/b/two.png"))
    for subset in (dataset, dataset.subset([1])):
        predictions = read_predictions(path, subset)
        expected = saliency_maps()[-len(subset) :]
        for image in range(len(subset)):
            np.testing.assert_array_equal(predictions.maps(image).saliency_map, expected[image])


@pytest.mark.parametrize("arrays", [saliency_maps(), log_densities()], ids=["maps", "densities"])
def test_saved_predictions_come_back_exactly(tmp_path, arrays):
    path = tmp_path / "made" / "model.hdf5"
    save_predictions(lambda image: arrays[image], dataset_of(), path)
    predictions = read_predictions(path, dataset_of())
    for image, expected in enumerate(arrays):
        maps = predictions.maps(image)
        values = maps.saliency_map if maps.log_density is None else maps.log_density
        np.testing.assert_allclose(values, expected, rtol=1e-14)
    assert [p.name for p in path.parent.iterdir()] == ["model.hdf5"]


def test_saved_predictions_are_as_pysaliency_exports_them(tmp_path):
    save_predictions(lambda image: log_densities()[image], dataset_of(), tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as ours, h5py.File(GOLDEN / "v0.2.22/model.hdf5") as theirs:
        for name, values in zip(NAMES, log_densities(), strict=True):
            np.testing.assert_array_equal(ours[name][()], values)
            for property in ("dtype", "compression", "compression_opts", "shuffle"):
                assert getattr(ours[name], property) == getattr(theirs["im0.png"], property)
        assert dict(ours.attrs) == dict(theirs.attrs) == {}


def test_of_several_maps_the_log_density_is_saved(tmp_path):
    both = [
        PredictedMaps(log_densities()[0], saliency_maps()[0]),
        PredictedMaps(None, np.eye(5, 7)),
    ]
    save_predictions(lambda image: both[image], dataset_of(), tmp_path / "m.hdf5")
    with h5py.File(tmp_path / "m.hdf5") as file:
        np.testing.assert_array_equal(file[NAMES[0]][()], log_densities()[0])
        np.testing.assert_array_equal(file[NAMES[1]][()], np.eye(5, 7))


def test_saving_overwrites_nothing_and_leaves_nothing_after_an_error(tmp_path):
    def failing(image: int) -> np.ndarray:
        return saliency_maps()[0] if image == 0 else np.full(SIZES[1], np.nan)

    with pytest.raises(ShapeError, match=r"two\.jpg: prediction holds NaN"):
        save_predictions(failing, dataset_of(), tmp_path / "m.hdf5")
    with pytest.raises(ShapeError, match=r"one\.png: prediction has shape \(5, 7\), the image has"):
        save_predictions(lambda _: saliency_maps()[1], dataset_of(), tmp_path / "m.hdf5")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "m.hdf5").write_text("mine")
    with pytest.raises(OutputError, match=r"m\.hdf5: is already there"):
        save_predictions(lambda image: saliency_maps()[image], dataset_of(), tmp_path / "m.hdf5")
    assert (tmp_path / "m.hdf5").read_text() == "mine"


def test_places_that_cannot_be_saved_to_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/m\.hdf5: cannot be written"):
        save_predictions(lambda i: saliency_maps()[i], dataset_of(), tmp_path / "file" / "m.hdf5")
    with pytest.raises(OutputError, match=r"m\.npz: expected a name that ends in \.hdf5 or \.h5"):
        save_predictions(lambda i: saliency_maps()[i], dataset_of(), tmp_path / "m.npz")
    twice = dataset_of(names=("a.png", "a.png"))
    with pytest.raises(DataError, match=r"toy: two stimuli are called a\.png"):
        save_predictions(lambda i: saliency_maps()[i], twice, tmp_path / "m.hdf5")
