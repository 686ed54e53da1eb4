import shutil

import numpy as np
import pytest

from foregaze.cli.recorded import Observers
from foregaze.data import load_dataset
from foregaze.errors import DataError, UnknownNameError


@pytest.fixture
def observers(osie_root):
    return Observers("osie", str(osie_root))


def test_scanpaths_are_found_by_the_name_of_the_image(observers, osie_root, tmp_path):
    copy = shutil.copy(osie_root / "stimuli" / "1002.jpg", tmp_path / "1002.jpg")
    found = observers.on(copy)
    assert len(found) == 15
    expected = load_dataset("osie", osie_root).on_image(1)
    np.testing.assert_array_equal(found[2].x, expected.x[expected.observer == 2])
    np.testing.assert_array_equal(observers.one(copy, 2).x, found[2].x)
    assert observers.stimulus_name(copy) == "1002.jpg"


def test_what_the_data_set_does_not_hold_is_refused(observers, osie_root, save_image, tmp_path):
    image = osie_root / "stimuli" / "1001.jpg"
    with pytest.raises(DataError, match="there is no observer 15 in osie, expected 0 to 14"):
        observers.one(image, 15)
    with pytest.raises(DataError, match=r"other\.png: osie has no image of this name"):
        observers.on(save_image(tmp_path / "other.png"))
    small = save_image(tmp_path / "1001.jpg", size=(30, 40))
    with pytest.raises(DataError, match=r"has 40 x 30 pixels, but 80 x 60 in osie"):
        observers.on(small)


def test_the_data_set_says_how_viewers_started(observers, osie_root):
    dataset = load_dataset("osie", osie_root)
    assert observers.start_is_given == dataset.starts_at_center
    assert observers.px_per_dva == dataset.px_per_dva


def test_an_unknown_data_set_is_refused():
    with pytest.raises(UnknownNameError, match="unknown data set 'osei'"):
        Observers("osei", "anywhere")
