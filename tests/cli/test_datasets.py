import json

from foregaze.data import DATASETS


def test_each_data_set_is_one_line_with_all_there_is_to_know(run):
    _, *lines = run("datasets").out.splitlines()
    for line, (name, entry) in zip(lines, DATASETS.items(), strict=True):
        assert line.startswith(f"{name} ")
        for text in (entry.description, entry.licence, entry.citation, entry.source):
            assert text in line


def test_json_holds_the_same(run):
    listed = json.loads(run("datasets", "--json").out)
    assert [entry["name"] for entry in listed] == list(DATASETS)
    assert set(listed[0]) == {"name", "description", "licence", "citation", "source"}
