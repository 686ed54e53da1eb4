"""Segments of a recipe's images, made once, and which of the store's values are theirs."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from foregaze.errors import DataError, OutputError
from foregaze.files import write_whole
from foregaze.models.guided import SpadeConfig
from foregaze.segmentation import Segmenter, Segments, SegmentStore, make_segmenter, segment_key
from foregaze.types import EyeTrackingDataset

SEGMENT_KEYS = "segments.json"
"""File of a run with the key of each image's segments, by the image's name."""


def segmenter_of(config: SpadeConfig) -> Segmenter:
    """A model's own."""
    return make_segmenter(config.segmenter, **config.segmenter_settings)


def segment_images(
    config: SpadeConfig, dataset: EyeTrackingDataset, store: Path, images: Sequence[int]
) -> dict[str, str]:
    """Make and store the segments of some images, where they are not there yet.

    Returns:
        Their keys as hexadecimal text, by the images' names.

    Raises:
        DataError: If an image has more segments than the model takes.
    """
    segmenter, segments = segmenter_of(config), SegmentStore(store)
    keys = {}
    for number in images:
        name, image = dataset.stimuli.names[number], dataset.stimuli[number]
        ids = segments.segments(segmenter, image, name)
        if ids.max() >= config.most_segments:
            raise DataError(
                f"{name}: has a segment with the id {ids.max()}, and the model takes ids below "
                f"{config.most_segments}: set most_segments, or fewer segments"
            )
        keys[name] = segment_key(segmenter.provenance(image, name)).hex()
    segments.close()
    return keys


def write_segment_keys(output: Path, keys: dict[str, str]) -> None:
    """Leave the keys in a run's folder."""
    write_whole(output / SEGMENT_KEYS, json.dumps(keys, indent=1, sort_keys=True))


def read_segment_keys(output: Path) -> dict[str, bytes]:
    """The keys that a run's folder holds.

    Raises:
        OutputError: If it holds none.
    """
    try:
        found = json.loads((output / SEGMENT_KEYS).read_text())
    except (OSError, ValueError) as error:
        raise OutputError(f"{output / SEGMENT_KEYS}: cannot be read ({error})") from error
    return {name: bytes.fromhex(key) for name, key in found.items()}


def stored_segments(
    output: Path, store: Path, dataset: EyeTrackingDataset
) -> Callable[[int], Segments]:
    """What gives the segments of the image with an index.

    Args:
        output: A run's folder.
        store: The segment store.
        dataset: Images.
    """
    keys, segments = read_segment_keys(output), SegmentStore(store)

    def of(image: int) -> Segments:
        name = dataset.stimuli.names[image]
        found = segments.get(keys[name]) if name in keys else None
        if found is None:
            raise DataError(f"{name}: has no segments in {store}")
        return found

    return of
