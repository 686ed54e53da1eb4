"""The notebooks run without a warning, are listed in the docs, and hold no outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TIMEOUT_S = 300  # of a cell, on a busy machine


def read(notebook: Path) -> NotebookNode:
    return nbformat.read(notebook, as_version=4)


def outputs(executed: NotebookNode) -> list[NotebookNode]:
    return [output for cell in executed.cells for output in cell.get("outputs", [])]


def printed(executed: NotebookNode, stream: str) -> str:
    texts = (o.text for o in outputs(executed) if o.output_type == "stream" and o.name == stream)
    return "".join(texts)


def run(
    notebook: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, **environment: str
) -> NotebookNode:
    """The notebook with its outputs, run in an empty folder; a cell's error is raised."""
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(folder / "jupyter"))
    monkeypatch.setenv("FOREGAZE_ROOT", str(ROOT))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    here = folder / "here"
    here.mkdir()
    content = read(notebook)
    resources = {"metadata": {"path": str(here)}}
    NotebookClient(content, timeout=TIMEOUT_S, kernel_name="python3", resources=resources).execute()
    assert list(here.iterdir()) == []
    return content


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_pictures(
    notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, osie_root: Path
):
    executed = run(notebook, tmp_path, monkeypatch, OSIE=str(osie_root))
    assert printed(executed, "stderr") == ""
    kinds = {kind for output in outputs(executed) for kind in output.get("data", {})}
    assert "image/png" in kinds
    assert "OSIE is not here" not in printed(executed, "stdout")


def test_performances_says_what_it_leaves_out_without_osie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    executed = run(ROOT / "notebooks" / "performances.ipynb", tmp_path, monkeypatch, OSIE="")
    assert printed(executed, "stderr") == ""
    assert printed(executed, "stdout").count("OSIE is not here") == 2


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_no_outputs(notebook: Path):
    content = read(notebook)
    nbformat.validate(content)
    assert content.metadata.kernelspec.name == "python3"
    assert outputs(content) == []
    for cell in content.cells:
        assert cell.get("execution_count") is None
        assert "execution" not in cell.metadata


def test_the_docs_list_every_notebook():
    page = (ROOT / "docs" / "notebooks.md").read_text()
    assert [notebook.name for notebook in NOTEBOOKS if f"`{notebook.name}`" not in page] == []
    assert len(NOTEBOOKS) == 4
