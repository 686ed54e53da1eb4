from pathlib import Path

import pytest

from foregaze.data.published import Published, natural_order, place_of, visible_files
from foregaze.errors import DataError

SOME = Published(title="Some", where_from="Some's folder holds in/, from somewhere", images=3)


def test_a_data_set_may_lie_in_one_more_folder_but_not_in_two(tmp_path):
    with pytest.raises(DataError, match=r"in: no such file or folder; Some's folder holds in/"):
        SOME.find_folder(tmp_path, "in")
    (tmp_path / "b" / "in").mkdir(parents=True)
    assert SOME.find_folder(tmp_path, "in") == tmp_path / "b"
    assert SOME.find_folder(tmp_path / "b", "in") == tmp_path / "b"
    (tmp_path / "c" / "in").mkdir(parents=True)
    with pytest.raises(DataError, match="b/ and c/ both hold in; name the one to load"):
        SOME.find_folder(tmp_path, "in")
    (tmp_path / "in").mkdir()
    assert SOME.find_folder(tmp_path, "in") == tmp_path


def test_numbers_in_names_sort_as_numbers():
    names = ["a/10.jpg", "a/9.jpg", "b.jpg", "a/9b.jpg", "3.jpg", "²7.jpg"]
    in_order = [p.as_posix() for p in sorted(map(Path, names), key=natural_order)]
    assert in_order == ["3.jpg", "a/9.jpg", "a/9b.jpg", "a/10.jpg", "b.jpg", "²7.jpg"]


def test_hidden_files_and_folders_are_no_images(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    for name in ["a.jpg", "b.JPG", "._a.jpg", "c.png"]:
        (tmp_path / name).touch()
    assert {path.name for path in visible_files(tmp_path, ".jpg")} == {"a.jpg", "b.JPG"}
    assert [path.name for path in SOME.image_paths(tmp_path)] == ["a.jpg", "b.JPG"]


def test_more_images_than_published_are_refused(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.jpg").touch()
    with pytest.raises(DataError, match="4 images, but Some has 3"):
        SOME.image_paths(tmp_path)


def test_an_error_in_a_table_becomes_one_line(tmp_path):
    with (
        pytest.raises(DataError, match=r"a: row is not as Some publishes it \(so not\)"),
        SOME.as_published(tmp_path / "a", "row"),
    ):
        raise ValueError("so\n not")


def test_numbered_images_have_a_place_in_the_cell(tmp_path):
    assert place_of(Path("7.jpg"), 7, tmp_path) == 6
    with pytest.raises(DataError, match=r"no fixations for 8\.jpg; it holds images 1 to 7"):
        place_of(Path("8.jpg"), 7, tmp_path)
