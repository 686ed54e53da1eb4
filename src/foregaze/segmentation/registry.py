"""Segmenters by their names."""

from typing import Any

from foregaze.config import make_config
from foregaze.errors import UnknownNameError
from foregaze.segmentation.felzenszwalb import Felzenszwalb
from foregaze.segmentation.grid import Grid
from foregaze.segmentation.kmeans import KMeans
from foregaze.segmentation.maps import Maps
from foregaze.segmentation.segment_anything import SegmentAnything
from foregaze.segmentation.segmenter import Segmenter
from foregaze.segmentation.slic import Slic

SEGMENTERS: dict[
    str,
    type[Felzenszwalb]
    | type[Grid]
    | type[KMeans]
    | type[Maps]
    | type[SegmentAnything]
    | type[Slic],
] = {kind.name: kind for kind in (Felzenszwalb, Grid, KMeans, Maps, SegmentAnything, Slic)}
"""What `make_segmenter` knows."""


def make_segmenter(name: str, **settings: Any) -> Segmenter:
    """A segmenter, ready for images of any size.

    Args:
        name: A key of `SEGMENTERS`.
        settings: Of its `Config`, such as `segments=64`.

    Raises:
        UnknownNameError: If there is no such segmenter.
        ConfigError: If it has no such setting, or a value is impossible, or if it needs a package
            that is not installed.
        WeightsError: If its network's weights are not there.
        DataError: If it reads a folder that is not there.
    """
    if name not in SEGMENTERS:
        raise UnknownNameError("segmenter", name, SEGMENTERS)
    kind: Any = SEGMENTERS[name]
    segmenter: Segmenter = kind(make_config(kind.Config, settings, name))
    return segmenter
