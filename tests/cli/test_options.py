import pytest
import typer

from foregaze.cli.options import parse_networks


def test_networks_are_sources_by_name():
    given = ["clip=a=b.pth", "dino=https://host/file#sha256=0"]
    assert parse_networks(given) == {"clip": "a=b.pth", "dino": "https://host/file#sha256=0"}
    assert parse_networks(None) == {}


@pytest.mark.parametrize("given", ["clip", "clip=", "=a.pth", ""])
def test_what_is_no_name_and_source_is_refused(given):
    with pytest.raises(typer.BadParameter, match=f"^{given!r}, expected NAME=SOURCE$"):
        parse_networks([given])


def test_a_name_is_given_once():
    with pytest.raises(typer.BadParameter, match=r"^'clip' is given twice$"):
        parse_networks(["clip=a", "clip=b"])
