import numpy as np
import pytest
from PIL import Image

from foregaze.errors import OutputError, ShapeError
from foregaze.scanpath_metrics import Scanpath
from foregaze.viz import animate_scanpath
from foregaze.viz import scanpaths_animation as module
from foregaze.viz.scanpaths_timing import find_moments
from tests.viz.viewing import Following, photograph, scanpath


def frames(path):
    with Image.open(path) as animation:
        for number in range(animation.n_frames):
            animation.seek(number)
            yield np.asarray(animation.convert("RGB")).astype(int), animation.info["duration"]


@pytest.fixture
def short():
    return Scanpath(np.array([10.0, 70]), np.array([10.0, 50]), np.array([153.0, 298]))


def test_frames_last_as_long_as_the_scanpath(tmp_path, short):
    animate_scanpath(photograph(), short, tmp_path / "a.gif")
    assert sum(duration for _, duration in frames(tmp_path / "a.gif")) == pytest.approx(451, abs=10)


def test_the_disk_is_where_the_eye_is(tmp_path, short):
    gray = np.full((60, 80, 3), 128, np.uint8)
    animate_scanpath(gray, short, tmp_path / "a.gif")
    shown = list(frames(tmp_path / "a.gif"))
    moments = find_moments(short)
    assert len(shown) == len(moments)
    for (picture, _), moment in zip(shown, moments, strict=True):
        rows, columns = np.nonzero(picture[:480, :, 0] - picture[:480, :, 1] > 100)  # magenta
        assert columns.mean() / 8 == pytest.approx(moment.x, abs=0.5)
        assert rows.mean() / 8 == pytest.approx(moment.y, abs=0.5)


def test_equal_input_gives_equal_bytes(tmp_path, short):
    for name in ("a.gif", "b.gif"):
        animate_scanpath(photograph(), short, tmp_path / name, conditional=Following())
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


def test_it_repeats_and_has_one_table_of_colors(tmp_path, short):
    animate_scanpath(photograph(), short, tmp_path / "a.gif", conditional=Following())
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.info["loop"] == 0
        tables = []
        for number in range(animation.n_frames):
            animation.seek(number)
            tables.append(len(animation.tile[0][3]) and animation.global_palette.palette)
        assert len(set(tables)) == 1


def test_the_density_is_that_after_each_fixation(tmp_path, short):
    model = Following()
    animate_scanpath(photograph(), short, tmp_path / "a.gif", conditional=model)
    assert sorted(len(history) for history in model.histories) == [1, 2]


@pytest.mark.parametrize(("height", "width", "size"), [(60, 80, (640, 510)), (90, 30, (213, 670))])
def test_the_long_side_is_640_pixels(tmp_path, height, width, size):
    one = scanpath(2, size=(height, width))
    animate_scanpath(photograph(height, width), one, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.size == size


@pytest.mark.parametrize("size", [(60, 80), (1, 1), (1, 300), (300, 1)])
def test_single_fixations_and_unknown_durations_are_shown(tmp_path, size):
    one = scanpath(1, size=size, durations=False)
    animate_scanpath(photograph(*size), one, tmp_path / "a.gif")
    assert sum(duration for _, duration in frames(tmp_path / "a.gif")) == 600


def test_a_large_animation_has_fewer_colors(tmp_path, short, monkeypatch):
    animate_scanpath(photograph(), short, tmp_path / "a.gif")
    monkeypatch.setattr(module, "MOST_BYTES", 1)
    animate_scanpath(photograph(), short, tmp_path / "b.gif")
    large, small = ((tmp_path / name).read_bytes() for name in ("a.gif", "b.gif"))
    assert len(small) < len(large)
    assert sum(duration for _, duration in frames(tmp_path / "b.gif")) == 450


def test_an_earlier_file_stays_unless_it_may_be_replaced(tmp_path, short):
    (tmp_path / "a.gif").write_bytes(b"earlier")
    with pytest.raises(OutputError, match="already there"):
        animate_scanpath(photograph(), short, tmp_path / "a.gif")
    assert (tmp_path / "a.gif").read_bytes() == b"earlier"
    animate_scanpath(photograph(), short, tmp_path / "a.gif", overwrite=True)
    assert (tmp_path / "a.gif").read_bytes()[:6] == b"GIF89a"
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


def test_other_kinds_of_videos_are_refused_by_their_names(tmp_path, short):
    with pytest.raises(OutputError, match=r"a\.mp4: animations are GIF files; give a name that"):
        animate_scanpath(photograph(), short, tmp_path / "a.mp4")


def test_a_fixation_outside_the_image_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(ShapeError, match="outside the image"):
        animate_scanpath(photograph(), scanpath(9, size=(600, 800)), tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())
