import json

import pytest

from foregaze.data import DATASETS


def test_each_data_set_is_one_line_with_all_there_is_to_know(run):
    _, *lines, empty, hint = run("datasets").out.splitlines()
    assert (empty, hint) == ("", "folder layout of one: foregaze datasets NAME")
    for line, (name, entry) in zip(lines, DATASETS.items(), strict=True):
        assert line.startswith(f"{name} ")
        for text in (entry.description, entry.licence, entry.citation, entry.source):
            assert text in line


def test_json_holds_the_same(run):
    listed = json.loads(run("datasets", "--json").out)
    assert [entry["name"] for entry in listed] == list(DATASETS)
    assert sorted(listed[0]) == sorted(
        ["name", "description", "images", "layout", "licence", "citation", "source"]
    )


@pytest.mark.parametrize("name", ["cat2000", "plain"])
def test_one_data_set_is_told_with_its_folder_layout(run, name):
    entry = DATASETS[name]
    first, *lines = run("datasets", name).out.splitlines()
    assert first == f"{name}: {entry.description}"
    images = "any number" if name == "plain" else "2000"
    for line in (f"licence: {entry.licence}", f"citation: {entry.citation}", f"images: {images}"):
        assert f"  {line}" in lines
    layout = [f"    {line}" for line in entry.layout.splitlines()]
    assert lines[-len(layout) :] == layout


def test_one_data_set_as_json(run):
    told = json.loads(run("datasets", "mit1003", "--json").out)
    assert (told["name"], told["images"]) == ("mit1003", 1003)


def test_an_unknown_data_set_is_refused(run):
    assert "unknown data set 'osy'; known: cat2000," in run("datasets", "osy").error()
