"""Segment maps that somebody else made: files of whole numbers, one for each image.

In a folder, `<stem>.png` or `<stem>.npy` is the map of the image `<stem>.jpg`; where people drew
the segments, `<stem>/<observer>.png` or `.npy` is what one of them saw. Images in folders, such as
`indoor/1.jpg`, have their maps in folders of the same names.
"""

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Integer
from pydantic import Field

from foregaze.config import Config
from foregaze.errors import DataError
from foregaze.segment_maps import SEGMENT_MAP_SUFFIXES, read_segment_map, segment_map_at
from foregaze.segmentation.segmenter import Segmenter, Segments
from foregaze.types import ImageArray

_LARGEST_ID = int(np.iinfo(np.int32).max)


class MapsConfig(Config):
    """Settings."""

    folder: Path
    """Where the maps are."""
    observer: str | None = Field(None, min_length=1)
    """Whose maps; None where there is one for each image."""
    ending: str = ""
    """What follows an image's stem in a map's name, such as -ids in those of `foregaze segment`."""
    segments: int | None = Field(None, ge=1)
    """Ids are below this number; None takes any."""


class Maps(Segmenter):
    """The segmenter. Ids are those of the files.

    Raises:
        DataError: If there is no such folder; from `segments` and `provenance`, if an image has no
            map, or one that does not fit it.
    """

    name = "maps"
    Config = MapsConfig
    config: MapsConfig

    def __init__(self, config: MapsConfig) -> None:
        super().__init__(config)
        if not config.folder.is_dir():
            raise DataError(f"{config.folder}: no such folder; it is to hold segment maps")

    def segments(self, image: ImageArray, name: str | None = None) -> Segments:
        """See `Segmenter`; without a name there is no map to be found."""
        path = self.path(name)
        ids = read_segment_map(path, (image.shape[0], image.shape[1]))
        self._check_ids(path, ids)
        return ids.astype(np.int32)

    def provenance(self, image: ImageArray, name: str | None = None) -> dict[str, Any]:
        """See `Segmenter`; with the map's own hash."""
        path = self.path(name)
        try:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
        return {**super().provenance(image, name), "map_sha256": content}

    def path(self, name: str | None) -> Path:
        """File with the map of an image.

        Raises:
            DataError: If there is none, or if there are two.
        """
        if name is None:
            raise DataError(
                f"{self.config.folder}: maps are found by the image's name, and none was given"
            )
        image = PurePosixPath(name)
        if image.is_absolute() or ".." in image.parts or not image.stem:
            raise DataError(
                f"image {name!r}: expected its file name, with no more than folders below that of "
                "the images, such as indoor/1.jpg"
            )
        base = str(image.with_suffix("")) + self.config.ending
        if self.config.observer is not None:
            base = f"{base}/{self.config.observer}"
        found = segment_map_at(self.config.folder / base)
        if found is None:
            candidates = [self.config.folder / f"{base}{suffix}" for suffix in SEGMENT_MAP_SUFFIXES]
            raise DataError(
                f"image {name!r} has no segment map; expected {' or '.join(map(str, candidates))}"
                f"{self._hint(base)}"
            )
        return found

    def _hint(self, base: str) -> str:
        """Why a map may be missing, where the folder tells."""
        drawn = self.config.folder / base
        if self.config.observer is None and drawn.is_dir():
            observers = sorted(
                {path.stem for path in drawn.iterdir() if path.suffix in SEGMENT_MAP_SUFFIXES}
            )
            if observers:
                return f"; name an observer, such as observer={observers[0]}"
        return ""

    def _check_ids(self, path: Path, ids: Integer[np.ndarray, "H W"]) -> None:
        low, high = int(ids.min()), int(ids.max())
        if low < 0:
            raise DataError(f"{path}: a segment has the id {low}; ids are 0 or larger")
        limit = self.config.segments
        if limit is not None and high >= limit:
            raise DataError(
                f"{path}: a segment has the id {high}; of {limit} segments the last is "
                f"{limit - 1}: renumber them, or allow more (segments={high + 1})"
            )
        if high > _LARGEST_ID:
            raise DataError(f"{path}: a segment has the id {high}; the largest is {_LARGEST_ID}")

    @property
    def made_with(self) -> dict[str, str]:
        """See `Segmenter`."""
        return {}
