"""MIT1003: 1003 photographs, the longer side 1024 pixels, 15 observers, 3 s of free viewing.

Judd, Ehinger, Durand & Torralba (2009), "Learning to predict where humans look", ICCV. Layout:
`ALLSTIMULI/NAME.jpeg` and `DATA/OBSERVER/NAME.mat`, whose only variable is a struct with raw gaze
at 240 Hz in `DATA.eyeData`; fixations come from the authors' routine (`mit1003_detection`).

Positions stay as the tracker gives them, in pixels of the image: the routine knows no origin, and
pysaliency, on whose numbers the benchmark rests, shifts nothing either. As in the authors' code a
position must exceed zero. The first fixation is the forced one at the center; where it lies
outside, the second is evidence all the same. 35 px per degree is what the paper and the benchmark
say; the authors' routine assumes 34.
"""

from pathlib import Path

import numpy as np

from foregaze.data.matlab import read_mat, rows_of
from foregaze.data.mit1003_detection import detect_fixations
from foregaze.data.published import Published
from foregaze.data.tables import Table, join_tables, scanpath_table
from foregaze.errors import DataError
from foregaze.images import read_image
from foregaze.types import EyeTrackingDataset, Size, Stimuli, drop_outside

# fmt: off
OBSERVERS = (
    "CNG", "ajs", "emb", "ems", "ff", "hp", "jcw", "jw", "kae", "krl", "po", "tmj", "tu", "ya", "zb"
)
# fmt: on
"""Folders of DATA/; an observer's number is the place in this list."""
PX_PER_DVA = 35.0
BLUR_PX = 23.99
"""Kernel of the benchmark's empirical maps."""
LAYOUT = """\
ALLSTIMULI/NAME.jpeg        from ALLSTIMULI.zip
DATA/OBSERVER/NAME.mat      from DATA.zip, a folder for each of 15 observers: CNG, ajs, emb, ...
"""
PUBLISHED = Published(
    title="MIT1003",
    where_from=(
        "MIT1003's folder holds ALLSTIMULI/*.jpeg and DATA/<observer>/*.mat, "
        "from http://people.csail.mit.edu/tjudd/WherePeopleLook/"
    ),
    images=1003,
)


def load_mit1003(root: str | Path) -> EyeTrackingDataset:
    """MIT1003's stimuli, and fixations found in its gaze.

    Args:
        root: The folder that ALLSTIMULI.zip and DATA.zip were unpacked in, or the one around it;
            images may be fewer than 1003.

    Raises:
        DataError: If a file is missing, damaged, or does not hold what MIT1003 publishes.
        ImageError: If a stimulus is no readable image.
    """
    root = PUBLISHED.find_folder(Path(root), "ALLSTIMULI")
    paths = PUBLISHED.image_paths(root / "ALLSTIMULI", ".jpeg")
    sizes = PUBLISHED.sizes(paths, _is_published, "with a longer side of 1024")
    for name in OBSERVERS:
        if not (root / "DATA" / name).is_dir():
            raise DataError(f"{root / 'DATA' / name}: no such folder; {PUBLISHED.where_from}")
    tables = [_table(root / "DATA", path.stem) for path in paths]
    fixations, dropped = drop_outside(join_tables(tables), sizes)
    return EyeTrackingDataset(
        name="mit1003",
        stimuli=Stimuli(tuple(paths), sizes, read_image),
        fixations=fixations,
        starts_at_center=True,
        px_per_dva=PX_PER_DVA,
        dropped_fixations=dropped,
        blur_px=BLUR_PX,
    )


def _is_published(size: Size) -> bool:
    return max(size) == 1024


def _table(folder: Path, name: str) -> Table:
    return np.concatenate(
        [_scanpath(folder / who / f"{name}.mat", number) for number, who in enumerate(OBSERVERS)]
    )


def _scanpath(path: Path, observer: int) -> Table:
    content = read_mat(path, None, PUBLISHED)
    with PUBLISHED.as_published(path, "field DATA.eyeData"):
        recordings = content["DATA"]
        recording = recordings if isinstance(recordings, dict) else np.ravel(recordings)[0]
        samples = rows_of(recording["eyeData"], 2)[:, :2]
        if not len(samples):
            raise ValueError("no samples")
        x, y, duration_ms = detect_fixations(samples).T
    lost = (x <= 0) | (y <= 0)
    return scanpath_table(observer, np.where(lost, np.nan, x), y, duration_ms)
