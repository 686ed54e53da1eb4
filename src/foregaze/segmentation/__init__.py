"""Segments of an image: which pixels belong together."""

from foregaze.segmentation.registry import SEGMENTERS, make_segmenter
from foregaze.segmentation.segmenter import Segmenter, Segments

__all__ = ["SEGMENTERS", "Segmenter", "Segments", "make_segmenter"]
