import pytest

from foregaze.data import areas as module
from foregaze.data.areas import (
    MOST_AREAS,
    AreaError,
    check_areas,
    cut_areas_note,
    read_areas,
    rectangle_area,
)
from foregaze.errors import DataError

SIZE = (60, 80)


def boxes(count):
    return [rectangle_area(f"{k}", k % 70, 0, 1, 1, SIZE) for k in range(count)]


def test_public_names_are_sorted_and_there():
    names = module.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    assert all(hasattr(module, name) for name in names)


@pytest.mark.parametrize(("name", "kind"), [("a.txt", ".txt"), ("a", "others"), ("a.jpg", ".jpg")])
def test_unknown_kinds_of_files_are_refused(tmp_path, name, kind):
    (tmp_path / name).touch()
    message = rf"areas come from .csv, .json, .npy, .png files, not from {kind}"
    with pytest.raises(DataError, match=message):
        read_areas(tmp_path / name, SIZE)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.json: no such file"):
        read_areas(tmp_path / "a.json", SIZE)
    (tmp_path / "b.json").mkdir()
    with pytest.raises(DataError, match=r"b\.json: is a folder"):
        read_areas(tmp_path / "b.json", SIZE)


def test_a_background_is_for_segment_maps(tmp_path):
    with pytest.raises(DataError, match="a background is an id of segment maps"):
        read_areas(tmp_path / "a.json", SIZE, background=0)


def test_the_suffix_may_be_in_capitals(tmp_path):
    (tmp_path / "a.CSV").write_text("name,x,y,width,height\na,0,0,5,5\n")
    assert [area.name for area in read_areas(str(tmp_path / "a.CSV"), SIZE)] == ["a"]


def test_areas_must_be_some_and_not_too_many_and_have_names_of_their_own():
    check_areas(boxes(MOST_AREAS))
    with pytest.raises(AreaError, match="no areas; give at least one"):
        check_areas([])
    with pytest.raises(AreaError, match="257 areas; the limit is 256"):
        check_areas(boxes(257))
    with pytest.raises(AreaError, match="3 areas are called '0'; give each its own name"):
        check_areas([*boxes(2), *boxes(1), *boxes(1)])
    with pytest.raises(AreaError, match=r"called 'a\\nb'; a name is one line of printable text"):
        check_areas([rectangle_area("a\nb", 0, 0, 5, 5, SIZE)])


def test_what_is_cut_off_is_said():
    assert cut_areas_note(boxes(3)) is None
    cut = [rectangle_area(name, -10, 0, 20, 5, SIZE) for name in "abcdef"]
    assert cut_areas_note([*boxes(1), cut[0]]) == "cut off where they leave the image: 'a' (50%)"
    assert cut_areas_note(cut).endswith("'d' (50%) and 2 more")
