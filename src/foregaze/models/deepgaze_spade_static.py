"""DeepGaze III-SPADE, static: a learned vector for each segment's number.

Morello's thesis (2025). The table of vectors is the same for all images, though segment 5 is a face
in one and a tire in another; it is what painting is compared with. Ids beyond the table are refused
(its code moved them to the last one).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from foregaze.models.deepgaze_config import BackboneConfig
from foregaze.models.guided import DENSENET, Frozen, GuidedHead, SegmentModel, SpadeConfig
from foregaze.models.scene import Guide


class DeepGazeSpadeStaticConfig(SpadeConfig):
    """The model as in the thesis."""

    backbones: tuple[BackboneConfig, ...] = (DENSENET,)
    readout_factor: float | None = Field(4.0, gt=0)
    most_segments: int = Field(16, ge=1)
    embedding: int = Field(128, ge=1)
    """Numbers in each vector."""


class DeepGazeSpadeStaticHead(GuidedHead):
    """Guided by the vectors of the segments at the cells' centers."""

    def __init__(
        self, config: DeepGazeSpadeStaticConfig, channels: Sequence[int], components: int
    ) -> None:
        super().__init__(config, channels, components, config.embedding, ("saliency",))
        table = torch.randn(components, config.most_segments, config.embedding)
        self.embedding = nn.Parameter(table)

    def freeze(self, what: Frozen) -> None:
        """See `GuidedHead`; only the saliency network sees the vectors, all of its layers do."""
        super().freeze(what)
        if what in ("saliency", "saliency-hidden"):
            self.embedding.requires_grad_(False)

    def guidance(
        self, features: Sequence[Tensor], guide: Guide | None
    ) -> Float[Tensor, "B K G h w"]:
        """See `GuidedHead`."""
        assert guide is not None, "models with segments are given some"
        return self.embedding[:, guide.layout.ids].permute(1, 0, 4, 2, 3)


class DeepGazeSpadeStatic(SegmentModel):
    """The whole model."""

    Config = DeepGazeSpadeStaticConfig
    Head = DeepGazeSpadeStaticHead
