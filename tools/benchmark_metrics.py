r"""Time the metrics against pysaliency's: same maps, same fixations, same machine, taking turns.

    .venv/bin/python tools/benchmark_metrics.py --osie ../shared/osie \
        --pysaliency-python psal/bin/python

Without the second argument only ours are timed. tools/golden_pysaliency.py says how to make
pysaliency's environment. The maps are the predictions of default-fast for images of OSIE at
800x600, as float64 arrays in the memory of each process before the clock starts: log densities
for AUC, sAUC and IG, densities for NSS, and for IG a center bias of all fixations. What is timed
is a metric from these arrays and the table of fixations to its mean over images: for sAUC the
gathering of other images' fixations is part of it, on both sides. pysaliency runs as its
documentation has it (`AUC(average="image")` and so on) and, on lines of their own, by its faster
calls per fixation (`AUCs`). Both sides run each metric once to warm up, then take turns; times
are medians. Values must agree to 1e-9.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Measured = dict[str, tuple[float, float]]
"""Seconds and the value, by metric."""
TOTAL = ("AUC", "sAUC", "NSS", "IG")
TOLERANCE = 1e-9
BANDWIDTH, UNIFORM_TERM = 0.1, 1e-3


def write_inputs(osie: Path, count: int, folder: Path) -> None:
    """Predictions on the first images, and all their fixations, as arrays of one folder."""
    import foregaze
    from foregaze.data import load_dataset
    from foregaze.ops.benchmark_kde import grid_density

    dataset = load_dataset("osie", osie).subset(range(count))
    model = foregaze.load_model("default-fast", device="cpu")
    fixations = dataset.evidence()
    by_image = np.argsort(fixations.image, kind="stable")
    fixations = fixations.where(by_image)
    maps = [np.asarray(model.predict(path).log_density) for path in dataset.stimuli.paths]
    size = maps[0].shape
    np.save(folder / "log_densities.npy", np.stack(maps).astype(np.float64))
    np.save(folder / "fixations.npy", np.stack([fixations.x, fixations.y, fixations.image]))
    relative = fixations.x / size[1], fixations.y / size[0]
    centerbias = grid_density(*relative, (size[0], size[1]), BANDWIDTH, UNIFORM_TERM)
    np.save(folder / "centerbias.npy", centerbias)


def measure(metrics: dict[str, Callable[[], float]]) -> Measured:
    """Each metric once."""
    found: Measured = {}
    for name, metric in metrics.items():
        start = time.perf_counter()
        value = float(metric())
        found[name] = (time.perf_counter() - start, value)
    return found


def of_foregaze(folder: Path) -> dict[str, Callable[[], float]]:
    """Our metrics, one image after the other."""
    from foregaze.metrics import auc, information_gain, nss, shuffled_auc

    log_densities = np.load(folder / "log_densities.npy")
    densities = np.exp(log_densities)
    centerbias = np.load(folder / "centerbias.npy")
    x, y, image = np.load(folder / "fixations.npy").astype(np.int64)
    rows = [image == i for i in range(len(log_densities))]

    def mean_over_images(score: Callable[[int, Any, Any], Any]) -> float:
        return float(np.mean([score(i, x[r], y[r]).mean() for i, r in enumerate(rows)]))

    return {
        "AUC": lambda: mean_over_images(lambda i, x, y: auc(log_densities[i], x, y)),
        "sAUC": lambda: mean_over_images(
            lambda i, own_x, own_y: shuffled_auc(
                log_densities[i], own_x, own_y, x[~rows[i]], y[~rows[i]]
            )
        ),
        "NSS": lambda: mean_over_images(lambda i, x, y: nss(densities[i], x, y)),
        "IG": lambda: mean_over_images(
            lambda i, x, y: information_gain(log_densities[i], centerbias, x, y)
        ),
    }


def of_pysaliency(folder: Path) -> dict[str, Callable[[], float]]:
    """Metrics of pysaliency, with every map already in its model's memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own deprecations
        import pysaliency
        from pysaliency.utils import average_values
    log_densities = np.load(folder / "log_densities.npy")
    densities = np.exp(log_densities)
    centerbias = np.load(folder / "centerbias.npy")
    x, y, image = np.load(folder / "fixations.npy")
    height, width = centerbias.shape
    images = []
    for i in range(len(log_densities)):
        images.append(np.zeros((height, width, 3), dtype=np.uint8))
        images[i][0, 0] = i  # pysaliency finds maps by a hash of the image
    stimuli = pysaliency.Stimuli(images)
    fixations = pysaliency.Fixations.create_without_history(x, y, image.astype(int))

    class Map(pysaliency.SaliencyMapModel):  # type: ignore[misc,name-defined]
        def __init__(self, maps: np.ndarray) -> None:
            super().__init__()
            self.maps = maps

        def _saliency_map(self, stimulus: np.ndarray) -> np.ndarray:
            return self.maps[stimulus[0, 0, 0]]

    class Density(pysaliency.Model):  # type: ignore[misc,name-defined]
        def __init__(self, maps: np.ndarray) -> None:
            super().__init__()
            self.maps = maps

        def _log_density(self, stimulus: np.ndarray) -> np.ndarray:
            return self.maps[stimulus[0, 0, 0]]

    of_order, of_density = Map(log_densities), Map(densities)
    model = Density(log_densities)
    baseline = Density(np.broadcast_to(centerbias, log_densities.shape))

    def averaged(values: np.ndarray) -> float:
        return float(average_values(values, fixations, average="image"))

    return {
        "AUC": lambda: of_order.AUC(stimuli, fixations, average="image"),
        "sAUC": lambda: of_order.AUC(stimuli, fixations, nonfixations="shuffled", average="image"),
        "NSS": lambda: averaged(of_density.NSSs(stimuli, fixations)),
        "IG": lambda: model.information_gain(
            stimuli, fixations, baseline_model=baseline, average="image"
        ),
        "AUC, faster call": lambda: averaged(of_order.AUCs(stimuli, fixations)),
        "sAUC, faster call": lambda: averaged(
            of_order.AUCs(stimuli, fixations, nonfixations="shuffled")
        ),
    }


def answer(folder: Path) -> None:
    """In pysaliency's process: measure once for each line that comes in."""
    metrics = of_pysaliency(folder)
    for _ in sys.stdin:
        print(json.dumps(measure(metrics)), flush=True)


def main() -> None:
    """Print one line per metric."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--osie", type=Path, help="folder of OSIE")
    parser.add_argument("--pysaliency-python", help="Python of an environment with pysaliency")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.answer:
        answer(arguments.answer)
        return
    if not arguments.osie:
        parser.error("--osie is needed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(arguments.osie, arguments.images, folder)
        ours, theirs = take_turns(folder, arguments.pysaliency_python, arguments.repeats)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    print(f"{arguments.images} images of OSIE at 800x600; medians of {arguments.repeats} runs")
    print(f"{os.cpu_count()} cores, load {load}, OMP_NUM_THREADS {threads}")
    print_times(ours, theirs)


def take_turns(
    folder: Path, python: str | None, repeats: int
) -> tuple[list[Measured], list[Measured]]:
    """Our measurements and, where its Python is given, pysaliency's."""
    metrics = of_foregaze(folder)
    ours: list[Measured] = []
    theirs: list[Measured] = []
    worker = None
    if python:
        command = [python, str(Path(__file__).resolve()), "--answer", str(folder)]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert worker.stdin is not None
        assert worker.stdout is not None
    for _ in range(repeats + 1):
        ours.append(measure(metrics))
        if worker and worker.stdin and worker.stdout:
            worker.stdin.write("again\n")
            worker.stdin.flush()
            theirs.append(json.loads(worker.stdout.readline()))
    if worker and worker.stdin:
        worker.stdin.close()
        worker.wait()
    return ours[1:], theirs[1:]  # the first were to warm up


def seconds(measured: list[Measured], name: str) -> float:
    """Median time of one metric."""
    return statistics.median(each[name][0] for each in measured)


def print_times(ours: list[Measured], theirs: list[Measured]) -> None:
    """Seconds per metric and in total, pysaliency's over ours, and whether values agree."""
    for name in theirs[0] if theirs else TOTAL:
        metric = name.split(",")[0]
        line = f"{name:18} foregaze {seconds(ours, metric):7.3f} s"
        if theirs:
            own, other = ours[-1][metric][1], theirs[-1][name][1]
            if abs(own - other) > TOLERANCE * abs(other):
                raise SystemExit(f"{name}: values differ, {own!r} and {other!r}")
            ratio = seconds(theirs, name) / seconds(ours, metric)
            line += f", pysaliency {seconds(theirs, name):7.3f} s, {ratio:5.1f} times as long"
            line += f"; both {own:.6f}"
        print(line)
    total = sum(seconds(ours, name) for name in TOTAL)
    line = f"{'all four':18} foregaze {total:7.3f} s"
    if theirs:
        documented = sum(seconds(theirs, name) for name in TOTAL)
        fastest = sum(
            min(seconds(theirs, key) for key in theirs[0] if key.split(",")[0] == name)
            for name in TOTAL
        )
        line += f", pysaliency {documented:7.3f} s, {documented / total:5.1f} times as long"
        line += f" (by its faster calls {fastest:.3f} s, {fastest / total:.1f} times)"
    print(line)


if __name__ == "__main__":
    main()
