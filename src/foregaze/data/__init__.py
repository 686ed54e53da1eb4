"""Data sets of stimuli and fixations."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from foregaze.data import (
    cat2000,
    coco_freeview,
    dut_omron,
    mit1003,
    osie,
    pascal_s,
    plain,
    pysaliency_files,
    salicon,
    toronto,
)
from foregaze.data.centerbias import CenterBias
from foregaze.data.plain import save_plain
from foregaze.data.pysaliency_files import load_pysaliency, save_pysaliency
from foregaze.errors import UnknownNameError
from foregaze.types import EyeTrackingDataset


@dataclass(frozen=True)
class DatasetEntry:
    """What `foregaze datasets` says of a data set."""

    load: Callable[[str | Path], EyeTrackingDataset]
    description: str
    images: int | None
    """Images that are published; None where that is up to the user."""
    layout: str
    """Files in the folder, a line for each."""
    licence: str
    """What the authors state."""
    citation: str
    source: str


_COCO_IMAGES = "not stated (images: Flickr, as in MS COCO)"

_OSIE = {
    "layout": osie.LAYOUT,
    "licence": "MIT",
    "citation": "Xu, Jiang, Wang, Kankanhalli & Zhao (2014), Journal of Vision 14(1):28",
    "source": "https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels",
}
_CAT2000 = {
    "layout": cat2000.LAYOUT,
    "licence": "not stated",
    "citation": "Borji & Itti (2015), arXiv:1505.03581",
    "source": "http://saliency.mit.edu/trainSet.zip",
}
_SALICON = {
    "layout": salicon.LAYOUT,
    "licence": _COCO_IMAGES,
    "citation": "Jiang, Huang, Duan & Zhao (2015), CVPR",
}
_COCO_FREEVIEW = {
    "layout": coco_freeview.LAYOUT,
    "licence": _COCO_IMAGES,
    "citation": "Yang, Mondal, Ahn, Zelinsky, Hoai & Samaras (2023), arXiv:2303.09383",
    "source": "https://sites.google.com/view/cocosearch/coco-freeview",
}


def _salicon(
    edition: salicon.Edition, split: salicon.Split, recording: salicon.Recording
) -> DatasetEntry:
    images = salicon.IMAGES[split]
    return DatasetEntry(
        partial(salicon.load_salicon, edition=edition, split=split, recording=recording),
        f"{images} photographs of 640x480, "
        + ("mouse traces" if recording == "mouse" else "fixations found in mouse traces"),
        images,
        source=f"http://salicon.net/challenge-{edition}",
        **_SALICON,
    )


DATASETS: dict[str, DatasetEntry] = {
    "osie": DatasetEntry(
        osie.load_osie, "700 photographs, 15 observers, 3 s free viewing", 700, **_OSIE
    ),
    "osie-mouse-amt": DatasetEntry(
        partial(osie.load_osie, recording="mouse_amt"),
        "the same, crowd workers' mouse traces",
        700,
        **_OSIE,
    ),
    "osie-mouse-lab": DatasetEntry(
        partial(osie.load_osie, recording="mouse_lab"),
        "the same, mouse traces from the lab",
        700,
        **_OSIE,
    ),
    "mit1003": DatasetEntry(
        mit1003.load_mit1003,
        "1003 photographs, 15 observers, 3 s free viewing",
        1003,
        mit1003.LAYOUT,
        "not stated (images: Flickr and LabelMe)",
        "Judd, Ehinger, Durand & Torralba (2009), ICCV",
        "http://people.csail.mit.edu/tjudd/WherePeopleLook/",
    ),
    "cat2000": DatasetEntry(
        cat2000.load_cat2000,
        "2000 images of 20 categories (training set), 18 observers, 5 s free viewing",
        2000,
        **_CAT2000,
    ),
    "cat2000-locations": DatasetEntry(
        partial(cat2000.load_cat2000, recording="locations"),
        "the same, all fixations of an image together, without observers and order",
        2000,
        **_CAT2000,
    ),
    "salicon-2015-train": _salicon("2015", "train", "fixations"),
    "salicon-2015-train-mouse": _salicon("2015", "train", "mouse"),
    "salicon-2015-val": _salicon("2015", "val", "fixations"),
    "salicon-2015-val-mouse": _salicon("2015", "val", "mouse"),
    "salicon-2017-train": _salicon("2017", "train", "fixations"),
    "salicon-2017-train-mouse": _salicon("2017", "train", "mouse"),
    "salicon-2017-val": _salicon("2017", "val", "fixations"),
    "salicon-2017-val-mouse": _salicon("2017", "val", "mouse"),
    "coco-freeview-train": DatasetEntry(
        partial(coco_freeview.load_coco_freeview, split="train"),
        "3714 photographs on a 1680x1050 screen, 10 observers, 5 s free viewing",
        3714,
        **_COCO_FREEVIEW,
    ),
    "coco-freeview-val": DatasetEntry(
        partial(coco_freeview.load_coco_freeview, split="validation"),
        "the same, 603 photographs for validation",
        603,
        **_COCO_FREEVIEW,
    ),
    "pascal-s": DatasetEntry(
        pascal_s.load_pascal_s,
        "850 photographs of PASCAL VOC, 12 observers, 2 s free viewing",
        850,
        pascal_s.LAYOUT,
        "not stated (images: Flickr, as in PASCAL VOC)",
        "Li, Hou, Koch, Rehg & Yuille (2014), CVPR",
        "http://cbs.ic.gatech.edu/salobj/",
    ),
    "toronto": DatasetEntry(
        toronto.load_toronto,
        "120 photographs of 681x511, 20 observers, 4 s free viewing; no observers, no order",
        120,
        toronto.LAYOUT,
        "not stated",
        "Bruce & Tsotsos (2005), NIPS; (2009), Journal of Vision 9(3):5",
        "http://www-sop.inria.fr/members/Neil.Bruce/",
    ),
    "dut-omron": DatasetEntry(
        dut_omron.load_dut_omron,
        "5168 photographs of at most 400 pixels a side, 5 observers, 2 s free viewing",
        5168,
        dut_omron.LAYOUT,
        "not stated",
        "Yang, Zhang, Lu, Ruan & Yang (2013), CVPR",
        "http://saliencydetection.net/dut-omron/",
    ),
    "plain": DatasetEntry(
        plain.load_plain,
        "your own images and a table of fixations (CSV or Parquet)",
        None,
        plain.LAYOUT,
        "yours",
        "yours",
        "docs/data.md",
    ),
    "pysaliency": DatasetEntry(
        pysaliency_files.load_pysaliency_folder,
        "stimuli and fixations in pysaliency's HDF5 files",
        None,
        pysaliency_files.LAYOUT,
        "that of the data",
        "that of the data",
        "docs/pysaliency.md",
    ),
}


def load_dataset(name: str, root: str | Path) -> EyeTrackingDataset:
    """A data set by its name in `DATASETS`, from the folder that its authors publish.

    Raises:
        UnknownNameError: If there is no such data set.
        DataError: If the folder is not laid out as published.
    """
    return find_dataset(name).load(root)


def find_dataset(name: str) -> DatasetEntry:
    """What is known of a data set by its name in `DATASETS`.

    Raises:
        UnknownNameError: If there is no such data set.
    """
    if name not in DATASETS:
        raise UnknownNameError("data set", name, DATASETS)
    return DATASETS[name]


def completeness_note(name: str, dataset: EyeTrackingDataset) -> str | None:
    """One line that says how much of the published data set is loaded; None if all of it is.

    Raises:
        UnknownNameError: If there is no such data set.
    """
    images = find_dataset(name).images
    if images is None or len(dataset) == images:
        return None
    return f"{name}: {len(dataset)} of the {images} published images are here"


__all__ = [
    "DATASETS",
    "CenterBias",
    "DatasetEntry",
    "completeness_note",
    "find_dataset",
    "load_dataset",
    "load_pysaliency",
    "save_plain",
    "save_pysaliency",
]
