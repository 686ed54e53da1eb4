"""Data sets of stimuli and fixations."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from foregaze.data.osie import load_osie
from foregaze.errors import UnknownNameError
from foregaze.types import EyeTrackingDataset


@dataclass(frozen=True)
class DatasetEntry:
    """What `foregaze datasets` says of a data set."""

    load: Callable[[str | Path], EyeTrackingDataset]
    description: str
    licence: str
    citation: str
    source: str


_OSIE = {
    "licence": "MIT",
    "citation": "Xu, Jiang, Wang, Kankanhalli & Zhao (2014), Journal of Vision 14(1):28",
    "source": "https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels",
}

DATASETS: dict[str, DatasetEntry] = {
    "osie": DatasetEntry(load_osie, "700 photographs, 15 observers, 3 s free viewing", **_OSIE),
    "osie-mouse-amt": DatasetEntry(
        lambda root: load_osie(root, "mouse_amt"), "the same, crowd workers' mouse traces", **_OSIE
    ),
    "osie-mouse-lab": DatasetEntry(
        lambda root: load_osie(root, "mouse_lab"), "the same, mouse traces from the lab", **_OSIE
    ),
}


def load_dataset(name: str, root: str | Path) -> EyeTrackingDataset:
    """A data set by its name in `DATASETS`, from the folder that its authors publish.

    Raises:
        UnknownNameError: If there is no such data set.
        DataError: If the folder is not laid out as published.
    """
    if name not in DATASETS:
        raise UnknownNameError("data set", name, DATASETS)
    return DATASETS[name].load(root)


__all__ = ["DATASETS", "DatasetEntry", "load_dataset"]
