"""Segments of an image: which pixels belong together."""

from foregaze.segmentation.registry import SEGMENTERS, make_segmenter
from foregaze.segmentation.segmenter import Segmenter, Segments, in_order
from foregaze.segmentation.store import SegmentStore, segment_key

__all__ = [
    "SEGMENTERS",
    "SegmentStore",
    "Segmenter",
    "Segments",
    "in_order",
    "make_segmenter",
    "segment_key",
]
