"""SALICON: 20000 photographs of MS COCO, 640x480, with mouse-contingent "fixations".

Jiang, Huang, Duan & Zhao (2015), "SALICON: Saliency in context", CVPR. 10000 images for training,
5000 for validation (5000 for testing come without data). Layout: `images/SPLIT/COCO_*.jpg` and
`fixations/SPLIT/COCO_*.mat`, whose struct array `gaze` holds for each crowd worker `location` (the
mouse at each sample), `timestamp` and `fixations`. Two editions share this layout and cannot be
told apart by it: that of 2015, whose fixations are the samples between fast movements, many in a
row, and that of 2017, whose fixations are single points. The 2015 edition also came as
`fixations_SPLIT2014.json` (annotations of row, column), which is read where `fixations/` is not
there.

Numbers of pixels start at 1: 0.5 is subtracted. Observers are numbered for each image, as the
MATLAB files name nobody. All fixations are kept, and evidence: that a trace starts at the center
is not published with the data. Nor are durations and pixels per degree. Columns are 32-bit, as
the 2015 training set has tens of millions of rows.
"""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.io
from jaxtyping import Float, Num

from foregaze.data.matlab import MATLAB_OFFSET_PX, check_readable
from foregaze.data.published import Published
from foregaze.data.tables import MOUSE_SKIPPED, MOUSE_STEP
from foregaze.errors import DataError
from foregaze.images import read_image
from foregaze.types import EyeTrackingDataset, Fixations, Stimuli, drop_outside

Edition = Literal["2015", "2017"]
Split = Literal["train", "val"]
Recording = Literal["fixations", "mouse"]

IMAGES = {"train": 10000, "val": 5000}
SIZE = (480, 640)
LAYOUT = """\
images/SPLIT/COCO_*.jpg         from images.zip; SPLIT is train or val
fixations/SPLIT/COCO_*.mat      from fixations.zip of the edition, unpacked in a folder fixations/
fixations_SPLIT2014.json        the 2015 edition as JSON, used where fixations/ is not there; here
                                or in annotations/
"""

Row = tuple[int, Num[np.ndarray, " _"], Float[np.ndarray, "_ 2"]]
"""Observer, order and position (x, y) of one trace."""


def load_salicon(
    root: str | Path, edition: Edition, split: Split, recording: Recording = "fixations"
) -> EyeTrackingDataset:
    """SALICON's stimuli with the fixations that its authors found in mouse traces, or the traces.

    Args:
        root: The folder with images/ and fixations/, or the one around it; images may be fewer
            than published.
        edition: Which release the folder holds; see above.
        split: "train" or "val".
        recording: "mouse" for every tenth sample of the traces, without the first ten.

    Raises:
        DataError: If a file is missing, damaged, or does not hold what SALICON publishes.
        ImageError: If a stimulus is no readable image.
    """
    published = _published(edition, split)
    root = published.find_folder(Path(root), f"images/{split}")
    paths = published.image_paths(root / "images" / split)
    sizes = published.same_size(paths, SIZE)
    annotations = _json_path(root, split)
    if edition == "2015" and not (root / "fixations").is_dir() and annotations is not None:
        if recording == "mouse":
            raise DataError(f"{annotations}: holds no mouse traces; {published.where_from}")
        traces = _read_json(annotations, paths, published)
    else:
        folder = root / "fixations" / split
        traces = [_read_gaze(folder / f"{p.stem}.mat", recording, published) for p in paths]
    fixations, dropped = drop_outside(_join(traces), sizes)
    return EyeTrackingDataset(
        name=f"salicon-{edition}-{split}" + ("-mouse" if recording == "mouse" else ""),
        stimuli=Stimuli(tuple(paths), sizes, read_image),
        fixations=fixations,
        starts_at_center=False,
        px_per_dva=None,
        dropped_fixations=dropped,
    )


def _published(edition: Edition, split: Split) -> Published:
    or_json = f" (or fixations_{split}2014.json)" if edition == "2015" else ""
    return Published(
        title=f"SALICON ({split})",
        where_from=(
            f"SALICON's folder holds images/{split}/*.jpg and fixations/{split}/*.mat{or_json}, "
            f"from http://salicon.net/challenge-{edition}"
        ),
        images=IMAGES[split],
    )


def _json_path(root: Path, split: Split) -> Path | None:
    name = f"fixations_{split}2014.json"
    found = [path for path in (root / name, root / "annotations" / name) if path.is_file()]
    return found[0] if found else None


def _read_gaze(path: Path, recording: Recording, published: Published) -> list[Row]:
    gaze = check_readable(path, published, lambda: scipy.io.loadmat(path))
    if "gaze" not in gaze:
        raise DataError(f"{path}: holds no variable 'gaze'")
    field = "location" if recording == "mouse" else "fixations"
    rows = []
    with published.as_published(path, f"field gaze.{field}"):
        for observer, trace in enumerate(gaze["gaze"][field].ravel()):
            position = _positions(trace)
            order = np.arange(len(position))
            if recording == "mouse":
                position = position[MOUSE_SKIPPED::MOUSE_STEP]
                order = np.arange(len(position))
            rows.append((observer, order, position))
    return rows


def _positions(pixels: Any) -> Float[np.ndarray, "_ 2"]:
    position = np.asarray(pixels, dtype=np.float32)
    if not position.size:
        return np.zeros((0, 2), np.float32)
    if position.ndim != 2 or position.shape[1] != 2:
        raise ValueError(f"shape {position.shape}, expected 2 columns")
    return position - np.float32(MATLAB_OFFSET_PX)


def _read_json(path: Path, images: list[Path], published: Published) -> list[list[Row]]:
    """Traces of each image from the annotations of MS COCO's kind."""
    try:
        with path.open(encoding="utf-8") as file:
            content = json.load(file, object_hook=_compact)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: is not a readable JSON file ({reason})") from error
    of_image: dict[str, list[dict[str, Any]]] = {image.name: [] for image in images}
    with published.as_published(path, "its content"):
        names = {image["id"]: image["file_name"] for image in content["images"]}
        for annotation in content["annotations"]:
            if (name := names[annotation["image_id"]]) in of_image:
                of_image[name].append(annotation)
    missing = [name for name, annotations in of_image.items() if not annotations]
    if missing:
        raise DataError(f"{path}: no fixations for {len(missing)} stimuli, {missing[0]} first")
    traces = []
    for name, annotations in of_image.items():
        with published.as_published(path, f"an annotation of {name}"):
            found = [_positions(a["fixations"])[:, ::-1] for a in annotations]  # row, column
            traces.append([(who, np.arange(len(p)), p) for who, p in enumerate(found)])
    return traces


def _compact(item: dict[str, Any]) -> dict[str, Any]:
    """An annotation whose lists of lists became an array, before the next one is parsed."""
    if "fixations" in item:
        item["fixations"] = np.array(item["fixations"], dtype=np.int32)
    return item


def _join(traces: list[list[Row]]) -> Fixations:
    """The traces of all images, in 32-bit columns."""
    rows = [(image, *row) for image, of_image in enumerate(traces) for row in of_image]
    lengths = [len(position) for *_, position in rows]
    positions = np.concatenate([np.zeros((0, 2), np.float32), *(row[3] for row in rows)])
    orders = np.concatenate([np.zeros(0, np.int32), *(row[2].astype(np.int32) for row in rows)])
    return Fixations(
        image=np.repeat(np.array([row[0] for row in rows], dtype=np.int32), lengths),
        observer=np.repeat(np.array([row[1] for row in rows], dtype=np.int32), lengths),
        order=orders,
        x=np.ascontiguousarray(positions[:, 0]),
        y=np.ascontiguousarray(positions[:, 1]),
        duration_ms=np.full(len(positions), np.nan, dtype=np.float32),
    )
