from pathlib import Path

import numpy as np
import pytest

from foregaze.cli.centerbias import centerbias_file, read_centerbias
from foregaze.data import load_dataset
from foregaze.data.centerbias import CenterBias
from foregaze.errors import DataError, UnknownNameError

SIZE = (30, 40)


@pytest.mark.parametrize("given", [None, "uniform", "mit1003"])
def test_names_are_left_to_the_model(given):
    assert read_centerbias(given)(Path("a.png")) == given
    assert centerbias_file(given) is None


def test_a_file_holds_the_same_for_all_images(tmp_path):
    np.save(tmp_path / "prior.npy", np.zeros(SIZE))
    on = read_centerbias(str(tmp_path / "prior.npy"))
    np.testing.assert_array_equal(on(Path("a.png")), np.zeros(SIZE))
    assert centerbias_file("prior.npy") == Path("prior.npy")


def test_a_file_may_have_an_equals_sign_in_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a=b.npy", np.zeros(SIZE))
    np.testing.assert_array_equal(read_centerbias("a=b.npy")(Path("a.png")), np.zeros(SIZE))


def test_that_of_a_data_set_comes_from_other_images_than_the_one_it_is_used_on(osie_root):
    expected = CenterBias(load_dataset("osie", osie_root))
    on = read_centerbias(f"osie={osie_root}")
    all_images = on(Path("elsewhere.png")).log_density(SIZE)
    np.testing.assert_array_equal(all_images, expected.log_density(SIZE))
    others = on(osie_root / "stimuli" / "1002.jpg").log_density(SIZE)
    np.testing.assert_array_equal(others, expected.log_density(SIZE, exclude=1))
    assert np.abs(others - all_images).max() > 0.01


def test_an_unknown_data_set_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="unknown data set 'osy'; known: cat2000"):
        read_centerbias("osy=/data")


def test_a_missing_file_says_what_else_there_is():
    with pytest.raises(
        DataError,
        match=r"^--centerbias unifrom: cannot be read \(No such file or directory\); expected "
        r"FILE\.npy, uniform, mit1003 or NAME=DIR$",
    ):
        read_centerbias("unifrom")
