from pathlib import Path

import pytest

from foregaze.data import DATASETS, completeness_note, find_dataset, load_dataset
from foregaze.errors import DataError, UnknownNameError
from tests.data.osie_copy import write_osie
from tests.data.plain_copy import write_plain

SALICON = [
    f"salicon-{edition}-{split}{recording}"
    for edition in (2015, 2017)
    for split in ("train", "val")
    for recording in ("", "-mouse")
]


def test_every_data_set_has_a_name():
    assert sorted(DATASETS) == sorted(
        [
            *("osie", "osie-mouse-amt", "osie-mouse-lab", "mit1003"),
            *("cat2000", "cat2000-locations", *SALICON, "coco-freeview-train"),
            *("coco-freeview-val", "pascal-s", "toronto", "dut-omron", "plain", "pysaliency"),
        ]
    )


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_all_is_said_of_every_data_set(name):
    entry = find_dataset(name)
    for text in (entry.description, entry.licence, entry.citation, entry.source, entry.layout):
        assert text
    told = entry.images is None or "the same" in entry.description
    assert told or str(entry.images) in entry.description


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_an_empty_folder_is_answered_in_one_line_that_says_what_belongs_there(name, tmp_path):
    with pytest.raises(DataError) as caught:
        load_dataset(name, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(tmp_path) in message
    assert " holds " in message or "the plain form is a folder with images/" in message


def test_an_unknown_data_set_lists_the_known_ones(tmp_path):
    known = ", ".join(sorted(DATASETS))
    for ask in (lambda: load_dataset("osy", tmp_path), lambda: find_dataset("osy")):
        with pytest.raises(UnknownNameError, match=f"unknown data set 'osy'; known: {known}"):
            ask()


def test_a_subset_does_not_pass_for_the_full_data_set(tmp_path: Path):
    dataset = load_dataset("osie", write_osie(tmp_path / "osie"))
    assert completeness_note("osie", dataset) == "osie: 2 of the 700 published images are here"
    plain = load_dataset("plain", write_plain(tmp_path / "plain"))
    assert completeness_note("plain", plain) is None


def test_a_full_data_set_needs_no_note(tmp_path: Path):
    names = [f"{number}.jpg" for number in range(1001, 1701)]
    dataset = load_dataset("osie", write_osie(tmp_path / "osie", names))
    assert completeness_note("osie", dataset) is None
