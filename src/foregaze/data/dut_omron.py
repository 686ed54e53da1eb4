"""DUT-OMRON: 5168 photographs of at most 400 pixels a side, 5 observers, two seconds.

Yang, Zhang, Lu, Ruan & Yang (2013), "Saliency detection via graph-based manifold ranking", CVPR.
Layout: `DUT-OMRON-image/NAME.jpg` and `DUT-OMRON-eye-fixations/mat/NAME.mat` with the table `s` of
x, y and observer; the row of observer 0 is the image's width and height.

Numbers of pixels start at 0 (they occur), so the pixel's center is 0.5 further. Observers are
numbered for each image; the authors do not say that a number is one person throughout, nor that
rows are in viewing order (they are taken so, as pysaliency takes them) or that viewers started at
the center: first fixations are evidence. The authors have filtered the fixations. Durations and
pixels per degree are not published.
"""

from pathlib import Path

import numpy as np

from foregaze.data.matlab import read_mat, rows_of
from foregaze.data.published import Published
from foregaze.data.tables import Table, join_tables, scanpath_table
from foregaze.images import read_image
from foregaze.types import EyeTrackingDataset, Size, Stimuli, drop_outside

LONGEST_SIDE = 400
IMAGE_FOLDER = "DUT-OMRON-image"
FIXATION_FOLDER = "DUT-OMRON-eye-fixations"
LAYOUT = """\
DUT-OMRON-image/NAME.jpg                    from DUT-OMRON-image.zip
DUT-OMRON-eye-fixations/mat/NAME.mat        from DUT-OMRON-eye-fixations.zip
"""
PUBLISHED = Published(
    title="DUT-OMRON",
    where_from=(
        "DUT-OMRON's folder holds DUT-OMRON-image/*.jpg and DUT-OMRON-eye-fixations/mat/*.mat, "
        "from http://saliencydetection.net/dut-omron/"
    ),
    images=5168,
)


def load_dut_omron(root: str | Path) -> EyeTrackingDataset:
    """DUT-OMRON's stimuli with their fixations.

    Args:
        root: The folder that both archives were unpacked in, or the one around it; images may be
            fewer than 5168.

    Raises:
        DataError: If a file is missing, damaged, or does not hold what DUT-OMRON publishes.
        ImageError: If a stimulus is no readable image.
    """
    root = PUBLISHED.find_folder(Path(root), IMAGE_FOLDER)
    paths = PUBLISHED.image_paths(_inner(root / IMAGE_FOLDER, IMAGE_FOLDER))
    sizes = PUBLISHED.sizes(paths, _is_published, f"of at most {LONGEST_SIDE} pixels a side")
    folder = _inner(root / FIXATION_FOLDER, FIXATION_FOLDER) / "mat"
    tables = [
        _table(folder / f"{path.stem}.mat", size) for path, size in zip(paths, sizes, strict=True)
    ]
    fixations, dropped = drop_outside(join_tables(tables), sizes)
    return EyeTrackingDataset(
        name="dut-omron",
        stimuli=Stimuli(tuple(paths), sizes, read_image),
        fixations=fixations,
        starts_at_center=False,
        px_per_dva=None,
        dropped_fixations=dropped,
    )


def _inner(folder: Path, name: str) -> Path:
    """`folder`, or the folder of the same name that some unpackers put into it."""
    return folder / name if (folder / name).is_dir() else folder


def _is_published(size: Size) -> bool:
    return max(size) <= LONGEST_SIDE


def _table(path: Path, size: Size) -> Table:
    content = read_mat(path, "s", PUBLISHED)
    with PUBLISHED.as_published(path, "table 's'"):
        rows = rows_of(content, 3)[:, :3]
        is_size = rows[:, 2] == 0
        if rows[is_size, :2].tolist() != [[size[1], size[0]]]:
            raise ValueError(
                f"observer 0 has {rows[is_size, :2].tolist()}, expected the image's width and "
                f"height, {size[1]} and {size[0]}"
            )
        x, y, observer = rows[~is_size].T
        scanpaths = [
            scanpath_table(int(who) - 1, x[observer == who] + 0.5, y[observer == who] + 0.5)
            for who in np.unique(observer)
        ]
        return np.concatenate([np.zeros((0, 5)), *scanpaths])
