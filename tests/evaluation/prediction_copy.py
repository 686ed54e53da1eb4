"""Predictions in files for a data set of two images."""

from pathlib import Path

import h5py
import numpy as np
from scipy.special import log_softmax

from foregaze.types import EyeTrackingDataset, Fixations, Stimuli

GOLDEN = Path(__file__).parents[1] / "golden" / "pysaliency_hdf5"
SIZES = ((6, 9), (5, 7))
NAMES = ("in/one.png", "two.jpg")


def dataset_of(folder: str = "/data/images", names: tuple[str, ...] = NAMES) -> EyeTrackingDataset:
    n = len(names)
    one, nothing = np.ones(n), np.zeros(n, np.int64)
    paths = tuple(Path(folder, name) for name in names)
    sizes = tuple(SIZES[i % 2] for i in range(len(names)))
    return EyeTrackingDataset(
        name="toy",
        stimuli=Stimuli(paths, sizes, lambda path: np.zeros((6, 9, 3), np.uint8), Path(folder)),
        fixations=Fixations(np.arange(n), nothing, nothing, one, one, one),
        starts_at_center=False,
        px_per_dva=None,
    )


def saliency_maps() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.random(size) for size in SIZES]


def log_densities() -> list[np.ndarray]:
    return [log_softmax(3 * values) for values in saliency_maps()]


def write_npy(folder: Path, arrays: list[np.ndarray]) -> Path:
    (folder / "in").mkdir(parents=True)
    np.save(folder / "in" / "one.npy", arrays[0])
    np.save(folder / "two.npy", arrays[1])
    return folder


def write_hdf5(path: Path, arrays: list[np.ndarray], names: tuple[str, ...] = NAMES) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in zip(names, arrays, strict=True):
            file.create_dataset(name, data=values, compression=9)
    return path


def write(kind: str, place: Path, arrays: list[np.ndarray]) -> Path:
    if kind == "npy":
        return write_npy(place / "maps", arrays)
    return write_hdf5(place / "maps.hdf5", arrays)
