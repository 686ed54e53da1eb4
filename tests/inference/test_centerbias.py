import numpy as np
import pytest
from scipy.special import logsumexp

from foregaze.backbones.downloads import cached_download
from foregaze.data.centerbias import CenterBias
from foregaze.errors import DataError, ShapeError, WeightsError
from foregaze.inference.centerbias import (
    centerbias_on,
    checked_centerbias,
    mit1003_centerbias,
    mit1003_file,
    read_log_density,
)
from foregaze.models.deepgaze_release import CENTERBIAS
from tests.evaluation.conftest import make_dataset
from tests.inference.toy_deepgaze import density_of

SIZE = (6, 8)
SQUARE = np.log(np.arange(1.0, 17).reshape(4, 4) / 136)


def none() -> np.ndarray:
    raise AssertionError("the model's own was not asked for")


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
    assert centerbias_on(None, SIZE, lambda: own) is own


def test_a_uniform_one_is_one_over_the_number_of_pixels():
    np.testing.assert_array_equal(centerbias_on("uniform", SIZE, none), np.full(SIZE, -np.log(48)))


def test_an_array_is_taken_as_it_is():
    given = density_of(*SIZE)
    np.testing.assert_array_equal(centerbias_on(given, SIZE, none), given)
    assert centerbias_on(given.astype(np.float32), SIZE, none).dtype == np.float64


def test_that_of_a_data_set_is_made_for_the_images_size():
    of_dataset = CenterBias(make_dataset())
    found = centerbias_on(of_dataset, (20, 30), none)
    np.testing.assert_array_equal(found, of_dataset.log_density((20, 30)))


def test_an_unknown_name_lists_what_is_expected():
    message = (
        r"^centerbias is 'center', expected a log density \(H, W\), 'uniform', 'mit1003' or the "
        "center bias of a data set$"
    )
    with pytest.raises(ShapeError, match=message):
        centerbias_on("center", SIZE, none)


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
    np.save(tmp_path / "square.npy", SQUARE)
    found = mit1003_centerbias((8, 4), tmp_path / "square.npy")
    repeated = SQUARE.repeat(2, axis=0)
    np.testing.assert_allclose(found, repeated - logsumexp(repeated), atol=1e-12)
    assert logsumexp(mit1003_centerbias((7, 9), tmp_path / "square.npy")) == pytest.approx(0)


def test_mit1003_lies_in_the_cache():
    save_in_cache()
    np.testing.assert_allclose(centerbias_on("mit1003", (4, 4), none), SQUARE, atol=1e-12)


def test_mit1003_beside_the_checkpoint_comes_first(tmp_path):
    save_in_cache()
    np.save(tmp_path / "centerbias_mit1003.npy", SQUARE[::-1])
    checkpoint = tmp_path / "deepgaze3.pth"
    assert mit1003_file(checkpoint) == tmp_path / "centerbias_mit1003.npy"
    assert mit1003_file() == cached_download(CENTERBIAS.source)
    found = centerbias_on("mit1003", (4, 4), none, checkpoint)
    np.testing.assert_allclose(found, SQUARE[::-1], atol=1e-12)


def test_a_missing_mit1003_says_which_file_belongs_where(tmp_path, cache):
    with pytest.raises(WeightsError) as missing:
        centerbias_on("mit1003", SIZE, none, tmp_path / "deepgaze3.pth")
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
        mit1003_centerbias(SIZE, path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot be read \(No such file or directory\)"),
        (b"text", r"is no \.npy file of numbers"),
        (b"", r"is no \.npy file of numbers"),
        (np.zeros((2, 3, 4)), r"holds float64 of shape \(2, 3, 4\), expected floating point"),
        (np.zeros((6, 8), np.int64), r"holds int64 of shape \(6, 8\)"),
        (np.array([[{}]]), r"is no \.npy file of numbers \(Object arrays cannot be loaded"),
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
