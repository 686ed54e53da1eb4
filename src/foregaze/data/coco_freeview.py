"""COCO-FreeView: photographs of MS COCO on a 1680x1050 screen, 10 observers, five seconds.

Yang, Mondal, Ahn, Zelinsky, Hoai & Samaras (2023), "Predicting human attention using computational
attention", arXiv:2303.09383; Chen et al. (2022), CVPR Workshops. Layout: the images of
COCO-Search18 (scaled and padded to the screen), `images/TASK/NAME.jpg` from its target-present and
`coco_search18_images_TA/TASK/NAME.jpg` from its target-absent archive, and
`COCOFreeView_fixations_trainval.json`: a list of scanpaths with `name`, `subject` (1 to 10), `X`,
`Y` (pixels), `T` (ms), `length` and `split` ("train", "valid"). Scanpaths of the test images are
withheld. 3714 images are for training and 603 for validation.

An image lies in the folders of several tasks: the copies are one image, and must be the same file.
Positions are real-valued pixels of the screen from its top-left corner and stay as they are, as in
pysaliency. The first fixation is the forced one at the center. Pixels per degree are not given
here. The counts are those that users of the file report; they were not checked against it.
"""

import filecmp
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from foregaze.data.published import Published, visible_files
from foregaze.data.tables import Table, join_tables, scanpath_table
from foregaze.errors import DataError
from foregaze.images import read_image
from foregaze.types import EyeTrackingDataset, Stimuli, drop_outside

Split = Literal["train", "validation"]

IMAGES = {"train": 3714, "validation": 603}
SPLIT_IN_FILE = {"train": "train", "validation": "valid"}
OBSERVERS = 10
SIZE = (1050, 1680)
FIXATION_FILE = "COCOFreeView_fixations_trainval.json"
BLUR_PX = 30.0
"""Kernel of the benchmark's empirical maps."""
LAYOUT = """\
COCOFreeView_fixations_trainval.json        scanpaths
images/TASK/NAME.jpg                        from COCOSearch18-images-TP.zip
coco_search18_images_TA/TASK/NAME.jpg       from COCOSearch18-images-TA.zip
                                            images are found by name, however deep they lie
"""


def load_coco_freeview(root: str | Path, split: Split) -> EyeTrackingDataset:
    """COCO-FreeView's stimuli of one split with their fixations.

    Args:
        root: The folder that the file and both archives are in, or the one around it. Images may be
            fewer than published; those of another split are left out.
        split: "train" or "validation".

    Raises:
        DataError: If a file is missing, damaged, or does not hold what COCO-FreeView publishes.
        ImageError: If a stimulus is no readable image.
    """
    published = _published(split)
    root = published.find_folder(Path(root), FIXATION_FILE)
    of_image = _read_json(root / FIXATION_FILE, SPLIT_IN_FILE[split], published)
    on_disk = _images_by_name(root)
    names = sorted(on_disk.keys() & of_image.keys())
    if not names:
        raise DataError(
            f"{root}: none of the {len(of_image)} images of the {split} split is here; "
            f"{published.where_from}"
        )
    published.check_count(root, len(names))
    paths = [on_disk[name] for name in names]
    sizes = published.same_size(paths, SIZE)
    tables = [np.concatenate(of_image[name]) for name in names]
    fixations, dropped = drop_outside(join_tables(tables), sizes)
    return EyeTrackingDataset(
        name="coco-freeview-train" if split == "train" else "coco-freeview-val",
        stimuli=Stimuli(tuple(paths), sizes, read_image),
        fixations=fixations,
        starts_at_center=True,
        px_per_dva=None,
        dropped_fixations=dropped,
        blur_px=BLUR_PX,
    )


def _published(split: Split) -> Published:
    return Published(
        title=f"COCO-FreeView ({split})",
        where_from=(
            f"COCO-FreeView's folder holds {FIXATION_FILE}, images/<task>/*.jpg and "
            "coco_search18_images_TA/<task>/*.jpg, from "
            "https://sites.google.com/view/cocosearch/coco-freeview"
        ),
        images=IMAGES[split],
    )


def _images_by_name(root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(_images_below(root)):
        first = found.setdefault(path.name, path)
        if first != path and not filecmp.cmp(first, path, shallow=False):
            raise DataError(f"{path}: differs from {first}, which has the same name")
    return found


def _images_below(folder: Path) -> Iterator[Path]:
    yield from visible_files(folder, ".jpg")
    for inner in folder.iterdir():
        if inner.is_dir() and not inner.name.startswith((".", "__MACOSX")):
            yield from _images_below(inner)


def _read_json(path: Path, split: str, published: Published) -> dict[str, list[Table]]:
    """Scanpaths of each image of a split."""
    try:
        scanpaths = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: is not a readable JSON file ({reason})") from error
    if not isinstance(scanpaths, list):
        raise DataError(f"{path}: expected a list of scanpaths, found {type(scanpaths).__name__}")
    of_image: dict[str, list[Table]] = {}
    splits = set()
    for number, scanpath in enumerate(scanpaths):
        with published.as_published(path, f"scanpath {number + 1}"):
            splits.add(str(scanpath["split"]))
            if scanpath["split"] == split:
                of_image.setdefault(str(scanpath["name"]), []).append(_scanpath(scanpath))
    if not of_image:
        found = ", ".join(sorted(splits)) or "none"
        raise DataError(f"{path}: no scanpath of the split {split!r}; its splits: {found}")
    _check_observers(path, of_image)
    return of_image


def _scanpath(scanpath: dict[str, Any]) -> Table:
    if scanpath["subject"] not in range(1, OBSERVERS + 1):
        raise ValueError(f"subject {scanpath['subject']}, expected 1 to {OBSERVERS}")
    x, y, duration_ms = (_column(scanpath[key], scanpath["length"]) for key in ("X", "Y", "T"))
    return scanpath_table(int(scanpath["subject"]) - 1, x, y, duration_ms)


def _column(values: Any, length: int) -> Float[np.ndarray, " N"]:
    column = np.array(values, dtype=np.float64)
    if column.shape != (length,):
        raise ValueError(f"shape {column.shape}, expected a length of {length}")
    return column


def _check_observers(path: Path, of_image: dict[str, list[Table]]) -> None:
    """Refuse two scanpaths of one observer on one image."""
    for name, tables in of_image.items():
        observers = [table[0, 0] for table in tables if len(table)]
        if len(set(observers)) < len(observers):
            twice = next(who for who in observers if observers.count(who) > 1)
            raise DataError(f"{path}: {name} has two scanpaths of subject {twice + 1:g}")
