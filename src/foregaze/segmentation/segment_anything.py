"""Segment Anything's segments of everything: the best of what belongs to a grid of points.

Regions are proposed and filtered as in the authors' automatic generator (Kirillov et al., 2023,
arXiv:2304.02643), with the thresholds of Morello's thesis (2025), then chosen as there.

Deviations: single precision in place of half; regions are painted from the largest to the
smallest, so that small ones survive, where the thesis lets worse ones overwrite better ones
(`order="score"`). Images above `longest_px` are segmented at that size. `N` regions, `h w` the size
at which they are.
"""

from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field

from foregaze.backbones.segment_anything import (
    Proposals,
    SegmentAnythingNetwork,
    point_grid,
)
from foregaze.config import Config
from foregaze.ops.cells import cell_of_pixels
from foregaze.ops.regions import (
    boxes_of,
    by_falling_area,
    distinct_boxes,
    keep_best,
    paint_regions,
    without_specks,
)
from foregaze.segmentation.segmenter import Segmenter, Segments
from foregaze.types import ImageArray, Size

_STABILITY_OFFSET = 1.0
"""By which logits' threshold is moved either way to see whether a region stays the same."""


class SegmentAnythingConfig(Config):
    """Settings."""

    model: str = "facebook/sam-vit-large"
    """A repository of the Hugging Face hub with a model of Segment Anything or Segment Anything 2,
    such as facebook/sam2.1-hiera-large, or a folder with such files."""
    segments: int = Field(16, ge=1)
    """At most, with what belongs to no region."""
    points_per_side: int = Field(32, ge=1)
    points_per_batch: int = Field(64, ge=1)
    """More are faster and take more memory."""
    pred_iou: float = 0.86
    """Regions of which the network expects no more overlap with a true one are left out."""
    stability: float = Field(0.92, ge=0, le=1)
    """So are those that overlap less with themselves where their border is drawn closer."""
    most_box_overlap: float = Field(0.7, ge=0, le=1)
    """Intersection over union that the boxes of two regions may have."""
    smallest_part_px: int = Field(100, ge=0)
    """Holes and parts of a region below this area are filled and removed."""
    min_area: float = Field(0.0005, ge=0, lt=1)
    """Share of the image that a region has at least."""
    most_overlap: float = Field(0.8, ge=0, le=1)
    """Intersection over union that two regions may have."""
    order: Literal["area", "score"] = "area"
    """Which regions are painted first, and lie under others: large ones, or good ones."""
    longest_px: int = Field(1024, ge=16)
    """Segments are made with at most this many pixels on the image's long side."""
    device: str = "auto"
    """Such as cpu or cuda; auto takes cuda where it is. Numbers differ slightly between devices."""


class SegmentAnything(Segmenter):
    """The segmenter. Id 0 is what belongs to no region; others count regions as they are painted.

    A region that others cover altogether has no pixel.

    Raises:
        ConfigError: If transformers is not installed, or there is no such device.
        WeightsError: If the model is not there, or cannot be downloaded.
    """

    name = "segment-anything"
    Config = SegmentAnythingConfig
    config: SegmentAnythingConfig

    def __init__(self, config: SegmentAnythingConfig) -> None:
        super().__init__(config)
        self.network = SegmentAnythingNetwork(config.model, config.device)

    def segments(self, image: ImageArray, name: str | None = None) -> Segments:
        """See `Segmenter`."""
        height, width = image.shape[:2]
        factor = min(1.0, self.config.longest_px / max(height, width))
        size = max(1, round(height * factor)), max(1, round(width * factor))
        regions, scores = self._propose(self.network.on(image), size)
        kept = keep_best(
            regions,
            scores,
            self.config.segments - 1,
            smallest_share=self.config.min_area,
            most_overlap=self.config.most_overlap,
        )
        regions = regions[kept]
        if self.config.order == "area":
            regions = regions[by_falling_area(regions)]
        rows, columns = cell_of_pixels(height, size[0]), cell_of_pixels(width, size[1])
        ids: Segments = paint_regions(regions)[np.ix_(rows, columns)]
        return ids

    def _propose(
        self, proposals: Proposals, size: Size
    ) -> tuple[Bool[np.ndarray, "N h w"], Float[np.ndarray, " N"]]:
        """Regions, cleaned, no two alike in where they are, and how good they are."""
        packed, scores, boxes = [], [], []
        points = point_grid(self.config.points_per_side)
        for start in range(0, len(points), self.config.points_per_batch):
            batch = points[start : start + self.config.points_per_batch]
            some, some_scores = self._stable(*proposals(batch, size, self.config.pred_iou))
            packed.append(np.packbits(some, axis=-1))  # there may be thousands
            scores.append(some_scores)
            boxes.append(boxes_of(some))
        score = np.concatenate(scores)
        best = distinct_boxes(np.concatenate(boxes), score, self.config.most_box_overlap)
        regions = np.unpackbits(np.concatenate(packed)[best], axis=-1, count=size[1]).astype(bool)
        return self._clean(regions, score[best])

    def _stable(
        self, logits: torch.Tensor, scores: torch.Tensor
    ) -> tuple[Bool[np.ndarray, "N h w"], Float[np.ndarray, " N"]]:
        """Regions that hardly change with the threshold."""
        inner = (logits > _STABILITY_OFFSET).sum((1, 2))
        outer = (logits > -_STABILITY_OFFSET).sum((1, 2))
        stable = inner >= self.config.stability * outer.clamp(min=1)
        return (logits[stable] > 0).numpy(), scores[stable].double().numpy()

    def _clean(
        self, regions: Bool[np.ndarray, "N h w"], scores: Float[np.ndarray, " N"]
    ) -> tuple[Bool[np.ndarray, "N h w"], Float[np.ndarray, " N"]]:
        """Without specks; of regions that are then alike those that had none come first."""
        if not self.config.smallest_part_px:
            return regions, scores
        cleaned = np.array(
            [without_specks(region, self.config.smallest_part_px) for region in regions],
            dtype=bool,
        ).reshape(regions.shape)
        unchanged = (cleaned == regions).all((1, 2)).astype(np.float64)
        best = distinct_boxes(boxes_of(cleaned), unchanged, self.config.most_box_overlap)
        return cleaned[best], scores[best]

    @cached_property
    def made_with(self) -> dict[str, str]:
        """See `Segmenter`."""
        return {"torch": torch.__version__, **self.network.made_with}
