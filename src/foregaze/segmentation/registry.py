"""Segmenters by their names."""

from typing import Any

from foregaze.config import make_config
from foregaze.errors import UnknownNameError
from foregaze.segmentation.felzenszwalb import Felzenszwalb
from foregaze.segmentation.kmeans import KMeans
from foregaze.segmentation.segmenter import Segmenter
from foregaze.segmentation.slic import Slic

SEGMENTERS: dict[str, type[Felzenszwalb] | type[KMeans] | type[Slic]] = {
    kind.name: kind for kind in (Felzenszwalb, KMeans, Slic)
}
"""What `make_segmenter` knows."""


def make_segmenter(name: str, **settings: Any) -> Segmenter:
    """A segmenter, ready for images of any size.

    Args:
        name: A key of `SEGMENTERS`.
        settings: Of its `Config`, such as `segments=64`.

    Raises:
        UnknownNameError: If there is no such segmenter.
        ConfigError: If it has no such setting, or a value is impossible.
        WeightsError: If its backbone's weights are not there.
    """
    if name not in SEGMENTERS:
        raise UnknownNameError("segmenter", name, SEGMENTERS)
    kind: Any = SEGMENTERS[name]
    segmenter: Segmenter = kind(make_config(kind.Config, settings, name))
    return segmenter
