"""Files in pysaliency's HDF5 formats, written with h5py alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

GOLDEN = Path(__file__).parents[1] / "golden" / "pysaliency_hdf5"
VERSIONS = ("v0.2.22", "v0.3dev")


def write_hdf5(path: Path, attributes: Mapping[str, Any], **datasets: Any) -> Path:
    """A file with attributes and datasets; a mapping among these is a group with both."""
    with h5py.File(path, "w") as file:
        _fill(file, attributes, datasets)
    return path


def _fill(group: h5py.Group, attributes: Mapping[str, Any], datasets: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        group.attrs[name] = (
            np.bytes_(json.dumps(value)) if isinstance(value, list | dict) else value
        )
    for name, values in datasets.items():
        if isinstance(values, Mapping):
            _fill(group.create_group(name), {"__attributes__": sorted(values)}, values)
        else:
            group.create_dataset(name, data=values)


def write_trains(path: Path, version: str = "1.2", **changed: Any) -> Path:
    """Two scanpaths, of three fixations on image 0 and of two on image 2."""
    datasets: dict[str, Any] = {
        "train_xs": [[1.5, 2.5, 3.0], [4.0, 5.0, np.nan]],
        "train_ys": [[1.0, 2.0, 3.0], [4.0, 5.0, np.nan]],
        "train_ts": [[0.0, 0.1, 0.2], [0.0, 0.1, np.nan]],
        "train_ns": [0, 2],
        "train_subjects": [0, 1],
        "scanpath_attributes": {},
        "scanpath_fixation_attributes": {},
        **changed,
    }
    attributes = {"type": "FixationTrains", "version": version, "__attributes__": ["subjects"]}
    left = {name: values for name, values in datasets.items() if values is not None}
    return write_hdf5(path, attributes, **left)


def structure(path: Path) -> dict[str, object]:
    """Everything in a file but the values of numbers: names, types, attributes with their types."""
    found: dict[str, object] = {}

    def note(name: str, entry: h5py.Group | h5py.Dataset) -> None:
        if isinstance(entry, h5py.Dataset):
            found[name] = (entry.dtype, entry.ndim, entry.compression, entry.compression_opts)
            found[f"{name} text"] = h5py.check_string_dtype(entry.dtype)
            found[f"{name} lengths"] = h5py.check_vlen_dtype(entry.dtype)
        for key, value in entry.attrs.items():
            attribute = entry.attrs.get_id(key)
            found[f"{name}@{key}"] = (value, attribute.dtype, attribute.shape)

    with h5py.File(path) as file:
        note("", file)
        file.visititems(note)
    return found
