"""Data sets in pysaliency's HDF5 files, as its loaders and its `to_hdf5` write them.

Files of pysaliency 0.2 and of its development version 0.3 are read; what is written, both read.
pysaliency itself is not needed. Positions mean the same in both programs (pixel i covers
[i, i+1)) and are kept: data that pysaliency leaves unshifted from MATLAB's pixels (OSIE, MIT1003,
FIGRIM, DUT-OMRON, CAT2000 1.0) arrive unshifted, and those from which it subtracts 1 (SALICON,
PASCAL-S, Koehler, CAT2000 1.1) so. Our own loaders subtract 0.5.

The files do not say everything: `dataset.yaml`, beside them, may say the rest.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import yaml
from jaxtyping import Int
from pydantic import Field

from foregaze.config import Config, read_config
from foregaze.data.pysaliency_fixations import (
    read_fixations,
    repeated_scanpaths,
    write_fixations,
)
from foregaze.data.pysaliency_stimuli import (
    IMAGE_FOLDER,
    read_stimuli,
    shared_names,
    write_stimuli,
)
from foregaze.errors import DataError
from foregaze.files import whole_folder
from foregaze.types import EyeTrackingDataset, Fixations, drop_outside

STIMULI_FILE = "stimuli.hdf5"
FIXATIONS_FILE = "fixations.hdf5"
SETTINGS_FILE = "dataset.yaml"
LAYOUT = """\
stimuli.hdf5                stimuli: names of image files, or the images themselves
fixations.hdf5              fixations or scanpaths
...                         image files, where stimuli.hdf5 names them
dataset.yaml                if anything else is known: name, starts_at_center, px_per_dva, blur_px,
                            same_picture, first_viewing_only
"""


class PysaliencyConfig(Config):
    """What `dataset.yaml` says beside pysaliency's files."""

    name: str = "pysaliency"
    starts_at_center: bool = False
    """Viewers started at a forced center point, and the files hold those first fixations.

    False by default, as pysaliency scores whatever fixations it is given.
    """
    px_per_dva: Annotated[float, Field(gt=0)] | None = None
    """Stimulus pixels per degree of visual angle."""
    blur_px: Annotated[float, Field(gt=0)] | None = None
    """Kernel of empirical maps, where a benchmark fixes it."""
    same_picture: tuple[tuple[str, ...], ...] = ()
    """Groups of image names that show one picture, which folds keep together."""
    dropped_fixations: Annotated[int, Field(ge=0)] = 0
    """Fixations outside their image that the file does not hold any more."""
    first_viewing_only: bool = False
    """Keep the first scanpath of each observer on each image, where there are several."""
    names_from: str | None = None
    """Folder, seen from this one, that image names begin below."""


def load_pysaliency(
    stimuli_path: str | Path,
    fixations_path: str | Path,
    *,
    starts_at_center: bool,
    name: str = "pysaliency",
    px_per_dva: float | None = None,
    blur_px: float | None = None,
    same_picture: Sequence[Sequence[str]] = (),
    first_viewing_only: bool = False,
    names_from: str | Path | None = None,
) -> EyeTrackingDataset:
    """A data set from two HDF5 files of pysaliency.

    Observers are pysaliency's subjects, durations its attribute `durations` or `duration`,
    categories its stimulus attribute `category`. A fixation's order is its place in its scanpath;
    in files of single fixations, the number of earlier ones that the file tells of it.

    Args:
        stimuli_path: `FileStimuli` or `Stimuli`; images inside the file are read when asked for.
        fixations_path: `FixationTrains`, `ScanpathFixations`, `Scanpaths` or `Fixations`.
        starts_at_center: First fixations (order 0) are forced ones, so history and no evidence.
            The files do not tell.
        name: What the data set is called in reports.
        px_per_dva: Stimulus pixels per degree of visual angle.
        blur_px: Kernel of empirical maps, where a benchmark fixes it.
        same_picture: Groups of image names that show one picture.
        first_viewing_only: Where an observer has several scanpaths on one image, keep the first;
            they are refused else, as fixations would have no one history.
        names_from: Folder that names of image files begin below; by default the folders that all
            of them share are left out, as in the files of predictions that pysaliency writes.

    Raises:
        DataError: If a file is missing, damaged, of a type or version that is not known, or does
            not fit the other one.
        ImageError: If a stimulus is no readable image.
    """
    stimuli_path, fixations_path = Path(stimuli_path), Path(fixations_path)
    folder = None if names_from is None else Path(names_from).absolute()
    stimuli, categories = read_stimuli(stimuli_path, folder)
    fixations, scanpath = read_fixations(fixations_path)
    unknown = fixations.image >= len(stimuli)
    if unknown.any():
        raise DataError(
            f"{fixations_path}: has a fixation on image {fixations.image[unknown][0]}, but "
            f"{stimuli_path} holds {len(stimuli)} stimuli, numbered from 0"
        )
    fixations = _first_viewings(
        fixations_path, fixations, scanpath, stimuli.names, first_viewing_only
    )
    inside, dropped = drop_outside(fixations, stimuli.sizes)
    if not len(inside):
        raise DataError(f"{fixations_path}: holds no fixations inside an image ({dropped} outside)")
    return EyeTrackingDataset(
        name=name,
        stimuli=stimuli,
        fixations=inside,
        starts_at_center=starts_at_center,
        px_per_dva=px_per_dva,
        dropped_fixations=dropped,
        same_picture=tuple(map(tuple, same_picture)),
        categories=categories,
        blur_px=blur_px,
    )


def load_pysaliency_folder(root: str | Path) -> EyeTrackingDataset:
    """A data set from a folder with `stimuli.hdf5`, `fixations.hdf5` and perhaps `dataset.yaml`.

    Args:
        root: The folder, such as one that a loader of pysaliency has made.

    Raises:
        DataError: As `load_pysaliency`.
        ConfigError: If `dataset.yaml` is not as described in `PysaliencyConfig`.
        ImageError: If a stimulus is no readable image.
    """
    root = Path(root)
    for needed in (STIMULI_FILE, FIXATIONS_FILE):
        if not (root / needed).is_file():
            raise DataError(
                f"{root / needed}: no such file; a folder of pysaliency holds {STIMULI_FILE} and "
                f"{FIXATIONS_FILE} (other names: foregaze.data.load_pysaliency)"
            )
    settings = PysaliencyConfig()
    if (root / SETTINGS_FILE).exists():
        settings = read_config(PysaliencyConfig, root / SETTINGS_FILE)
    dataset = load_pysaliency(
        root / STIMULI_FILE,
        root / FIXATIONS_FILE,
        starts_at_center=settings.starts_at_center,
        name=settings.name,
        px_per_dva=settings.px_per_dva,
        blur_px=settings.blur_px,
        same_picture=settings.same_picture,
        first_viewing_only=settings.first_viewing_only,
        names_from=None if settings.names_from is None else root / settings.names_from,
    )
    return replace(
        dataset, dropped_fixations=dataset.dropped_fixations + settings.dropped_fixations
    )


def save_pysaliency(dataset: EyeTrackingDataset, folder: str | Path) -> None:
    """Write a data set for pysaliency: `FileStimuli` 2.1 and `FixationTrains` 1.2.

    Image files are copied as they are into `stimuli/`; images that lie inside an HDF5 file stay
    inside one (`Stimuli` 1.1). `load_pysaliency_folder` gives the same data set back, with its
    fixations scanpath by scanpath; what pysaliency's files cannot say is in `dataset.yaml`.

    Args:
        dataset: What to write.
        folder: A folder that is not there yet, or empty.

    Raises:
        OutputError: If the folder holds anything, or cannot be written.
        DataError: If pysaliency's files cannot hold the data set.
    """
    if not len(dataset.fixations):
        raise DataError(f"{dataset.name}: has no fixations to save")
    with whole_folder(Path(folder)) as unfinished:
        write_stimuli(dataset, unfinished / STIMULI_FILE)
        write_fixations(dataset.fixations, unfinished / FIXATIONS_FILE)
        content = _settings(dataset).model_dump(mode="json", exclude_defaults=True)
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        (unfinished / SETTINGS_FILE).write_text(text, encoding="utf-8")


def _settings(dataset: EyeTrackingDataset) -> PysaliencyConfig:
    names = dataset.stimuli.names
    return PysaliencyConfig(
        name=dataset.name,
        starts_at_center=dataset.starts_at_center,
        px_per_dva=dataset.px_per_dva,
        blur_px=dataset.blur_px,
        same_picture=dataset.same_picture,
        dropped_fixations=dataset.dropped_fixations,
        names_from=None if shared_names(names) == names else IMAGE_FOLDER,
    )


def _first_viewings(
    path: Path,
    fixations: Fixations,
    scanpath: Int[np.ndarray, " N"],
    names: Sequence[str],
    first_viewing_only: bool,
) -> Fixations:
    repeated = repeated_scanpaths(fixations, scanpath)
    if not repeated.any() or first_viewing_only:
        return fixations.where(~repeated)
    row = int(np.flatnonzero(repeated)[0])
    raise DataError(
        f"{path}: observer {fixations.observer[row]} has several scanpaths on "
        f"{names[fixations.image[row]]}; first_viewing_only: true in {SETTINGS_FILE}, or as an "
        "argument of load_pysaliency, keeps the first of each observer and image"
    )
