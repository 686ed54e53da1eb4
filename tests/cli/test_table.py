import json
import sys

import pytest

from foregaze.cli.table import print_json, print_table

ADDRESS = "https://" + "long" * 30


def test_outside_a_terminal_each_row_is_one_aligned_line(capsys):
    print_table(("name", "source"), [("a", ADDRESS), ("longer", "b")])
    assert capsys.readouterr().out == f"name    source\na       {ADDRESS}\nlonger  b\n"


@pytest.mark.parametrize(("columns", "fits"), [("300", True), ("60", False)])
def test_in_a_narrow_terminal_each_row_is_a_paragraph(capsys, monkeypatch, columns, fits):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", columns)
    print_table(("name", "source"), [("a", ADDRESS), ("b", "")])
    out = capsys.readouterr().out
    if fits:
        assert out == f"name  source\na     {ADDRESS}\nb\n"
    else:
        assert out == f"a\n  source: {ADDRESS}\n\nb\n  source: \n"


def test_json_is_read_back(capsys):
    print_json([{"name": "Kümmerer"}])
    assert json.loads(capsys.readouterr().out) == [{"name": "Kümmerer"}]
