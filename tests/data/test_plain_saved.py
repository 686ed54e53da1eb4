from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foregaze.data import load_dataset, load_pysaliency, save_plain
from foregaze.data.osie import SAME_PICTURE
from foregaze.errors import DataError, ImageError, OutputError
from foregaze.types import EyeTrackingDataset, Stimuli
from tests.data.cat2000_copy import write_cat2000
from tests.data.osie_copy import write_osie
from tests.data.plain_copy import HEAD, write_plain
from tests.data.pysaliency_copy import GOLDEN
from tests.data.toronto_copy import write_toronto


def assert_equal(first: EyeTrackingDataset, second: EyeTrackingDataset) -> None:
    assert first.stimuli.names == second.stimuli.names
    assert first.stimuli.sizes == second.stimuli.sizes
    for column, values in vars(first.fixations).items():
        np.testing.assert_array_equal(getattr(second.fixations, column), values, column)
    for name in ("name", "starts_at_center", "px_per_dva", "dropped_fixations", "same_picture"):
        assert getattr(first, name) == getattr(second, name)
    assert first.categories == second.categories
    assert first.blur_px == second.blur_px


@pytest.mark.parametrize("table", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("name", "write"),
    [("osie", write_osie), ("cat2000", write_cat2000), ("toronto", write_toronto)],
)
def test_any_data_set_comes_back_from_the_plain_form(
    tmp_path: Path, name: str, write: Callable[[Path], Path], table
):
    dataset = load_dataset(name, write(tmp_path / name))
    save_plain(dataset, tmp_path / "plain", table)
    again = load_dataset("plain", tmp_path / "plain")
    assert_equal(dataset, again)
    first = dataset.stimuli.paths[0].read_bytes()
    assert again.stimuli.paths[0].read_bytes() == first
    save_plain(again, tmp_path / "twice", table)
    assert (tmp_path / "twice" / "dataset.yaml").read_text() == (
        (tmp_path / "plain" / "dataset.yaml").read_text()
    )
    if name == "osie":
        assert again.same_picture == SAME_PICTURE


def test_positions_come_back_to_the_last_digit(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"b.png,{n % 5},{rng.random() * 40!r},{rng.random() * 30!r}\n" for n in range(200)]
    dataset = load_dataset("plain", write_plain(tmp_path / "one", HEAD + "".join(rows)))
    save_plain(dataset, tmp_path / "two")
    assert_equal(dataset, load_dataset("plain", tmp_path / "two"))


def test_saving_never_overwrites(tmp_path):
    dataset = load_dataset("plain", write_plain(tmp_path / "one"))
    before = sorted(p.read_bytes() for p in (tmp_path / "one").rglob("*") if p.is_file())
    with pytest.raises(OutputError, match="one: is already there; name a new or empty folder"):
        save_plain(dataset, tmp_path / "one")
    assert sorted(p.read_bytes() for p in (tmp_path / "one").rglob("*") if p.is_file()) == before
    (tmp_path / "empty").mkdir()
    save_plain(dataset, tmp_path / "empty")
    assert len(load_dataset("plain", tmp_path / "empty")) == 3


def test_nothing_is_left_of_what_could_not_be_saved(tmp_path):
    dataset = load_dataset("plain", write_plain(tmp_path / "one"))
    dataset.stimuli.paths[2].unlink()
    with pytest.raises(ImageError, match=r"a10\.jpg: no such file"):
        save_plain(dataset, tmp_path / "two")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"two: cannot be written \(Not a directory\)"):
        save_plain(dataset, tmp_path / "file" / "two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "one"]


def test_leftovers_of_a_stopped_save_do_not_matter(tmp_path):
    dataset = load_dataset("plain", write_plain(tmp_path / "one"))
    (tmp_path / "two.part" / "images").mkdir(parents=True)
    save_plain(dataset, tmp_path / "two")
    assert_equal(dataset, load_dataset("plain", tmp_path / "two"))


def test_images_inside_a_file_become_png_files(tmp_path):
    folder = GOLDEN / "v0.2.22"
    dataset = load_pysaliency(
        folder / "arrays.hdf5", folder / "trains.hdf5", starts_at_center=False, name="stored"
    )
    groups = (("2.png", "x/1.png"),)
    save_plain(replace(dataset, same_picture=groups), tmp_path / "saved")
    again = load_dataset("plain", tmp_path / "saved")
    assert again.stimuli.names == ("2.png", "x/1.png") == dataset.stimuli.names[::-1]
    assert again.same_picture == groups
    for index in (0, 1):
        np.testing.assert_array_equal(again.stimuli[index], dataset.stimuli[1 - index])
        expected = dataset.on_image(1 - index)
        assert sorted(again.on_image(index).x) == sorted(expected.x)
        with Image.open(again.stimuli.paths[index]) as image:
            assert (image.format, image.mode) == ("PNG", "RGB")


def test_names_of_images_inside_a_file_change_to_png_unless_two_become_one(tmp_path):
    pixels = np.arange(1200, dtype=np.uint8).reshape(20, 20, 3)
    fixations = load_dataset("plain", write_plain(tmp_path / "one")).fixations
    one_viewer = fixations.where(fixations.image == 0)

    def stored(*names: str) -> EyeTrackingDataset:
        stimuli = Stimuli(
            tuple(Path("/inside.hdf5", name) for name in names),
            ((20, 20),) * len(names),
            lambda path: pixels,
            Path("/inside.hdf5"),
        )
        groups = (("in/a.jpg", "1.5", "elsewhere.jpg"),)
        return EyeTrackingDataset("stored", stimuli, one_viewer, False, None, same_picture=groups)

    save_plain(stored("in/a.jpg", "1.5"), tmp_path / "two")
    again = load_dataset("plain", tmp_path / "two")
    assert again.stimuli.names == ("1.5.png", "in/a.png")
    assert again.same_picture == (("in/a.png", "1.5.png", "elsewhere.jpg"),)
    np.testing.assert_array_equal(again.stimuli[1], pixels)
    with pytest.raises(DataError, match=r"stored: two stimuli are called a\.png"):
        save_plain(stored("a.jpg", "a.bmp"), tmp_path / "three")


def test_what_the_plain_form_cannot_hold_is_refused(tmp_path):
    dataset = load_dataset("plain", write_plain(tmp_path / "one"))
    f = dataset.fixations
    same = replace(f, order=np.array([0, 0, 1, 0]))
    with pytest.raises(DataError, match=r"plain: two fixations on b\.png have one observer and"):
        save_plain(replace(dataset, fixations=same), tmp_path / "two")
    with pytest.raises(DataError, match="plain: has no fixations to save"):
        save_plain(replace(dataset, fixations=f.where(f.x < 0)), tmp_path / "two")
    Image.new("RGB", (50, 20)).save(tmp_path / "a.gif")
    stimuli = replace(dataset.stimuli, paths=(*dataset.stimuli.paths[:2], tmp_path / "a.gif"))
    with pytest.raises(DataError, match=r"a\.gif: the plain form holds images of \.png,"):
        save_plain(replace(dataset, stimuli=replace(stimuli, folder=None)), tmp_path / "two")
    assert not (tmp_path / "two").exists()
