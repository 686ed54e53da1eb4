"""Make tests/golden/pysaliency.npz: maps and fixations, and what pysaliency says of them.

Two steps, because pysaliency needs libraries of its own age. The first runs in foregaze's
environment and writes random maps and predictions on OSIE; the second adds pysaliency's values and
needs no foregaze:

    .venv/bin/python tools/golden_pysaliency.py inputs --osie ../shared/osie inputs.npz
    psal/bin/python tools/golden_pysaliency.py outputs inputs.npz tests/golden/pysaliency.npz

The environment of the second, with Python 3.11 and a C compiler:

    python3.11 -m venv psal
    psal/bin/pip install "numpy==1.26.4" "setuptools<82" wheel cython torch h5py pandas scikit-learn
    psal/bin/pip install --no-build-isolation "pysaliency==0.2.22"

Sets of images: `random` (smooth maps of four sizes), `tied` (the same at six levels), `constant`
(the same sizes), `osie` (predicted densities of six images in blocks of 8x8 or 10x10 pixels, with
the observers' fixations) and `osie_8bit` (the same as 8-bit images store them). `sim` is one
density away from the edges, with the maps that pysaliency optimizes for SIM: once with the
MIT/Tübingen benchmark's settings (minutes), once with the learning rate that does best on it.
"""

import argparse
import contextlib
import io
import json
import platform
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import logsumexp

SIZES = ((24, 32), (30, 30), (20, 40), (24, 32))
POWER = {"random": 8, "osie": 1}
"""Densities are maps to this power, normalized; sets of 8-bit and tied maps have none."""
SIGMA_PX = {"random": 2.5, "tied": 2.5, "constant": 2.5, "osie": 3.0, "osie_8bit": 3.0}
BLOCKS = (8, 10, 8, 10, 8, 10)
OBSERVERS = 3
BASELINE: dict[str, float] = {"bandwidth": 0.1, "eps": 1e-3}
GOLD: dict[str, Any] = {"bandwidth": 0.12, "eps": 1e-2, "keep_aspect": True}
SIM: dict[str, Any] = {"kernel_size": 2.5, "fixation_count": 20}
SIM_SETTINGS: dict[str, dict[str, float]] = {
    "benchmark": {"initial_learning_rate": 1e-7, "minimum_learning_rate": 1e-11},
    "fast": {"initial_learning_rate": 1e-4, "minimum_learning_rate": 1e-8},
}

Arrays = dict[str, np.ndarray]


def random_inputs() -> Arrays:
    """Smooth random maps, their six-level and constant versions, one table of fixations."""
    rng = np.random.default_rng(20)
    arrays: Arrays = {}
    columns: dict[str, list[np.ndarray]] = {"x": [], "y": [], "image": [], "observer": []}
    for i, (height, width) in enumerate(SIZES):
        smooth = gaussian_filter(rng.random((height, width)), 2)
        ramp = (smooth - smooth.min()) / np.ptp(smooth)
        arrays[f"random/map/{i}"] = smooth
        arrays[f"tied/map/{i}"] = np.floor(ramp * 5.999).astype(np.uint8)
        arrays[f"constant/map/{i}"] = np.full((height, width), 0.25)
        for observer in range(OBSERVERS):
            n = 8 + 2 * observer + i
            x, y = rng.random(n) * width, rng.random(n) * height
            x[:2], y[:2] = np.floor(x[:2]), np.floor(y[:2])  # whole numbers
            x[2:4], y[2:4] = x[1], y[1]  # one pixel three times
            columns["x"].append(x)
            columns["y"].append(y)
            columns["image"].append(np.full(n, i))
            columns["observer"].append(np.full(n, observer))
    table = {name: np.concatenate(parts) for name, parts in columns.items()}
    for name in ("random", "tied", "constant"):
        arrays |= {f"{name}/{column}": values for column, values in table.items()}
    return arrays


def sim_inputs() -> Arrays:
    """A bumpy log density whose mass lies away from the edges, which count differently there."""
    height, width = 40, 48
    smooth = gaussian_filter(np.random.default_rng(21).random((height, width)), 2.5)
    y, x = np.indices((height, width))
    from_center = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2
    scores = 24 * np.log(smooth) - from_center / (2 * 7**2)
    return {"sim/log_density": scores - logsumexp(scores)}


def osie_inputs(root: Path) -> Arrays:
    """Densities that default-fast predicts for OSIE images, in blocks, with real fixations."""
    import foregaze
    from foregaze.data import load_dataset

    dataset = load_dataset("osie", root)
    model = foregaze.load_model("default-fast", device="cpu")
    by_image = dataset.evidence_by_image()
    arrays: Arrays = {}
    columns: dict[str, list[np.ndarray]] = {"x": [], "y": [], "image": [], "observer": []}
    for i, block in enumerate(BLOCKS):
        image = 100 * i
        density = np.exp(model.predict(dataset.stimuli.paths[image]).log_density)
        rows, blocks_across = density.shape[0] // block, density.shape[1] // block
        density = density.reshape(rows, block, blocks_across, block).sum((1, 3))
        arrays[f"osie/map/{i}"] = density.astype(np.float32)
        arrays[f"osie_8bit/map/{i}"] = np.round(density / density.max() * 255).astype(np.uint8)
        fixations = by_image[image]
        observer = np.unique(fixations.observer, return_inverse=True)[1]
        few = observer < 2 * OBSERVERS
        columns["x"].append(fixations.x[few] / block)
        columns["y"].append(fixations.y[few] / block)
        columns["image"].append(np.full(few.sum(), i))
        columns["observer"].append(observer[few])
    for column, parts in columns.items():
        for name in ("osie", "osie_8bit"):
            arrays[f"{name}/{column}"] = np.concatenate(parts)
    arrays["names"] = np.array([dataset.stimuli.names[100 * i] for i in range(len(BLOCKS))])
    return arrays


def maps_of(arrays: Arrays, name: str) -> list[np.ndarray]:
    """The maps of a set in float64."""
    count = sum(key.startswith(f"{name}/map/") for key in arrays)
    return [arrays[f"{name}/map/{i}"].astype(np.float64) for i in range(count)]


def log_densities(arrays: Arrays, name: str) -> list[np.ndarray]:
    """The maps of a set, taken to its power, as log densities."""
    scores = [POWER[name] * np.log(values) for values in maps_of(arrays, name)]
    return [values - logsumexp(values) for values in scores]


class Outputs:
    """pysaliency's values for one set of images."""

    def __init__(self, pysaliency: Any, arrays: Arrays, name: str) -> None:
        from pysaliency.saliency_map_models import FixationMap

        self.pysaliency, self.arrays, self.name = pysaliency, arrays, name
        self.maps = maps_of(arrays, name)
        self.stimuli = pysaliency.Stimuli(
            [np.full((*values.shape, 3), i, dtype=np.uint8) for i, values in enumerate(self.maps)]
        )
        x, y, image, observer = (
            arrays[f"{name}/{column}"] for column in ("x", "y", "image", "observer")
        )
        self.fixations = pysaliency.Fixations.create_without_history(
            x, y, image.astype(int), subjects=observer.astype(int)
        )
        self.model = self.saliency(self.maps)
        self.empirical = FixationMap(self.stimuli, self.fixations, kernel_size=SIGMA_PX[name])

    def saliency(self, maps: list[np.ndarray]) -> Any:
        """Maps as a model; pysaliency finds them by the image."""

        class Stored(self.pysaliency.SaliencyMapModel):  # type: ignore[name-defined,misc]
            def _saliency_map(self, stimulus: np.ndarray) -> np.ndarray:
                return maps[int(stimulus[0, 0, 0])]

        return Stored()

    def density(self, maps: list[np.ndarray]) -> Any:
        """Log densities as a model."""

        class Stored(self.pysaliency.Model):  # type: ignore[name-defined,misc]
            def _log_density(self, stimulus: np.ndarray) -> np.ndarray:
                return maps[int(stimulus[0, 0, 0])]

        return Stored()

    def of_maps(self) -> Arrays:
        """Metrics that take a saliency map."""
        from pysaliency.metrics import MIT_KLDiv
        from pysaliency.saliency_map_models import EqualizedSaliencyMapModel

        model, stimuli, fixations = self.model, self.stimuli, self.fixations
        empirical = [self.empirical.saliency_map(s) for s in stimuli]
        pixels = np.stack([fixations.n, fixations.y_int, fixations.x_int])
        distinct = fixations[np.sort(np.unique(pixels, axis=1, return_index=True)[1])]
        equalized = EqualizedSaliencyMapModel(model)
        return {
            "NSS": model.NSSs(stimuli, fixations),
            "AUC": model.AUCs(stimuli, fixations),
            "AUC per image": np.array(model.AUC_per_image(stimuli, fixations)),
            "AUC image average": np.array(model.AUC(stimuli, fixations, average="image")),
            "sAUC": model.AUCs(stimuli, fixations, nonfixations="shuffled"),
            "sAUC image average": np.array(
                model.AUC(stimuli, fixations, nonfixations="shuffled", average="image")
            ),
            "AUC_Judd of distinct pixels": np.array(
                model.AUC_per_image(
                    stimuli, distinct, nonfixations="unfixated", thresholds="fixations"
                )
            ),
            "CC": model.CCs(stimuli, self.empirical),
            "SIM": model.SIMs(stimuli, self.empirical),
            "KLDiv": np.array([MIT_KLDiv(m, q) for m, q in zip(self.maps, empirical, strict=True)]),
            "equalized 0": equalized.saliency_map(stimuli[0]),
        }

    def of_densities(self) -> Arrays:
        """Metrics that take a density, baselines, and maps made of the density."""
        from pysaliency.baseline_utils import BaselineModel, CrossvalidatedBaselineModel
        from pysaliency.models import ShuffledAUCSaliencyMapModel
        from pysaliency.saliency_map_models import BluringSaliencyMapModel, DensitySaliencyMapModel

        stimuli, fixations = self.stimuli, self.fixations
        model = self.density(log_densities(self.arrays, self.name))
        baseline = BaselineModel(stimuli, fixations, **BASELINE)
        others = CrossvalidatedBaselineModel(stimuli, fixations, **BASELINE)
        density = DensitySaliencyMapModel(model)
        blurred = BluringSaliencyMapModel(density, SIGMA_PX[self.name], mode="constant")
        over_others = ShuffledAUCSaliencyMapModel(model, others)
        return {
            "density NSS": density.NSSs(stimuli, fixations),
            "LL in nats": model.log_likelihoods(stimuli, fixations),
            "IG over uniform": model.information_gains(stimuli, fixations),
            "IG": model.information_gains(stimuli, fixations, baseline_model=baseline),
            "IG fixation average": np.array(
                model.information_gain(stimuli, fixations, baseline, average="fixation")
            ),
            "IG image average": np.array(
                model.information_gain(stimuli, fixations, baseline, average="image")
            ),
            "BaselineModel LL": baseline.log_likelihoods(stimuli, fixations),
            "CrossvalidatedBaselineModel LL": others.log_likelihoods(stimuli, fixations),
            "CrossvalidatedBaselineModel 0": others.log_density(stimuli[0])[::3, ::5],
            "KDEGoldModel LL": self.leave_one_observer_out(),
            "sAUC over CrossvalidatedBaselineModel": over_others.AUCs(
                stimuli, fixations, nonfixations="shuffled"
            ),
            "blurred 0": blurred.saliency_map(stimuli[0])[::3, ::5],
            "blurred CC": blurred.CCs(stimuli, self.empirical),
            "blurred SIM": blurred.SIMs(stimuli, self.empirical),
        }

    def leave_one_observer_out(self) -> np.ndarray:
        """Log-likelihoods in nats of each observer under a KDE of all others on the image."""
        from pysaliency.baseline_utils import KDEGoldModel

        fixations = self.fixations
        values = np.full(len(fixations.x), np.nan)
        for observer in np.unique(fixations.subjects):
            here = fixations.subjects == observer
            gold = KDEGoldModel(self.stimuli, fixations[~here], **GOLD)
            values[here] = gold.log_likelihoods(self.stimuli, fixations[here])
        return values


def sim_optimized(pysaliency: Any, log_density: np.ndarray) -> Arrays:
    """The maps that pysaliency climbs to for SIM."""

    class Stored(pysaliency.Model):  # type: ignore[name-defined,misc]
        def _log_density(self, stimulus: np.ndarray) -> np.ndarray:
            return log_density

    stimulus = np.zeros((*log_density.shape, 3), dtype=np.uint8)
    return {
        f"sim/out/{name}": pysaliency.SIMSaliencyMapModel(
            Stored(),
            min_iter=10,
            learning_rate_decay_scheme="validation_loss",
            verbose=False,
            **SIM,
            **settings,
        ).saliency_map(stimulus)
        for name, settings in SIM_SETTINGS.items()
    }


def outputs(arrays: Arrays) -> Arrays:
    """All sets with the values that pysaliency has for them, and where these come from."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own deprecations
        import pysaliency
    for name in SIGMA_PX:
        of_set = Outputs(pysaliency, arrays, name)
        with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
            warnings.simplefilter("ignore")
            values = of_set.of_maps()
            if name in POWER:
                values |= of_set.of_densities()
        arrays |= {f"{name}/out/{key}": value for key, value in values.items()}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arrays |= sim_optimized(pysaliency, arrays["sim/log_density"])
    libraries = ("pysaliency", "numpy", "scipy", "numba", "scikit-learn", "torch")
    arrays["origin"] = np.array(
        json.dumps(
            {
                "program": {library: version(library) for library in libraries},
                "python": platform.python_version(),
                "command": "tools/golden_pysaliency.py inputs, then outputs; see its docstring",
                "inputs": {
                    "random, tied, constant": "numpy.random.default_rng(20), see random_inputs",
                    "sim": "numpy.random.default_rng(21), see sim_inputs",
                    "osie, osie_8bit": "densities of foregaze's default-fast in blocks of "
                    f"{BLOCKS} px; images {arrays['names'].tolist()}, six observers",
                },
                "densities": "maps of these sets to these powers, normalized",
                "power": POWER,
                "sigma_px": SIGMA_PX,
                "BaselineModel": BASELINE,
                "KDEGoldModel": GOLD,
                "SIMSaliencyMapModel": SIM | SIM_SETTINGS,
            }
        )
    )
    return arrays


def main() -> None:
    """Run one of the two steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    first = steps.add_parser("inputs", help="in foregaze's environment")
    first.add_argument("--osie", type=Path, required=True, help="folder of OSIE")
    first.add_argument("output", type=Path)
    second = steps.add_parser("outputs", help="in pysaliency's environment")
    second.add_argument("input", type=Path)
    second.add_argument("output", type=Path)
    arguments = parser.parse_args()
    if arguments.step == "inputs":
        arrays = random_inputs() | sim_inputs() | osie_inputs(arguments.osie)
    else:
        with np.load(arguments.input) as stored:
            arrays = outputs(dict(stored))
    np.savez_compressed(arguments.output, **arrays)
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
