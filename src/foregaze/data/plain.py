"""The plain form: a folder of images, one table of fixations, and what is known of them.

Layout: `images/` with the stimuli, in sub-folders if need be; `fixations.csv` or
`fixations.parquet` with the columns image, observer, x, y and, if known, duration_ms, order and
category; and, if anything is known, `dataset.yaml`. Images are named relative to `images/`. x and
y are pixels from the top-left corner; pixel i covers [i, i+1). Without a column order, the rows of
an observer on an image are in viewing order.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import numpy as np
import yaml
from jaxtyping import Int
from PIL import Image
from pydantic import Field

from foregaze.config import Config, read_config
from foregaze.data.columns import (
    Columns,
    duration_column,
    first_duplicate,
    image_column,
    number_column,
    text_column,
    whole_number_column,
)
from foregaze.data.plain_table import find_table, observer_column, read_table
from foregaze.data.published import natural_order
from foregaze.errors import DataError
from foregaze.files import whole_folder
from foregaze.images import image_size, read_image
from foregaze.types import EyeTrackingDataset, Fixations, Stimuli, drop_outside

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
SETTINGS_FILE = "dataset.yaml"
LAYOUT = """\
images/                     stimuli (png, jpg, jpeg, tif, tiff, bmp, webp), also in sub-folders
fixations.csv               or fixations.parquet: image, observer, x, y, and if known duration_ms,
                            order, category
dataset.yaml                if anything is known: name, description, px_per_dva, starts_at_center,
                            ordered, same_picture
"""


class PlainConfig(Config):
    """What `dataset.yaml` says."""

    name: str = "plain"
    description: str = ""
    px_per_dva: Annotated[float, Field(gt=0)] | None = None
    """Stimulus pixels per degree of visual angle."""
    blur_px: Annotated[float, Field(gt=0)] | None = None
    """Kernel of empirical maps, where a benchmark fixes it."""
    starts_at_center: bool = False
    """Viewers started at a forced center point: first fixations are history, not evidence."""
    ordered: bool = True
    """Whether viewing order is known; if not, fixations have no history."""
    dropped_fixations: Annotated[int, Field(ge=0)] = 0
    """Fixations outside their image that the table does not hold any more."""
    same_picture: tuple[tuple[str, ...], ...] = ()
    """Groups of image names that show one picture, which folds keep together."""


def load_plain(root: str | Path) -> EyeTrackingDataset:
    """A data set in the plain form.

    Args:
        root: The folder that holds images/ and the table.

    Raises:
        DataError: If the folder or its table is not as described above, in one line.
        ConfigError: If `dataset.yaml` is not.
        ImageError: If a stimulus is no readable image.
    """
    root = Path(root)
    stimuli = _stimuli(root / "images")
    settings = PlainConfig()
    if (root / SETTINGS_FILE).exists():
        settings = read_config(PlainConfig, root / SETTINGS_FILE)
    path = find_table(root)
    columns = read_table(path)
    fixations = _fixations(path, columns, stimuli, settings)
    _check_duplicates(path, fixations, "order" in columns)
    inside, dropped = drop_outside(fixations, stimuli.sizes)
    if not len(inside):
        raise DataError(f"{path}: all {dropped} fixations lie outside their image")
    return EyeTrackingDataset(
        name=settings.name,
        stimuli=stimuli,
        fixations=inside,
        starts_at_center=settings.starts_at_center,
        px_per_dva=settings.px_per_dva,
        dropped_fixations=dropped + settings.dropped_fixations,
        same_picture=settings.same_picture,
        categories=_categories(path, columns, fixations.image, stimuli),
        blur_px=settings.blur_px,
    )


def save_plain(
    dataset: EyeTrackingDataset, folder: str | Path, table: Literal["csv", "parquet"] = "csv"
) -> None:
    """Write any data set in the plain form; image files are copied as they are.

    Images that are no files of their own, as inside pysaliency's HDF5 files, become PNG files with
    the pixels that are read, and get names that end so. A category is written with the fixations,
    so that of an image without any is lost.

    Args:
        dataset: What to write.
        folder: A folder that is not there yet, or empty.
        table: Format of the table of fixations.

    Raises:
        OutputError: If the folder holds anything, or cannot be written.
        DataError: If the plain form cannot hold the data set.
        ImageError: If an image is missing or damaged.
    """
    names = _saved_names(dataset.stimuli)
    settings = _settings(dataset, names)
    _check_savable(dataset, names, settings)
    with whole_folder(Path(folder)) as unfinished:
        _write_images(dataset.stimuli, unfinished / "images", names)
        content = settings.model_dump(mode="json", exclude_defaults=True)
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        (unfinished / SETTINGS_FILE).write_text(text, encoding="utf-8")
        path = unfinished / f"fixations.{table}"
        _write_table(dataset, names, path, ordered=settings.ordered)


def _stimuli(folder: Path) -> Stimuli:
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; the plain form is a folder with images/ and "
            "fixations.csv or fixations.parquet (see: foregaze datasets plain)"
        )
    paths = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not paths:
        raise DataError(f"{folder}: no images ({', '.join(s[1:] for s in SUFFIXES)})")
    paths.sort(key=lambda path: natural_order(path.relative_to(folder)))
    return Stimuli(tuple(paths), tuple(image_size(path) for path in paths), read_image, folder)


def _fixations(path: Path, columns: Columns, stimuli: Stimuli, settings: PlainConfig) -> Fixations:
    image = image_column(path, columns, stimuli.names, "images/")
    observer = observer_column(path, columns)
    if "order" in columns and not settings.ordered:
        raise DataError(f"{path}: has a column 'order', but {SETTINGS_FILE} says ordered: false")
    if "order" in columns:
        order = whole_number_column(path, columns, "order", lowest=0)
    else:
        order = _place_of_rows(image, observer) if settings.ordered else np.zeros_like(image)
    return Fixations(
        image=image,
        observer=observer,
        order=order,
        x=number_column(path, columns, "x"),
        y=number_column(path, columns, "y"),
        duration_ms=duration_column(path, columns, len(image)),
    )


def _place_of_rows(
    image: Int[np.ndarray, " N"], observer: Int[np.ndarray, " N"]
) -> Int[np.ndarray, " N"]:
    """Place of each row among those of its image and observer."""
    by_scanpath = np.lexsort((observer, image))  # stable: rows stay in their order
    begins = np.append(
        True, (np.diff(image[by_scanpath]) != 0) | (np.diff(observer[by_scanpath]) != 0)
    )
    starts = np.flatnonzero(begins)
    place = np.arange(len(image)) - np.repeat(starts, np.diff([*starts, len(image)]))
    order = np.empty(len(image), dtype=np.int64)
    order[by_scanpath] = place
    return order


def _check_duplicates(path: Path, fixations: Fixations, has_order: bool) -> None:
    """Refuse a fixation that is there twice; without a column order, its position tells."""
    f = fixations
    keys = [f.image, f.observer, f.order] if has_order else [f.image, f.observer, f.x, f.y]
    if twice := first_duplicate(keys):
        what = "image, observer and order" if has_order else "image, observer, x and y"
        raise DataError(f"{path}: rows {twice[0] + 1} and {twice[1] + 1} have the same {what}")


def _categories(
    path: Path, columns: Columns, image: Int[np.ndarray, " N"], stimuli: Stimuli
) -> tuple[str, ...]:
    """One category for each stimulus; empty for one without fixations."""
    if "category" not in columns:
        return ()
    categories = [""] * len(stimuli)
    for row, category in enumerate(text_column(path, columns, "category")):
        first = categories[image[row]] or category
        if category != first:
            raise DataError(
                f"{path}: row {row + 1} puts {stimuli.names[image[row]]} in category "
                f"{category!r}, an earlier one in {first!r}"
            )
        categories[image[row]] = category
    return tuple(categories)


def _saved_names(stimuli: Stimuli) -> tuple[str, ...]:
    """Names of the image files that are written."""
    return tuple(
        name if path.is_file() else _png_name(name)
        for name, path in zip(stimuli.names, stimuli.paths, strict=True)
    )


def _png_name(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(".png")) if _is_image(name) else f"{name}.png"


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _settings(dataset: EyeTrackingDataset, names: Sequence[str]) -> PlainConfig:
    f = dataset.fixations
    saved = dict(zip(dataset.stimuli.names, names, strict=True))
    return PlainConfig(
        name=dataset.name,
        px_per_dva=dataset.px_per_dva,
        blur_px=dataset.blur_px,
        starts_at_center=dataset.starts_at_center,
        ordered=bool(f.order.any() or first_duplicate([f.image, f.observer, f.order]) is None),
        dropped_fixations=dataset.dropped_fixations,
        same_picture=tuple(
            tuple(saved.get(name, name) for name in group) for group in dataset.same_picture
        ),
    )


def _check_savable(
    dataset: EyeTrackingDataset, names: Sequence[str], settings: PlainConfig
) -> None:
    f = dataset.fixations
    if not len(f):
        raise DataError(f"{dataset.name}: has no fixations to save")
    for name in names:
        if not _is_image(name):
            raise DataError(f"{name}: the plain form holds images of {', '.join(SUFFIXES)}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{dataset.name}: two stimuli are called {twice}")
    if settings.ordered and (twice_at := first_duplicate([f.image, f.observer, f.order])):
        name = names[f.image[twice_at[1]]]
        raise DataError(f"{dataset.name}: two fixations on {name} have one observer and order")


def _write_images(stimuli: Stimuli, folder: Path, names: Sequence[str]) -> None:
    for index, (name, path) in enumerate(zip(names, stimuli.paths, strict=True)):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            shutil.copyfile(path, target)
        else:
            Image.fromarray(stimuli[index]).save(target)


def _write_table(
    dataset: EyeTrackingDataset, names: Sequence[str], path: Path, *, ordered: bool
) -> None:
    import pyarrow
    from pyarrow import csv, parquet

    f = dataset.fixations
    columns = {
        "image": pyarrow.array(names).take(pyarrow.array(f.image)),
        "observer": pyarrow.array(f.observer),
        "x": pyarrow.array(f.x.astype(np.float64)),
        "y": pyarrow.array(f.y.astype(np.float64)),
    }
    if not np.isnan(f.duration_ms).all():
        durations = f.duration_ms.astype(np.float64)
        columns["duration_ms"] = pyarrow.array(durations, from_pandas=True)  # NaN is missing
    if ordered:
        columns["order"] = pyarrow.array(f.order)
    if dataset.categories:
        columns["category"] = pyarrow.array(dataset.categories).take(pyarrow.array(f.image))
    table = pyarrow.table(columns)
    if path.suffix == ".csv":
        csv.write_csv(table, path)
    else:
        parquet.write_table(table, path)
