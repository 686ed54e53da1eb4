import io
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from foregaze.backbones.downloads import cached_download
from foregaze.data.centerbias import CenterBias
from foregaze.errors import DataError, ShapeError, WeightsError
from foregaze.inference.centerbias import (
    KeptCenterBias,
    centerbias_on,
    checked_centerbias,
    mit1003_file,
    read_log_density,
    read_mit1003,
    stretched,
)
from foregaze.inference.prediction import Prediction
from foregaze.models.deepgaze_release import CENTERBIAS
from tests.evaluation.conftest import make_dataset
from tests.inference.toy_deepgaze import density_of

SIZE = (6, 8)
SQUARE = np.log(np.arange(1.0, 17).reshape(4, 4) / 136)


def none(size: tuple[int, int]) -> np.ndarray:
    raise AssertionError("this one was not asked for")


def on(given, size=SIZE, own=none, checkpoint=None):
    """Where MIT1003's lies beside a checkpoint or in the cache."""
    return centerbias_on(given, size, own, mit1003(checkpoint))


def mit1003(checkpoint=None):
    return KeptCenterBias(partial(read_mit1003, checkpoint), stretched)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache for every test."""
    monkeypatch.setenv("FOREGAZE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def save_in_cache() -> None:
    path = cached_download(CENTERBIAS.source)
    path.parent.mkdir(parents=True)
    np.save(path, SQUARE)


def test_nothing_given_is_the_models_own():
    own = density_of(*SIZE)
    assert on(None, own=lambda size: own) is own


def test_a_uniform_one_is_one_over_the_number_of_pixels():
    np.testing.assert_array_equal(on("uniform"), np.full(SIZE, -np.log(48)))


def test_an_array_is_taken_as_it_is():
    given = density_of(*SIZE)
    np.testing.assert_array_equal(on(given), given)
    assert on(given.astype(np.float32)).dtype == np.float64


def test_a_tensor_is_as_good_as_an_array():
    given = density_of(*SIZE)
    np.testing.assert_array_equal(on(torch.from_numpy(given)), on(given))


def test_that_of_a_data_set_is_made_for_the_images_size():
    of_dataset = CenterBias(make_dataset())
    found = on(of_dataset, (20, 30))
    np.testing.assert_array_equal(found, of_dataset.log_density((20, 30)))


def test_an_unknown_name_lists_what_is_expected():
    message = (
        r"^centerbias is 'center', expected a log density \(H, W\), 'uniform', 'mit1003' or the "
        "center bias of a data set$"
    )
    with pytest.raises(ShapeError, match=message):
        on("center")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (Prediction(density_of(*SIZE).astype(np.float32)), "Prediction, .*; give its log_density$"),
        (SimpleNamespace(log_density=0.5), "SimpleNamespace, .*center bias of a data set$"),
    ],
)
def test_what_is_no_center_bias_is_an_error(given, what):
    with pytest.raises(ShapeError, match=rf"^centerbias is a {what}"):
        on(given)


def test_the_file_is_read_once_and_the_last_sizes_are_kept(tmp_path):
    read, resized = [], []

    def count_read():
        read.append(1)
        return SQUARE

    def count_resized(log_density, size):
        resized.append(size)
        return stretched(log_density, size)

    at = KeptCenterBias(count_read, count_resized)
    sizes = [(4, 4), (8, 8), (5, 6), (6, 5)]
    for size in [*sizes, *sizes, (9, 9), *sizes[1:], (9, 9), (4, 4), (3000, 2000), (3000, 2000)]:
        np.testing.assert_array_equal(at(size), stretched(SQUARE, size))
    assert len(read) == 1
    assert resized == [*sizes, (9, 9), (4, 4), (3000, 2000), (3000, 2000)]


def test_a_file_that_comes_later_is_found(tmp_path):
    at = mit1003(tmp_path / "deepgaze3.pth")
    with pytest.raises(WeightsError, match="is not here"):
        at((4, 4))
    np.save(tmp_path / "centerbias_mit1003.npy", SQUARE)
    np.testing.assert_allclose(at((4, 4)), SQUARE, atol=1e-12)


def test_a_wrong_size_names_both():
    with pytest.raises(ShapeError, match=r"shape \(8, 6\), expected \(6, 8\): one value per pixel"):
        checked_centerbias(density_of(8, 6), SIZE)
    with pytest.raises(ShapeError, match=r"shape \(1, 6, 8\), expected \(6, 8\)"):
        checked_centerbias(density_of(*SIZE)[None], SIZE)


@pytest.mark.parametrize(
    ("change", "mass"),
    [(lambda x: x + np.log(2), "2"), (np.exp, "49"), (lambda x: x * np.nan, "nan")],
)
def test_a_sum_other_than_one_is_an_error(change, mass):
    with pytest.raises(ShapeError, match=f"sums to {mass}.* after exp, expected 1: subtract"):
        checked_centerbias(change(density_of(*SIZE)), SIZE)


def test_mit1003_is_nearest_neighbors_of_the_square_and_sums_to_one(tmp_path):
    np.save(tmp_path / "centerbias_mit1003.npy", SQUARE)
    at = mit1003(tmp_path / "deepgaze3.pth")
    found = at((8, 4))
    repeated = SQUARE.repeat(2, axis=0)
    np.testing.assert_allclose(found, repeated - logsumexp(repeated), atol=1e-12)
    assert logsumexp(at((7, 9))) == pytest.approx(0)


def test_mit1003_lies_in_the_cache():
    save_in_cache()
    np.testing.assert_allclose(on("mit1003", (4, 4)), SQUARE, atol=1e-12)


def test_mit1003_beside_the_checkpoint_comes_first(tmp_path):
    save_in_cache()
    np.save(tmp_path / "centerbias_mit1003.npy", SQUARE[::-1])
    checkpoint = tmp_path / "deepgaze3.pth"
    assert mit1003_file(checkpoint) == tmp_path / "centerbias_mit1003.npy"
    assert mit1003_file() == cached_download(CENTERBIAS.source)
    found = on("mit1003", (4, 4), checkpoint=checkpoint)
    np.testing.assert_allclose(found, SQUARE[::-1], atol=1e-12)


def test_a_missing_mit1003_says_which_file_belongs_where(tmp_path, cache):
    with pytest.raises(WeightsError) as missing:
        on("mit1003", checkpoint=tmp_path / "deepgaze3.pth")
    address = "https://github.com/matthias-k/DeepGaze/releases/download/v1.0.0/"
    place = cached_download(CENTERBIAS.source)
    assert place.is_relative_to(cache)
    assert str(missing.value) == (
        f"the center bias of MIT1003 is not here: save {address}centerbias_mit1003.npy as {place}, "
        f"or as {tmp_path / 'centerbias_mit1003.npy'}; or give centerbias, such as 'uniform'"
    )
    assert not cache.exists()


def test_another_file_in_the_place_of_mit1003_is_an_error(tmp_path):
    path = tmp_path / "centerbias_mit1003.npy"
    path.write_text("<html>")
    with pytest.raises(
        WeightsError, match=r"mit1003\.npy: is no \.npy .*; it should be the center"
    ):
        read_mit1003(tmp_path / "deepgaze3.pth")


def header_of(shape: tuple[int, ...]) -> bytes:
    """The beginning of a .npy file of float64, without its numbers."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


def test_minus_infinity_is_a_log_density(tmp_path):
    given = np.array([[0.0, -np.inf]])
    np.save(tmp_path / "prior.npy", given)
    np.testing.assert_array_equal(read_log_density(tmp_path / "prior.npy"), given)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot be read \(No such file or directory\)"),
        (b"text", r"is no \.npy file of numbers"),
        (b"", r"is no \.npy file of numbers"),
        (np.zeros((2, 3, 4)), r"holds float64 of shape \(2, 3, 4\), expected floating point"),
        (np.zeros((6, 8), np.int64), r"holds int64 of shape \(6, 8\)"),
        (np.array([[{}]]), r"is no \.npy file of numbers \(Object arrays cannot be loaded"),
        (np.zeros((0, 8)), r"holds float64 of shape \(0, 8\), expected floating point"),
        (np.array([[0.0, np.nan]]), "holds NaN or plus infinity, expected a log density$"),
        (np.array([[0.0, np.inf]]), "holds NaN or plus infinity, expected a log density$"),
        (
            header_of((1 << 40, 1 << 40)),
            r"is no \.npy file of numbers \(float64 of shape \(1099511627776, 1099511627776\) are "
            r"[0-9,]{33} bytes, and there are 0\)$",
        ),
        (header_of((6, 8)) + bytes(100), r".* are 384 bytes, and there are 100\)$"),
        (b"\x93NUMPY\x01\x00\x04\x00('(\n", r"is no \.npy file of numbers"),
        (b"\x93NUMPY\x03\x00\x04\x00{}()", r".* \(version 3\.0 of the format\)$"),
    ],
)
def test_a_file_without_a_map_is_an_error(tmp_path, content, message):
    path = tmp_path / "prior.npy"
    if isinstance(content, np.ndarray):
        np.save(path, content, allow_pickle=True)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=rf"prior\.npy: {message}"):
        read_log_density(path)
