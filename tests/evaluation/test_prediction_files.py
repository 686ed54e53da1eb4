from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from foregaze.errors import DataError, ShapeError
from foregaze.evaluation.prediction_files import read_predictions
from foregaze.types import EyeTrackingDataset
from tests.evaluation.prediction_copy import (
    GOLDEN,
    NAMES,
    SIZES,
    dataset_of,
    log_densities,
    saliency_maps,
    write,
    write_hdf5,
    write_npy,
)


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


def test_a_later_map_with_values_that_are_not_finite_stays_for_the_check_to_refuse(tmp_path):
    for value in (np.inf, np.nan):
        arrays = log_densities()
        arrays[1][0, 0] = value
        predictions = read_predictions(write_npy(tmp_path / str(value), arrays), dataset_of())
        with pytest.raises(ShapeError, match="1 of 35 log densities are infinite or no number"):
            predictions.maps(1).check(SIZES[1], "here")


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


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_alpha_of_png_files_is_left_out(tmp_path, mode):
    colors = np.zeros((6, 9, 4), np.uint8)
    colors[:, :, :3] = (np.arange(54).reshape(6, 9) % 2 * 200)[:, :, None]
    colors[:, :, 3] = np.arange(1, 7)[:, None] * 40
    image = Image.fromarray(colors)
    image = image.quantize() if mode == "P" else image.convert(mode)
    image.save(tmp_path / "one.png")
    saliency_map = read_predictions(tmp_path, dataset_of(names=("one.png",))).maps(0).saliency_map
    np.testing.assert_array_equal(saliency_map, colors[:, :, 0].astype(np.float64))


def test_a_color_heat_map_is_no_saliency_map(tmp_path):
    Image.new("RGB", (9, 6), (9, 80, 9)).save(tmp_path / "one.png")
    with pytest.raises(DataError, match=r"one\.png: is a color image, expected gray values"):
        read_predictions(tmp_path, dataset_of(names=("one.png",)))


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        (np.full((6, 9), 1 / 54), "if these are densities, give their natural logs"),
        (np.full((6, 9), -np.log2(54)), "a log density to base 2 that sums to 1:"),
        (np.full((6, 9), -np.log(50)), "a log density to base e that sums to 1.08:"),
        (np.arange(54.0).reshape(6, 9), ""),
    ],
)
def test_maps_that_look_like_densities_are_pointed_out(tmp_path, values, hint):
    np.save(tmp_path / "one.npy", values)
    predictions = read_predictions(tmp_path, dataset_of(names=("one.png",)))
    assert hint in predictions.hint
    assert bool(hint) == bool(predictions.hint)


def test_png_files_of_one_bit_are_0_and_255(tmp_path):
    Image.fromarray(np.eye(6, 9) > 0).save(tmp_path / "one.png")
    predictions = read_predictions(tmp_path, dataset_of(names=("one.png",)))
    np.testing.assert_array_equal(predictions.maps(0).saliency_map, 255 * np.eye(6, 9))


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


def without_fixations(dataset: EyeTrackingDataset, *images: int) -> EyeTrackingDataset:
    kept = dataset.fixations.where(~np.isin(dataset.fixations.image, images))
    return replace(dataset, fixations=kept)


def test_missing_files_are_named_and_counted_at_once(tmp_path):
    folder = write_npy(tmp_path / "maps", saliency_maps())
    (folder / "two.npy").unlink()
    message = (
        r"maps: holds no two\.npy or two\.png for image two\.jpg; 1 of 2 images with fixations "
        "have none$"
    )
    with pytest.raises(DataError, match=message):
        read_predictions(folder, dataset_of())
    (folder / "in" / "one.npy").unlink()
    message = r"holds no in/one\.npy or in/one\.png for image in/one\.png; 2 of 2 images"
    with pytest.raises(DataError, match=message):
        read_predictions(folder, dataset_of())


def test_missing_datasets_are_named_and_counted_at_once(tmp_path):
    path = write_hdf5(tmp_path / "maps.hdf5", saliency_maps()[:1], NAMES[:1])
    message = (
        r"maps\.hdf5: holds no dataset for image two\.jpg; it begins with in; 1 of 2 images with "
        "fixations have none$"
    )
    with pytest.raises(DataError, match=message):
        read_predictions(path, dataset_of())
    path = write_hdf5(tmp_path / "other.hdf5", saliency_maps(), ("a", "b"))
    with pytest.raises(DataError, match=r"for image in/one\.png; it begins with a, b; 2 of 2"):
        read_predictions(path, dataset_of())


@pytest.mark.parametrize("kind", ["npy", "hdf5"])
def test_images_without_fixations_need_no_prediction(tmp_path, kind):
    path = write(kind, tmp_path, log_densities())
    if kind == "npy":
        (path / "in" / "one.npy").unlink()
        message = r"maps: holds no in/one\.npy or in/one\.png for image in/one\.png$"
    else:
        with h5py.File(path, "a") as file:
            del file["in"]
        message = r"maps\.hdf5: holds no dataset 'in/one\.png'; it holds two\.jpg$"
    predictions = read_predictions(path, without_fixations(dataset_of(), 0))
    assert predictions.are_densities
    np.testing.assert_allclose(predictions.maps(1).log_density, log_densities()[1], atol=1e-12)
    with pytest.raises(DataError, match=message):
        predictions.maps(0)
    with pytest.raises(DataError, match="toy: no image has fixations to score predictions on"):
        read_predictions(path, without_fixations(dataset_of(), 0, 1))


@pytest.mark.parametrize("kind", ["npy", "hdf5"])
def test_the_first_image_with_evidence_says_what_all_are(tmp_path, kind):
    path = write(kind, tmp_path, [saliency_maps()[0], log_densities()[1]])
    dataset = dataset_of()
    later = replace(dataset.fixations, order=np.array([0, 1]))  # image 0: a forced one alone
    dataset = replace(dataset, fixations=later, starts_at_center=True)
    assert read_predictions(path, dataset).are_densities
    assert not read_predictions(path, dataset_of()).are_densities
    none = replace(dataset.fixations, order=np.zeros(2, np.int64))
    assert not read_predictions(path, replace(dataset, fixations=none)).are_densities


@pytest.mark.parametrize(
    ("names", "both"), [(("in/a.jpg", "in/a.png"), r"in/a"), (("1.5", "1.7"), "1")]
)
def test_two_images_of_one_file_are_refused(tmp_path, names, both):
    message = rf"{both}\.npy would belong to two images, /data/images/{names[0]} and .*; give their"
    with pytest.raises(DataError, match=message):
        read_predictions(tmp_path, dataset_of(names=names))
    path = write_hdf5(tmp_path / "maps.hdf5", saliency_maps(), names)
    predictions = read_predictions(path, dataset_of(names=names))
    np.testing.assert_array_equal(predictions.maps(1).saliency_map, saliency_maps()[1])


def test_two_images_of_one_name_are_refused(tmp_path):
    dataset = dataset_of(names=("in/a.jpg", "b/a.jpg"))
    dataset = replace(dataset, stimuli=replace(dataset.stimuli, folder=None))
    with pytest.raises(
        DataError, match=r"a\.npy would belong to two images, /data/images/in/a\.jp"
    ):
        read_predictions(tmp_path, dataset)
    path = write_hdf5(tmp_path / "maps.hdf5", saliency_maps()[:1], ("c.jpg",))
    with pytest.raises(DataError, match=r"maps\.hdf5: a\.jpg would belong to two images, /data"):
        read_predictions(path, dataset)


@pytest.mark.parametrize("kind", ["missing", "damaged", "whole"])
def test_no_file_stays_open(tmp_path, kind):
    path = write_hdf5(tmp_path / "maps.hdf5", saliency_maps())
    if kind == "damaged":
        damage(path)
    if kind == "missing":
        with pytest.raises(DataError, match="holds no dataset"):
            read_predictions(path, dataset_of(names=("other.png",)))
    else:
        predictions = read_predictions(path, dataset_of())
        with pytest.raises(DataError) if kind == "damaged" else nullcontext():
            predictions.maps(1)
    open_files = h5py.h5f.get_obj_ids(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE)
    assert str(path).encode() not in map(h5py.h5f.get_name, open_files)


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


def damage(path: Path) -> None:
    with h5py.File(path) as file:
        start = file["two.jpg"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[start : start + 20] = bytes(20)
    path.write_bytes(content)


def test_damaged_datasets_are_named(tmp_path):
    path = write_hdf5(tmp_path / "maps.hdf5", saliency_maps())
    damage(path)
    predictions = read_predictions(path, dataset_of())
    with pytest.raises(DataError, match=r"maps\.hdf5: 'two\.jpg' is damaged \("):
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


@pytest.mark.parametrize(("kind", "place"), [("npy", "maps/"), ("hdf5", r"maps\.hdf5: ")])
def test_a_map_among_log_densities_is_refused(tmp_path, kind, place):
    arrays = [log_densities()[0], np.zeros(SIZES[1])]
    predictions = read_predictions(write(kind, tmp_path, arrays), dataset_of())
    message = (
        rf"{place}two\.\w+: exp of it sums to 35, but .*{place}in/one\.\w+ holds a log density"
    )
    with pytest.raises(DataError, match=message):
        predictions.maps(1)


@pytest.mark.parametrize(("kind", "place"), [("npy", "maps/"), ("hdf5", r"maps\.hdf5: ")])
def test_a_log_density_among_maps_is_refused(tmp_path, kind, place):
    arrays = [saliency_maps()[0], log_densities()[1]]
    predictions = read_predictions(write(kind, tmp_path, arrays), dataset_of())
    message = (
        rf"{place}two\.\w+: exp of it sums to 1, but .*{place}in/one\.\w+ holds a saliency map"
    )
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
