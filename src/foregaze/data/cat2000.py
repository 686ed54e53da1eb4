"""CAT2000, training set: 2000 images of 1920x1080 in 20 categories, 18 observers, 5 s.

Borji & Itti (2015), "CAT2000: A large scale fixation dataset for boosting saliency research",
arXiv:1505.03581. Layout of trainSet.zip: `Stimuli/CATEGORY/NNN.jpg`, in `FIXATIONLOCS/` for each
`CATEGORY/NNN.mat` with a binary map `fixLocs` of all observers together, and `allFixData.mat`, a
`containers.Map` from "CATEGORY/NNN.jpg" to a cell of structs with `name` ("24-53-ak.eye": the last
part is the observer) and `data` (x, y, ... from 1, in viewing order). Images lie on gray;
fixations on it are kept.

Observers and order are only in `allFixData.mat`. A fixation that repeats the one before it exactly
is left out there, as in pysaliency's version 1.1 of this data set; there are thousands. MATLAB
pixel centers lie at integers from 1, so 0.5 is subtracted; a map's pixel becomes its center. The
benchmark scores first fixations too, so they are evidence. 38 px per degree is the benchmark's
figure. Not checked against the published file: the number of columns of `data` (two suffice), and
whether the map is saved in version 5 or 7.3 (both are read).
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float

from foregaze.data.matlab import MATLAB_OFFSET_PX, read_container_map, read_mat, rows_of
from foregaze.data.published import Published, natural_order, visible_files
from foregaze.data.tables import Table, join_tables, scanpath_table, unordered_table
from foregaze.errors import DataError
from foregaze.images import read_image
from foregaze.types import EyeTrackingDataset, Stimuli, drop_outside

# fmt: off
CATEGORIES = (
    "Action", "Affective", "Art", "BlackWhite", "Cartoon", "Fractal", "Indoor", "Inverted",
    "Jumbled", "LineDrawing", "LowResolution", "Noisy", "Object", "OutdoorManMade",
    "OutdoorNatural", "Pattern", "Random", "Satelite", "Sketch", "Social",
)
# fmt: on
IMAGES_PER_CATEGORY = 100
SIZE = (1080, 1920)
PX_PER_DVA = 38.0
BLUR_PX = 40.0
"""Kernel of the benchmark's empirical maps."""
LAYOUT = """\
Stimuli/CATEGORY/NNN.jpg        from trainSet.zip, with its 20 folders Action, Affective, ...
allFixData.mat                  fixations of each observer, in their order
FIXATIONLOCS/CATEGORY/NNN.mat   maps of all fixations, used where allFixData.mat is not there:
                                the data set is then named cat2000-locations
"""
PUBLISHED = Published(
    title="CAT2000",
    where_from=(
        "CAT2000's folder trainSet/ holds Stimuli/<category>/*.jpg and allFixData.mat or "
        "FIXATIONLOCS/<category>/*.mat, from http://saliency.mit.edu/trainSet.zip"
    ),
    images=2000,
)


def load_cat2000(
    root: str | Path, recording: Literal["scanpaths", "locations"] | None = None
) -> EyeTrackingDataset:
    """CAT2000's training stimuli with their fixations.

    Args:
        root: trainSet/ or the folder around it; images may be fewer than 2000.
        recording: "scanpaths" for `allFixData.mat`; "locations" for the maps, of which neither
            observers nor order are known; None for the scanpaths if they are there.

    Raises:
        DataError: If a file is missing, damaged, or does not hold what CAT2000 publishes.
        ImageError: If a stimulus is no readable image.
    """
    root = PUBLISHED.find_folder(Path(root), "Stimuli")
    paths = _stimulus_paths(root / "Stimuli")
    sizes = PUBLISHED.same_size(paths, SIZE)
    stimuli = Stimuli(tuple(paths), sizes, read_image, root / "Stimuli")
    ordered = recording == "scanpaths"
    if recording is None:
        ordered = (root / "allFixData.mat").exists() or not (root / "FIXATIONLOCS").is_dir()
    tables = (
        _scanpath_tables(root / "allFixData.mat", stimuli.names)
        if ordered
        else [_location_table(root / "FIXATIONLOCS", name) for name in stimuli.names]
    )
    fixations, dropped = drop_outside(join_tables(tables), sizes)
    return EyeTrackingDataset(
        name="cat2000" if ordered else "cat2000-locations",
        stimuli=stimuli,
        fixations=fixations,
        starts_at_center=False,
        px_per_dva=PX_PER_DVA,
        dropped_fixations=dropped,
        blur_px=BLUR_PX,
        categories=tuple(path.parent.name for path in paths),
    )


def _stimulus_paths(folder: Path) -> list[Path]:
    """Images of the categories; their folders `Output` hold maps and are skipped."""
    found: list[Path] = []
    for category in sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != "."):
        if category.name not in CATEGORIES:
            raise DataError(
                f"{category}: CAT2000 has no such category; it has {', '.join(CATEGORIES)}"
            )
        images = visible_files(category, ".jpg")
        if len(images) > IMAGES_PER_CATEGORY:
            raise DataError(
                f"{category}: {len(images)} images, but CAT2000 has {IMAGES_PER_CATEGORY} in each"
            )
        found += sorted(images, key=natural_order)
    if not found:
        raise DataError(f"{folder}: no .jpg files in its folders; {PUBLISHED.where_from}")
    return found


def _scanpath_tables(path: Path, names: tuple[str, ...]) -> list[Table]:
    recorded = read_container_map(path, PUBLISHED)
    by_name = {key.replace("\\", "/"): value for key, value in recorded.items()}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise DataError(f"{path}: no fixations for {len(missing)} stimuli, {missing[0]} first")
    trials: dict[str, list[tuple[str, Any]]] = {}
    for name, value in by_name.items():
        with PUBLISHED.as_published(path, f"the entry {name}"):
            cells = [value] if isinstance(value, dict) else value
            trials[name] = [(_observer(trial["name"]), trial["data"]) for trial in cells]
    observers = sorted({who for of_image in trials.values() for who, _ in of_image})
    numbers = {who: number for number, who in enumerate(observers)}
    tables = []
    for name in names:
        with PUBLISHED.as_published(path, f"the entry {name}"):
            scanpaths = [_scanpath(numbers[who], data) for who, data in trials[name]]
            tables.append(np.concatenate(scanpaths))
    return tables


def _observer(trial: str) -> str:
    return str(trial).removesuffix(".eye").split("-")[-1]


def _scanpath(observer: int, data: Any) -> Table:
    x, y = (rows_of(data, 2)[:, :2] - MATLAB_OFFSET_PX).T
    repeats = _repeats(x, y)
    return scanpath_table(observer, x[~repeats], y[~repeats])


def _repeats(x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    """Whether each fixation lies exactly where the one before it does."""
    repeats: Bool[np.ndarray, " N"] = np.append(False, (np.diff(x) == 0) & (np.diff(y) == 0))
    return repeats[: len(x)]


def _location_table(folder: Path, name: str) -> Table:
    path = (folder / name).with_suffix(".mat")
    locations = read_mat(path, "fixLocs", PUBLISHED)
    with PUBLISHED.as_published(path, "map 'fixLocs'"):
        if locations.shape != SIZE:
            raise ValueError(f"shape {locations.shape}, expected {SIZE}")
        row, column = np.nonzero(locations)
        return unordered_table(column + 0.5, row + 0.5)
