"""The golden file of pysaliency, and metrics applied to its sets in every way they can be called.

tools/golden_pysaliency.py makes the file; its origin is inside.
"""

import json
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp

from foregaze.ops.empirical import empirical_map

SETS = ("random", "tied", "constant", "osie", "osie_8bit")
VARIED = ("random", "tied", "osie", "osie_8bit")
"""Without `constant`, where pysaliency gives NSS and CC as 0 and foregaze stops."""
DENSITIES = ("random", "osie")
KINDS = ("numpy", "torch", "numpy batch", "torch batch")

Metric = Callable[..., Any]


@cache
def arrays() -> dict[str, np.ndarray]:
    path = Path(__file__).parents[1] / "golden" / "pysaliency.npz"
    with np.load(path) as stored:
        return dict(stored)


@cache
def golden_set(name: str) -> "GoldenSet":
    return GoldenSet(name)


class GoldenSet:
    """Maps of several images, their fixations, and pysaliency's values."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.origin = json.loads(str(arrays()["origin"]))
        count = sum(key.startswith(f"{name}/map/") for key in arrays())
        self.maps = [arrays()[f"{name}/map/{i}"].astype(np.float64) for i in range(count)]
        self.sizes = [(values.shape[0], values.shape[1]) for values in self.maps]
        self.x, self.y = arrays()[f"{name}/x"], arrays()[f"{name}/y"]
        self.column, self.row = self.x.astype(np.int64), self.y.astype(np.int64)
        self.image = arrays()[f"{name}/image"].astype(np.int64)
        self.observer = arrays()[f"{name}/observer"].astype(np.int64)
        self.sigma_px = float(self.origin["sigma_px"][name])

    def out(self, key: str) -> np.ndarray:
        return arrays()[f"{self.name}/out/{key}"]

    @cached_property
    def log_densities(self) -> list[np.ndarray]:
        power = self.origin["power"][self.name]
        scores = [power * np.log(values) for values in self.maps]
        return [values - logsumexp(values) for values in scores]

    @cached_property
    def relative(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions x / W and y / H."""
        height, width = np.array(self.sizes)[self.image].T
        return self.x / width, self.y / height

    @cached_property
    def empirical_maps(self) -> list[np.ndarray]:
        maps = []
        for i, size in enumerate(self.sizes):
            here = self.image == i
            maps.append(empirical_map(self.column[here], self.row[here], size, self.sigma_px))
        return maps

    def fixations_of_others(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Columns and rows on image i of all fixations on other images."""
        elsewhere = self.image != i
        heights, widths = np.array(self.sizes)[self.image[elsewhere]].T
        height, width = self.sizes[i]
        x, y = self.x[elsewhere] * (width / widths), self.y[elsewhere] * (height / heights)
        return x.astype(np.int64), y.astype(np.int64)

    def groups(self, kind: str) -> Iterator[list[int]]:
        """Images that are scored in one call: one each, or in a batch all of one size."""
        if "batch" not in kind:
            yield from ([i] for i in range(len(self.maps)))
            return
        for size in sorted(set(self.sizes)):
            yield [i for i, own in enumerate(self.sizes) if own == size]


def per_fixation(
    metric: Metric,
    golden: GoldenSet,
    kind: str,
    *maps: list[np.ndarray],
    negatives: bool = False,
) -> np.ndarray:
    """Values of a metric in the order of the golden file's fixations."""
    found = np.full(len(golden.column), np.nan)
    for images in golden.groups(kind):
        rows = np.flatnonzero(np.isin(golden.image, images))
        columns = {"x": golden.column[rows], "y": golden.row[rows]}
        if negatives:
            others = [golden.fixations_of_others(i) for i in images]
            columns["other_x"], columns["other_y"] = (
                np.concatenate(parts) for parts in zip(*others, strict=True)
            )
        if "batch" in kind:
            columns["image"] = np.searchsorted(images, golden.image[rows])
            if negatives:
                lengths = [len(x) for x, _ in others]
                columns["other_image"] = np.repeat(np.arange(len(images)), lengths)
        stacked = [convert(kind, _stack(kind, each, images)) for each in maps]
        values = metric(*stacked, **{key: convert(kind, each) for key, each in columns.items()})
        found[rows] = back(kind, values)
    return found


def per_image(metric: Metric, golden: GoldenSet, kind: str, *maps: list[np.ndarray]) -> np.ndarray:
    """Values of a metric that compares maps, by image."""
    found = np.full(len(golden.maps), np.nan)
    for images in golden.groups(kind):
        stacked = [convert(kind, _stack(kind, each, images)) for each in maps]
        found[images] = back(kind, metric(*stacked))
    return found


def convert(kind: str, values: np.ndarray) -> Any:
    """The values as the kind has them."""
    return torch.from_numpy(values.copy()) if "torch" in kind else values


def back(kind: str, values: Any) -> np.ndarray:
    """The values in NumPy, after a look at whether they are of the kind that was given."""
    if "torch" in kind:
        assert isinstance(values, torch.Tensor)
        assert values.dtype == torch.float64
        return values.numpy()
    assert isinstance(values, np.ndarray | np.floating)
    assert values.dtype == np.float64
    return np.asarray(values)


def _stack(kind: str, maps: list[np.ndarray], images: list[int]) -> np.ndarray:
    return np.stack([maps[i] for i in images]) if "batch" in kind else maps[images[0]]
