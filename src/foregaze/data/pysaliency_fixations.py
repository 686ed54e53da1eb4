"""Fixations in pysaliency's HDF5 files, of every type and version that it has written.

`FixationTrains` (0.2.x) and `Scanpaths`, inside `ScanpathFixations` (0.3), hold one row for each
scanpath, padded with NaN, and its image and subject; `Fixations` holds one row for each fixation,
with its earlier fixations. Durations are attributes of fixations in seconds. Letters: `M`
scanpaths, `L` fixations of the longest one.

Two attributes are ours, written only where they are needed: `viewing_orders`, where places in a
scanpath are empty, and `durations_ms`, where milliseconds do not survive a trip through seconds.
"""

import json
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Bool, Float, Int

from foregaze.data.hdf5 import (
    array,
    find_type,
    inner_group,
    listed,
    matrix,
    numbers,
    opened,
    place,
    texts,
    whole_numbers,
)
from foregaze.errors import DataError
from foregaze.types import Fixations

KNOWN = {
    "FixationTrains": ("1.0", "1.1", "1.2", "1.3"),
    "Fixations": ("1.0", "1.1", "1.2"),
    "ScanpathFixations": ("1.0",),
    "Scanpaths": ("1.0",),
}
ATTRIBUTES = "scanpath_fixation_attributes"
DURATIONS_S = ("durations", "duration")
DURATIONS_MS = "durations_ms"
ORDERS = "viewing_orders"
SINGULAR = {
    DURATIONS_S[0]: DURATIONS_S[1],
    DURATIONS_MS: "duration_ms",
    ORDERS: "viewing_order",
}
"""What pysaliency calls the attribute of one fixation."""
MS_PER_S = 1000.0


def read_fixations(path: Path) -> tuple[Fixations, Int[np.ndarray, " N"]]:
    """Fixations, and the number of the scanpath that each belongs to.

    Images are not checked against stimuli, nor positions against their sizes.

    Raises:
        DataError: If the file is missing, damaged, of another type, or contradicts itself.
    """
    with opened(path) as file:
        kind, _ = find_type(file, KNOWN)
        if kind == "Fixations":
            return _plain(file)
        if kind == "FixationTrains":
            return _trains(file)
        return _scanpaths(inner_group(file, "scanpaths") if kind == "ScanpathFixations" else file)


def _trains(file: h5py.File) -> tuple[Fixations, Int[np.ndarray, " N"]]:
    rows = _Rows(file, "train_xs", "train_lengths")
    in_file = ATTRIBUTES in file  # since version 1.2
    attributes = inner_group(file, ATTRIBUTES) if in_file else None
    named = listed(attributes) if in_file else []
    orders = rows.of(attributes, ORDERS) if ORDERS in named else None
    duration_ms = _durations_of_rows(rows, attributes, named)
    if np.isnan(duration_ms).all():
        duration_ms = _durations_of_fixations(file, len(rows.scanpath))
    fixations = Fixations(
        image=rows.repeat(whole_numbers(file, "train_ns")),
        observer=rows.repeat(_subjects(file, "train_subjects")),
        order=rows.order if orders is None else rows.checked_orders(orders),
        x=rows.of(file, "train_xs"),
        y=rows.of(file, "train_ys"),
        duration_ms=duration_ms,
    )
    return fixations, rows.scanpath


def _scanpaths(group: h5py.Group) -> tuple[Fixations, Int[np.ndarray, " N"]]:
    find_type(group, {"Scanpaths": KNOWN["Scanpaths"]})
    rows = _Rows(group, "xs", "length" if "length" in group else "lengths")
    of_scanpath = inner_group(group, "scanpath_attributes")
    of_fixation = inner_group(group, "fixation_attributes")
    named = listed(of_fixation)
    image = whole_numbers(group, "n")
    if "subject" in listed(of_scanpath):
        observer = _subjects(of_scanpath, "subject")
    else:
        observer = _place_among_equals(image)
    fixations = Fixations(
        image=rows.repeat(image),
        observer=rows.repeat(observer),
        order=rows.checked_orders(rows.of(of_fixation, ORDERS)) if ORDERS in named else rows.order,
        x=rows.of(group, "xs"),
        y=rows.of(group, "ys"),
        duration_ms=_durations_of_rows(rows, of_fixation, named),
    )
    return fixations, rows.scanpath


def _plain(file: h5py.File) -> tuple[Fixations, Int[np.ndarray, " N"]]:
    x = numbers(file, "x")
    if "lengths" in file:  # since version 1.1
        order = whole_numbers(file, "lengths")
    else:
        order = (~np.isnan(matrix(file, "x_hist"))).sum(axis=1)
    subject = "subject" if "subject" in file else "subjects"
    columns = {
        "image": whole_numbers(file, "n"),
        "observer": _subjects(file, subject),
        "order": order,
        "y": numbers(file, "y"),
    }
    for name, column in columns.items():
        if len(column) != len(x):
            raise DataError(f"{place(file)}: {len(x)} fixations have {len(column)} values: {name}")
    fixations = Fixations(x=x, duration_ms=_durations_of_fixations(file, len(x)), **columns)
    if "scanpath_index" in file and file["scanpath_index"].shape == x.shape:
        return fixations, whole_numbers(file, "scanpath_index")
    return fixations, number_scanpaths(fixations)


class _Rows:
    """A padded table of scanpaths, and how its cells become fixations.

    Args:
        group: What holds the table.
        name: The table, of x.
        lengths: Dataset that may say how many fixations each scanpath has; else NaN ends it.
    """

    def __init__(self, group: h5py.Group, name: str, lengths: str) -> None:
        self.where = place(group)
        values = matrix(group, name)
        self.shape = values.shape
        known = ~np.isnan(values)
        columns = np.arange(1, self.shape[1] + 1)
        length = (known * columns).max(axis=1, initial=0)
        if lengths in group:
            length = whole_numbers(group, lengths)
            if length.shape != self.shape[:1] or (length > self.shape[1]).any():
                raise DataError(
                    f"{self.where}: {lengths!r} does not fit {name!r} of shape {self.shape}"
                )
        self.valid: Bool[np.ndarray, "M L"] = columns <= length[:, None]
        self.scanpath, self.order = (index.astype(np.int64) for index in np.nonzero(self.valid))

    def of(self, group: h5py.Group, name: str) -> Float[np.ndarray, " N"]:
        """Values of the fixations, scanpath by scanpath."""
        values = matrix(group, name)
        if values.shape != self.shape:
            raise DataError(
                f"{place(group)}: {name!r} has shape {values.shape}, expected {self.shape}: one "
                "row for each scanpath"
            )
        inside: Float[np.ndarray, " N"] = values[self.valid]
        return inside

    def repeat(self, values: Int[np.ndarray, " M"]) -> Int[np.ndarray, " N"]:
        """Values of scanpaths, once for each of their fixations."""
        if values.shape != self.shape[:1]:
            raise DataError(
                f"{self.where}: images or subjects of {len(values)} scanpaths, but positions of "
                f"{self.shape[0]}"
            )
        repeated: Int[np.ndarray, " N"] = values[self.scanpath]
        return repeated

    def checked_orders(self, orders: Float[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
        """Places in the scanpath, which must be whole numbers that increase."""
        within = self.order[1:] > 0
        if not ((orders >= 0) & (orders % 1 == 0)).all() or (np.diff(orders)[within] <= 0).any():
            raise DataError(
                f"{self.where}: {ORDERS!r} are not whole numbers from 0 that increase within each "
                "scanpath"
            )
        return orders.astype(np.int64)


def _durations_of_rows(
    rows: _Rows, group: h5py.Group | None, named: list[str]
) -> Float[np.ndarray, " N"]:
    if DURATIONS_MS in named:
        return rows.of(group, DURATIONS_MS)
    for name in DURATIONS_S:
        if name in named:
            return rows.of(group, name) * MS_PER_S
    return np.full(len(rows.scanpath), np.nan)


def _durations_of_fixations(file: h5py.File, count: int) -> Float[np.ndarray, " N"]:
    for name in DURATIONS_S:
        if name in listed(file):
            durations = numbers(file, name)
            if len(durations) != count:
                raise DataError(f"{place(file)}: {len(durations)} {name} of {count} fixations")
            return durations * MS_PER_S
    return np.full(count, np.nan)


def _subjects(group: h5py.Group, name: str) -> Int[np.ndarray, " M"]:
    """Observers; those with names are numbered from 0 in sorted order."""
    if array(group, name).dtype.kind not in "OS":
        return whole_numbers(group, name)
    _, observer = np.unique(texts(group, name), return_inverse=True)
    return observer.astype(np.int64)


def _place_among_equals(values: Int[np.ndarray, " M"]) -> Int[np.ndarray, " M"]:
    """How many entries before each one are the same."""
    by_value = np.argsort(values, kind="stable")
    starts = np.searchsorted(values[by_value], values[by_value])
    earlier = np.empty_like(values)
    earlier[by_value] = np.arange(len(values)) - starts
    return earlier


def number_scanpaths(fixations: Fixations) -> Int[np.ndarray, " N"]:
    """Scanpath of each fixation, numbered by their first rows.

    What one observer sees on one image is one scanpath, if no place in it is taken twice; else a
    scanpath begins wherever the order does not increase from one of its rows to the next.
    """
    f = fixations
    by_place = np.lexsort((f.order, f.observer, f.image))
    by_viewer = np.lexsort((f.observer, f.image))  # stable: rows stay in their order
    viewer_begins = _changes(f.image[by_viewer]) | _changes(f.observer[by_viewer])
    viewer = np.cumsum(viewer_begins) - 1  # the same for both sortings
    taken_twice = ~viewer_begins & ~_changes(f.order[by_place])
    is_repeated = np.isin(viewer, viewer[taken_twice])
    goes_back = np.append(True, np.diff(f.order[by_viewer]) <= 0)[: len(f)]
    in_sorting = np.cumsum(viewer_begins | (is_repeated & goes_back)) - 1
    number = np.empty(len(f), dtype=np.int64)
    number[by_viewer] = in_sorting
    _, first, scanpath = np.unique(number, return_index=True, return_inverse=True)
    rank = np.empty_like(first)
    rank[np.argsort(first)] = np.arange(len(first))
    renumbered: Int[np.ndarray, " N"] = rank[scanpath]
    return renumbered


def _changes(values: Int[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    """Whether each entry differs from the one before it; the first one does."""
    return np.append(True, np.diff(values) != 0)[: len(values)]


def repeated_scanpaths(
    fixations: Fixations, scanpath: Int[np.ndarray, " N"]
) -> Bool[np.ndarray, " N"]:
    """Rows of second and later scanpaths of one observer on one image.

    Where such scanpaths have one fixation each, at order 0, nothing is known of order: those count
    as first ones.
    """
    f = fixations
    _, viewer = np.unique(np.stack([f.image, f.observer]), axis=1, return_inverse=True)
    viewer = viewer.reshape(-1)
    viewers = int(viewer.max(initial=-1)) + 1
    first_row = np.full(viewers, len(f))
    np.minimum.at(first_row, viewer, np.arange(len(f)))
    is_ordered = np.zeros(viewers, dtype=bool)
    np.logical_or.at(is_ordered, viewer, f.order > 0)
    repeated: Bool[np.ndarray, " N"] = is_ordered[viewer] & (
        scanpath != scanpath[first_row[viewer]]
    )
    return repeated


def write_fixations(fixations: Fixations, path: Path) -> None:
    """Write fixations as pysaliency 0.2.22 writes `FixationTrains` 1.2, which 0.3 reads as well.

    Rows come back scanpath by scanpath, scanpaths in the order of their first rows. Start times
    (`train_ts`) are places in the scanpath, as real ones are not known.
    """
    scanpath = number_scanpaths(fixations)
    by_scanpath = np.lexsort((fixations.order, scanpath))
    f, row = fixations.where(by_scanpath), scanpath[by_scanpath]
    starts = np.flatnonzero(_changes(row))
    column = np.arange(len(f)) - starts[row]
    shape = (len(starts), int(column.max()) + 1)

    def padded(values: np.ndarray) -> Float[np.ndarray, "M L"]:
        table = np.full(shape, np.nan)
        table[row, column] = values
        return table

    with h5py.File(path, "w-") as file:
        file.attrs["type"] = np.bytes_("FixationTrains")
        file.attrs["version"] = np.bytes_("1.2")
        for name, values in (("xs", f.x), ("ys", f.y), ("ts", f.order)):
            file.create_dataset(f"train_{name}", data=padded(values))
        file.create_dataset("train_ns", data=f.image[starts].astype(np.int64))
        file.create_dataset("train_subjects", data=f.observer[starts].astype(np.int64))
        _write_json(file, "__attributes__", ["subjects", "scanpath_index"])
        _write_json(file.create_group("scanpath_attributes"), "__attributes__", [])
        group = file.create_group(ATTRIBUTES)
        attributes = _attributes(f, column)
        for name, values in attributes.items():
            group.create_dataset(name, data=padded(values))
        _write_json(group, "__attributes__", sorted(attributes))
        _write_json(
            file, "scanpath_attribute_mapping", {name: SINGULAR[name] for name in attributes}
        )


def _attributes(
    fixations: Fixations, column: Int[np.ndarray, " N"]
) -> dict[str, Float[np.ndarray, " N"]]:
    """What is known of fixations beside their positions, by its name in the file."""
    attributes = {}
    duration_ms = fixations.duration_ms.astype(np.float64)
    if not np.isnan(duration_ms).all():
        attributes[DURATIONS_S[0]] = duration_ms / MS_PER_S
        if not np.array_equal(duration_ms / MS_PER_S * MS_PER_S, duration_ms, equal_nan=True):
            attributes[DURATIONS_MS] = duration_ms
    if (column != fixations.order).any():
        attributes[ORDERS] = fixations.order.astype(np.float64)
    return attributes


def _write_json(group: h5py.Group, attribute: str, content: object) -> None:
    group.attrs[attribute] = np.bytes_(json.dumps(content))
