"""Rules of the house that a machine can check."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_MODULE = 400


def test_modules_are_short():
    long = [str(m) for m in MODULES if len(m.read_text().splitlines()) > LONGEST_MODULE]
    assert long == []


def test_no_module_has_a_name_that_says_nothing():
    names = {module.stem for module in MODULES}
    assert not {n for n in names if re.search(r"utils|helpers|common|misc|_v\d|original", n)}


@pytest.mark.parametrize("path", ["README.md", *sorted(map(str, ROOT.glob("docs/*.md")))])
def test_commands_in_the_docs_exist(path):
    text = (ROOT / path).read_text()
    code = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))
    used = set(re.findall(r"^(?:\.venv/bin/)?foregaze ([a-z]+)", code, flags=re.MULTILINE))
    assert used <= {
        "predict",
        "scanpaths",
        "areas",
        "segment",
        "models",
        "datasets",
        "evaluate",
        "train",
        "run",
        "convert",
    }
    targets = set(re.findall(r"`?\bmake ([a-z-]+)`|^make ([a-z-]+)", text, flags=re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text()
    for target in {first or second for first, second in targets}:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_relative_links_in_the_docs_lead_somewhere():
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
