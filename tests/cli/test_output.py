import os
from pathlib import Path

import pytest

from foregaze.cli.output import check_file, check_folder, written_together
from foregaze.errors import OutputError


def test_a_folder_that_can_be_made_passes_and_is_not_made(tmp_path):
    check_folder(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()


def test_a_relative_folder_passes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_folder(Path("results"))


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError, match="taken: is not a folder"):
        check_folder(tmp_path / "taken")
    with pytest.raises(OutputError, match=r"below: cannot be made, because .*taken is not"):
        check_folder(tmp_path / "taken" / "below")


def test_a_dangling_link_in_the_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="is not a folder"):
        check_folder(tmp_path / "link")


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(OutputError, match="no permission to write"):
        check_folder(tmp_path / "a")


def test_an_existing_file_is_refused_unless_it_may_be_replaced(tmp_path):
    path = tmp_path / "report.json"
    path.touch()
    with pytest.raises(OutputError, match=r"report\.json: exists already; .*--overwrite"):
        check_file(path, overwrite=False)
    check_file(path, overwrite=True)


def test_a_folder_is_no_file_even_if_it_may_be_replaced(tmp_path):
    with pytest.raises(OutputError, match="is a folder"):
        check_file(tmp_path, overwrite=True)


def test_files_written_together_appear_at_the_end(tmp_path):
    folder = tmp_path / "a" / "b"
    with written_together(folder, ["x", "y"]) as unfinished:
        for path in unfinished:
            path.write_text("done")
        assert not (folder / "x").exists()
    assert sorted(path.name for path in folder.iterdir()) == ["x", "y"]


def write_half(folder, error):
    with written_together(folder, ["x"]) as unfinished:
        unfinished[0].write_text("half")
        raise error


def test_an_error_leaves_neither_files_nor_new_folders(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "a" / "b", KeyboardInterrupt())
    assert not list(tmp_path.iterdir())


def test_an_error_keeps_earlier_files(tmp_path):
    (tmp_path / "x").write_text("earlier")
    with pytest.raises(ValueError, match="bad"):
        write_half(tmp_path, ValueError("bad"))
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "earlier"


def test_a_full_disk_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write x \(No space left on device\)"):
        write_half(tmp_path / "a", OSError(28, "No space left on device"))
    assert not list(tmp_path.iterdir())
