"""The option --segments: where the segments of the predicted images are."""

from collections.abc import Callable
from pathlib import Path

from foregaze.errors import DataError

_ENDINGS = ("-ids", "")
"""Behind an image's stem, in the names of maps; the first is that of `foregaze segment`."""


def maps_of_images(given: Path | None) -> Callable[[Path], Path | None]:
    """For the path of an image, the file with its segments.

    Args:
        given: A file for the one image, or a folder with a map for each; None for the model's own
            segmenter.

    Raises:
        DataError: From what is returned, if there is no map for an image, or more than one.
    """
    if given is None:
        return lambda _: None
    folder = given
    return (lambda image: _map_of(image, folder)) if folder.is_dir() else (lambda _: folder)


def _map_of(image: Path, folder: Path) -> Path:
    from foregaze.segment_maps import SEGMENT_MAP_SUFFIXES, segment_map_at

    for ending in _ENDINGS:
        found = segment_map_at(folder / f"{image.stem}{ending}", besides=image)
        if found is not None:
            return found
    names = [f"{image.stem}{e}{suffix}" for e in _ENDINGS for suffix in SEGMENT_MAP_SUFFIXES]
    raise DataError(f"{image}: has no segment map in {folder}; expected {' or '.join(names)}")
