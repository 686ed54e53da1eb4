from pathlib import Path

import pytest

from foregaze.errors import DataError, OutputError
from foregaze.files import whole_file, whole_folder, write_whole


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_is_written_below_new_folders(tmp_path):
    write_whole(tmp_path / "a" / "b.txt", "é\n")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "é\n".encode()
    assert names_in(tmp_path / "a") == ["b.txt"]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path):
    (tmp_path / "b.txt").mkdir()
    with pytest.raises(OutputError, match=r"b\.txt: cannot be written"):
        write_whole(tmp_path / "b.txt", "text")
    assert names_in(tmp_path) == ["b.txt"]


def test_text_replaces_an_earlier_file(tmp_path):
    (tmp_path / "b.txt").write_text("earlier")
    write_whole(tmp_path / "b.txt", "later")
    assert (tmp_path / "b.txt").read_text() == "later"


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "b.bin"
    with whole_file(path, overwrite=False) as unfinished:
        unfinished.write_bytes(b"12")
        assert not path.exists()
    assert path.read_bytes() == b"12"
    assert names_in(path.parent) == ["b.bin"]


@pytest.mark.parametrize("error", [DataError("wrong"), KeyboardInterrupt()])
def test_an_error_on_the_way_keeps_the_earlier_file(tmp_path, error):
    path = tmp_path / "b.bin"
    path.write_bytes(b"earlier")

    def write() -> None:
        with whole_file(path, overwrite=True) as unfinished:
            unfinished.write_bytes(b"la")
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_bytes() == b"earlier"
    assert names_in(tmp_path) == ["b.bin"]


def test_a_file_that_must_stay_stays_even_if_it_comes_meanwhile(tmp_path):
    path = tmp_path / "b.bin"

    def write() -> None:
        with whole_file(path, overwrite=False) as unfinished:
            unfinished.write_bytes(b"mine")
            path.write_bytes(b"theirs")

    for _ in range(2):
        with pytest.raises(OutputError, match=r"b\.bin: is already there; give another name$"):
            write()
    assert path.read_bytes() == b"theirs"
    assert names_in(tmp_path) == ["b.bin"]


def test_a_folder_has_its_name_only_when_it_is_whole(tmp_path):
    folder = tmp_path / "new" / "set"
    with whole_folder(folder) as unfinished:
        (unfinished / "in").mkdir()
        (unfinished / "in" / "a.txt").write_text("a")
        assert not folder.exists()
    assert (folder / "in" / "a.txt").read_text() == "a"
    assert names_in(folder.parent) == ["set"]


def test_an_empty_folder_is_filled_and_a_full_one_is_kept(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    with whole_folder(folder) as unfinished:
        (unfinished / "a.txt").write_text("a")
    with (
        pytest.raises(OutputError, match=r"set: is already there; name a new or empty folder$"),
        whole_folder(folder),
    ):
        pass
    assert names_in(folder) == ["a.txt"]
    assert names_in(tmp_path) == ["set"]


def test_a_folder_that_is_filled_meanwhile_is_kept(tmp_path):
    folder = tmp_path / "set"

    def write() -> None:
        with whole_folder(folder) as unfinished:
            (unfinished / "a.txt").write_text("mine")
            folder.mkdir()
            (folder / "b.txt").write_text("theirs")

    with pytest.raises(OutputError, match=r"set: cannot be written \(Directory not empty\)"):
        write()
    assert names_in(folder) == ["b.txt"]
    assert names_in(tmp_path) == ["set"]


@pytest.mark.parametrize("error", [DataError("wrong"), KeyboardInterrupt()])
def test_an_error_on_the_way_leaves_no_folder(tmp_path, error):
    def write() -> None:
        with whole_folder(tmp_path / "set") as unfinished:
            (unfinished / "a.txt").write_text("a")
            raise error

    with pytest.raises(type(error)):
        write()
    assert names_in(tmp_path) == []


def test_leftovers_of_a_stopped_program_do_not_matter(tmp_path):
    for leftover in ("set.part", ".set.part", "b.bin.part"):
        (tmp_path / leftover).mkdir()
        (tmp_path / leftover / "old.txt").write_text("old")
    with whole_folder(tmp_path / "set") as unfinished:
        assert names_in(unfinished) == []
    with whole_file(tmp_path / "b.bin", overwrite=False) as unfinished:
        unfinished.write_bytes(b"")
    assert names_in(tmp_path) == [".set.part", "b.bin", "b.bin.part", "set", "set.part"]


def test_a_folder_below_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match=r"file/set: cannot be written \(Not a directory\)"),
        whole_folder(tmp_path / "file" / "set"),
    ):
        pass
