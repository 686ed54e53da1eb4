import pytest

from foregaze.data import load_dataset
from foregaze.errors import ConfigError, DataError
from foregaze.training.dataset import training_data
from foregaze.training.recipe import DataConfig


@pytest.fixture
def listed(tmp_path):
    def write(*names):
        path = tmp_path / "excluded.txt"
        path.write_text("".join(f"{name}\n" for name in names))
        return path

    return write


def test_listed_images_are_left_out_with_their_fixations(small_osie, listed):
    whole = load_dataset("osie", small_osie)
    names = whole.stimuli.names
    data = DataConfig(root=small_osie, exclude=listed(names[1], names[4]))
    for name in (None, "osie-mouse-lab"):
        left = training_data(data, name)
        assert left.stimuli.names == tuple(n for n in names if n not in (names[1], names[4]))
    rows = whole.fixations.where(whole.fixations.image == 5)
    assert training_data(data).on_image(3).x.tolist() == rows.x.tolist()


def test_copies_of_a_listed_image_are_left_out_too(osie_root, listed):
    names = training_data(DataConfig(root=osie_root, exclude=listed("1279.jpg"))).stimuli.names
    assert len(names) == 598
    assert not {"1279.jpg", "1374.jpg"} & set(names)


def test_without_a_list_nothing_is_left_out(small_osie):
    assert len(training_data(DataConfig(root=small_osie))) == 12


def test_a_name_that_is_not_there_is_an_error(small_osie, listed):
    with pytest.raises(ConfigError, match=r"lists '9999.jpg', which osie does not have"):
        training_data(DataConfig(root=small_osie, exclude=listed("9999.jpg")))


def test_a_list_that_is_not_there_is_an_error(small_osie, tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        training_data(DataConfig(root=small_osie, exclude=tmp_path / "none.txt"))


def test_a_list_of_all_images_is_an_error(small_osie, listed):
    names = load_dataset("osie", small_osie).stimuli.names
    with pytest.raises(DataError, match="all images are excluded"):
        training_data(DataConfig(root=small_osie, exclude=listed(*names)))
