import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

import foregaze
from foregaze.cli.main import main

SIZE = (60, 80)
OBSERVERS = 15


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    def error(self) -> str:
        """The one line of a refusal."""
        assert self.code == 2
        assert self.out == ""
        assert self.err.startswith("foregaze: error: ")
        assert self.err.count("\n") == 1
        return self.err


Run = Callable[..., Outcome]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run_main(*arguments: str | Path) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        assert not list(tmp_path.rglob("*.part"))
        return Outcome(int(ended.value.code or 0), out, err)

    return run_main


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start the command line in a process of its own."""

    def start_process(*arguments: str | Path, code: str = "") -> subprocess.Popen[str]:
        source = Path(foregaze.__file__).parents[1]
        return subprocess.Popen(
            [
                sys.executable,
                "-c",
                code or "from foregaze.cli.main import main; main()",
                *arguments,
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(source)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start_process


SaveImage = Callable[..., Path]


@pytest.fixture(scope="session")
def save_image() -> SaveImage:
    """Save a picture of smooth noise."""
    return _save_image


def _save_image(path: Path, size: tuple[int, int] = SIZE, seed: int = 0) -> Path:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return _save_image(tmp_path / "photos" / "photo.png")


@pytest.fixture(scope="session")
def osie_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small images with 15 observers, laid out as OSIE is published."""
    root = tmp_path_factory.mktemp("osie")
    rng = np.random.default_rng(3)
    names = ["1001.jpg", "1002.jpg", "1003.jpg"]
    cells = np.empty(len(names), dtype=object)
    for number, name in enumerate(names):
        _save_image(root / "stimuli" / name, seed=number)
        subjects = np.empty(OBSERVERS, dtype=object)
        for observer in range(OBSERVERS):
            subjects[observer] = {
                "fix_x": rng.normal(45, 12, 4).clip(1, SIZE[1]),
                "fix_y": rng.normal(30, 8, 4).clip(1, SIZE[0]),
                "fix_duration": np.full(4, 250.0),
            }
        cells[number] = {"img": name, "subjects": subjects}
    (root / "eye").mkdir()
    scipy.io.savemat(root / "eye" / "fixations.mat", {"fixations": cells})
    return root


@pytest.fixture
def predict(run, tiny_checkpoint):
    def run_predict(*arguments, model=tiny_checkpoint):
        return run("predict", *arguments, "--model", model)

    return run_predict


@pytest.fixture
def drawn(monkeypatch):
    """What the pictures were drawn from, instead of pictures."""
    from foregaze.cli import predict_batch  # not above: it imports torch

    calls = []

    def draw(image, log_density, x, y, title=None):
        calls.append((image, log_density, x, y, title))

    monkeypatch.setattr(predict_batch, "draw_prediction", draw)
    monkeypatch.setattr(predict_batch, "save_figure", lambda figure, path: path.touch())
    return calls
