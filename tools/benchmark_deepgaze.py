"""Time and memory of the DeepGaze models against the plain algorithm and the bare backbones.

`python tools/benchmark_deepgaze.py --osie ../shared/osie` takes one photograph of OSIE at 1024x768
and random parameters in the layout of the published files, and prints for DeepGaze I, III and IIE:

- the time of `forward` against the plain version of the published algorithm in tests/models, which
  upsamples all channels first and runs every component by itself;
- the time of `forward` and of `predict` against bare passes of the same networks, whole and
  unchanged, as the plain version runs them;
- the largest difference between the two log densities;
- peak memory over the loaded state, each in a process of its own;
- for DeepGaze III, the backbone passes of ten sampled scanpaths of ten fixations.

Everything that is compared takes turns; medians. Run it on an idle machine.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from timing import medians_ms

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the plain version is part of the tests

from tests.models.plain_deepgaze import (  # noqa: E402
    PlainDeepGaze1,
    PlainDeepGaze2E,
    PlainDeepGaze3,
)
from tests.models.release_files import fill, layout, write_release  # noqa: E402

import foregaze  # noqa: E402
from foregaze.inference.deepgaze_predictor import DeepGazePredictor  # noqa: E402

PLAIN = {"deepgaze1": PlainDeepGaze1, "deepgaze3": PlainDeepGaze3, "deepgaze2e": PlainDeepGaze2E}
WIDTH, HEIGHT = 1024, 768
HISTORY = ([512.0, 300.0, 700.0, 411.0], [384.0, 200.0, 600.0, 32.0])
"""Oldest first."""


def photograph(osie: Path) -> np.ndarray:
    """The first image of OSIE at 1024x768."""
    path = sorted((osie / "stimuli").glob("*.jpg"))[0]
    return np.asarray(Image.open(path).convert("RGB").resize((WIDTH, HEIGHT)))


def inputs(name: str, image: np.ndarray) -> list[Tensor]:
    """What `forward` of either version takes."""
    pixels = torch.tensor(image).permute(2, 0, 1)[None].float()
    uniform = torch.full((1, HEIGHT, WIDTH), -float(np.log(WIDTH * HEIGHT)))
    past = [torch.tensor([column[::-1]]) for column in HISTORY] if name == "deepgaze3" else []
    return [pixels, uniform, *past]


def plain_model(name: str) -> nn.Module:
    """The plain version with the same parameters."""
    model: nn.Module = PLAIN[name]()
    model.load_state_dict(fill(layout(name)))
    return model.eval()


def our_model(name: str) -> DeepGazePredictor:
    """Our version, from a file as published."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.pth"
        write_release(path, fill(layout(name)))
        model = foregaze.load_model(name, checkpoint=path, device="cpu")
    assert isinstance(model, DeepGazePredictor)
    return model


def backbones_of(plain: nn.Module) -> list[nn.Module]:
    """The plain version's networks with their normalization, classifiers included."""
    return [m.features for m in plain.modules() if type(m).__name__ == "FeatureExtractor"]


def report(name: str, image: np.ndarray, runs: int, osie: Path) -> None:
    """Print one model's figures."""
    plain, ours = plain_model(name), our_model(name)
    arguments = inputs(name, image)
    small = arguments[0][:, :, ::2, ::2].contiguous()
    history = dict(zip(("x_hist", "y_hist"), HISTORY, strict=True)) if name == "deepgaze3" else {}
    networks = backbones_of(plain)
    with torch.inference_mode():
        difference = (ours.model(*arguments) - plain(*arguments).reshape(1, HEIGHT, WIDTH)).abs()
        ms = medians_ms(
            {
                "plain": lambda: plain(*arguments),
                "bare": lambda: [network(small) for network in networks],
                "forward": lambda: ours.model(*arguments),
                "predict": lambda: ours.predict(image, centerbias="uniform", **history),
            },
            runs,
        )
    memory = {version: peak_mb(name, version, osie) for version in ("plain", "forward")}
    print(
        f"{name}: forward {ms['forward']:.0f} ms, "
        f"{ms['plain'] / ms['forward']:.1f}x as fast as the plain version "
        f"({ms['plain']:.0f} ms); "
        f"{ms['forward'] / ms['bare']:.2f}x its bare backbones "
        f"({ms['bare']:.0f} ms), predict {ms['predict'] / ms['bare']:.2f}x; "
        f"largest difference {float(difference.max()):.1e}; peak memory over the loaded state "
        f"{memory['forward']:.0f} MB against {memory['plain']:.0f} MB"
    )
    if name == "deepgaze3":
        count_passes(ours, image)


def count_passes(model: DeepGazePredictor, image: np.ndarray) -> None:
    """Print how often the backbone runs while scanpaths are sampled."""
    calls = []
    hook = model.model.backbones[0].register_forward_hook(lambda *_: calls.append(1))
    start = time.perf_counter()
    model.sample_scanpaths(image, n=10, length=10, seed=0, centerbias="uniform")
    hook.remove()
    print(
        f"deepgaze3: 10 scanpaths of 10 fixations: {len(calls)} backbone pass, "
        f"{time.perf_counter() - start:.1f} s"
    )


def peak_mb(name: str, version: str, osie: Path) -> float:
    """Peak resident memory of one pass over the loaded state, in a process of its own."""
    command = [sys.executable, __file__, "--osie", str(osie), "--memory", name, version]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_peak(name: str, version: str, image: np.ndarray) -> None:
    """Run one pass and print what it needed at its peak, in MB."""
    model = plain_model(name) if version == "plain" else our_model(name).model
    arguments = inputs(name, image)
    status = Path("/proc/self/status")
    before = _kilobytes(status, "VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of loading
    with torch.inference_mode():
        model(*arguments)
    print((_kilobytes(status, "VmHWM") - before) / 1024)


def _kilobytes(status: Path, key: str) -> int:
    found = re.search(rf"{key}:\s+(\d+)", status.read_text())
    assert found is not None
    return int(found.group(1))


def main() -> None:
    """Print a few lines for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--osie", type=Path, required=True, help="folder of OSIE")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--models", nargs="+", choices=[*PLAIN], default=[*PLAIN])
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    image = photograph(arguments.osie)
    if arguments.memory:
        print_peak(*arguments.memory, image)
        return
    print(f"{torch.get_num_threads()} thread(s), medians of {arguments.runs} runs")
    for name in arguments.models:
        report(name, image, arguments.runs, arguments.osie)


if __name__ == "__main__":
    main()
