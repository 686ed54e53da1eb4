"""What the DinoGaze family shares: DeepGaze III's design, with segments to guide its norms.

Saliency network, scanpath network, fixation selection and finalizer are those of DeepGaze III
(Kümmerer, Bethge & Wallis 2022). Features are resized bilinearly to the readout grid, offsets from
past fixations are those of its cells' centers, and some norms may be SPADE, modulated by a guidance
map that a model's own file makes of the segments.
With `history: 0` there is no scanpath network: the model says where people look, whatever came
before.

`B` images, `K` components, `C` channels of features, `G` of guidance, `h w` readout grid, `u v`
cells of the density's grid, `S` segments.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from foregaze.errors import ShapeError
from foregaze.models.deepgaze_config import DENSENET_TAPS, BackboneConfig, DeepGazeConfig
from foregaze.models.deepgaze_networks import (
    NARROW,
    Finalizers,
    FixationSelectionNetworks,
    SaliencyNetworks,
    ScanpathNetworks,
    history_offsets,
)
from foregaze.models.scene import Guide, Scene, SceneHead, SceneModel
from foregaze.models.spade_networks import (
    SpadeFixationSelectionNetworks,
    SpadeSaliencyNetworks,
    SpadeScanpathNetworks,
)
from foregaze.ops.finalizer import FinerGrid
from foregaze.ops.nearest import CompactGrid
from foregaze.ops.painting import batched, lay_out, paint
from foregaze.ops.spade import Modulation
from foregaze.types import Size

Place = Literal["saliency", "selection", "scanpath"]
"""A network that may have SPADE norms."""
Frozen = Literal["saliency", "saliency-hidden", "selection", "scanpath"]
"""What may keep its weights in training; "saliency-hidden": the saliency network but its last
layer."""
DENSENET = BackboneConfig(name="densenet201", taps=DENSENET_TAPS)
DINOV2 = BackboneConfig(name="vit_large_patch14_dinov2", taps=("21", "22", "23"))
"""Its last three blocks, each behind the final norm."""


_GUIDED_LATER = (SpadeFixationSelectionNetworks, SpadeScanpathNetworks)


class GuidedConfig(DeepGazeConfig):
    """What defines a model of the family, but for its weights."""

    downsample: float = Field(1.0, ge=1)
    saliency_map_factor: float = Field(4.0, ge=1)
    components: int = Field(1, ge=1)
    history: int = Field(4, ge=0)
    """Past fixations that the scanpath network sees; 0 for a model without one."""

    @field_validator("backbones")
    @classmethod
    def _one_backbone(cls, backbones: tuple[BackboneConfig, ...]) -> tuple[BackboneConfig, ...]:
        if len(backbones) != 1:
            raise ValueError(f"the saliency network stands on one backbone, not {len(backbones)}")
        return backbones


class SpadeConfig(GuidedConfig):
    """What models with segments have besides."""

    segmenter: str = "kmeans"
    """How an image is segmented where no segments are given; a name of
    `foregaze.segmentation.SEGMENTERS`."""
    segmenter_settings: dict[str, Any] = Field(default={"segments": 16})
    most_segments: int = Field(64, ge=1)
    """Ids run from 0 to one less; others are refused."""
    spade_hidden: int = Field(128, ge=1)
    """Channels between guidance map and modulation."""
    spade_starts_plain: bool = False
    """Whether training begins with gamma and beta zero instead of random ones."""


class OwnPaintingConfig(SpadeConfig):
    """What models have that paint with a tap of the saliency network's own backbone."""

    semantic_tap: int = -1
    """Which of the taps segments are painted with, counted as in a list."""

    @model_validator(mode="after")
    def _known_tap(self) -> "OwnPaintingConfig":
        taps = len(self.backbones[0].taps)
        if not -taps <= self.semantic_tap < taps:
            raise ValueError(
                f"semantic_tap is {self.semantic_tap}, expected {-taps} to {taps - 1}: the "
                f"backbone has {taps} taps"
            )
        return self


class GuidedHead(SceneHead):
    """DeepGaze III's networks, some of them with SPADE.

    Args:
        config: Of the model.
        channels: Of the features.
        components: Members of the mixture.
        guidance_channels: Of the guidance map; 0 where there is none.
        places: Networks with SPADE.
    """

    config: GuidedConfig

    def __init__(
        self,
        config: GuidedConfig,
        channels: Sequence[int],
        components: int,
        guidance_channels: int = 0,
        places: Sequence[Place] = (),
    ) -> None:
        super().__init__(config, channels, components)
        self.history = config.history
        seen = NARROW if self.history else 0
        spade: dict[str, Any] = {}
        if isinstance(config, SpadeConfig):
            spade = {
                "guidance": guidance_channels,
                "hidden": config.spade_hidden,
                "starts_plain": config.spade_starts_plain,
            }
        self.saliency = (
            SpadeSaliencyNetworks(components, sum(channels), **spade)
            if "saliency" in places
            else SaliencyNetworks(components, sum(channels))
        )
        self.fixation_selection = (
            SpadeFixationSelectionNetworks(components, seen, **spade)
            if "selection" in places
            else FixationSelectionNetworks(components, seen)
        )
        self.scanpath: nn.Module | None = None
        if self.history:
            self.scanpath = (
                SpadeScanpathNetworks(components, self.history, **spade)
                if "scanpath" in places
                else ScanpathNetworks(components, self.history)
            )
        self.finalizers = Finalizers(components, config.blur_sigma)

    def freeze(self, what: Frozen) -> None:
        """Keep weights as they are in training."""
        if what == "saliency-hidden":
            for layer in self.saliency.layers[:-1]:
                layer.requires_grad_(False)
            return
        network = self.fixation_selection if what == "selection" else getattr(self, what)
        network.requires_grad_(False)

    def guidance(
        self, features: Sequence[Tensor], guide: Guide | None
    ) -> Float[Tensor, "B _ G h w"] | None:
        """The guidance map of each component, or one for all; None for heads without."""
        return None

    @property
    def is_saliency_guided(self) -> bool:
        """Whether the saliency network has SPADE."""
        return isinstance(self.saliency, SpadeSaliencyNetworks)

    @property
    def is_guided_later(self) -> bool:
        """Whether networks behind the saliency network have SPADE."""
        later = (self.fixation_selection, self.scanpath)
        return any(isinstance(n, _GUIDED_LATER) for n in later)

    def readout_size(self, features: Sequence[Tensor], image_size: Size) -> Size:
        """Cells of the readout grid."""
        factor = self.config.readout_factor
        if factor is None:
            return features[0].shape[-2], features[0].shape[-1]
        height, width = (math.ceil(side / self.config.downsample / factor) for side in image_size)
        return height, width

    def scene(
        self, features: Sequence[Tensor], grid: FinerGrid, guide: Guide | None = None
    ) -> Scene:
        """See `SceneHead`."""
        guidance = self.guidance(features, guide)
        size = self.readout_size(features, grid.image_size)
        saliency = self.saliency_maps(features, size, guidance)
        return Scene(saliency, *self.modulations(guidance))

    def saliency_maps(
        self,
        features: Sequence[Tensor],
        size: Size,
        guidance: Float[Tensor, "B _ G h w"] | None,
    ) -> Float[Tensor, "B K h w"]:
        """The saliency network's on the readout grid."""
        return self.last_saliency(self.hidden_saliency(features, size, guidance), guidance)

    def hidden_saliency(
        self,
        features: Sequence[Tensor],
        size: Size,
        guidance: Float[Tensor, "B _ G h w"] | None,
    ) -> Float[Tensor, "B K O h w"]:
        """What the saliency network's last layer sees."""
        x = torch.cat([_resized(feature, size) for feature in features], 1)
        if isinstance(self.saliency, SpadeSaliencyNetworks):
            assert guidance is not None
            return self.saliency.hidden(x, guidance)
        return self.saliency.hidden([x], CompactGrid.of([size], size))

    def last_saliency(
        self, hidden: Float[Tensor, "B K O h w"], guidance: Float[Tensor, "B _ G h w"] | None
    ) -> Float[Tensor, "B K h w"]:
        """What the saliency network's last layer makes of `hidden_saliency`."""
        if isinstance(self.saliency, SpadeSaliencyNetworks):
            assert guidance is not None
            return self.saliency.last(hidden, guidance)
        size = hidden.shape[-2], hidden.shape[-1]
        return self.saliency.last(hidden, CompactGrid.of([size], size))

    def modulations(
        self, guidance: Float[Tensor, "B _ G h w"] | None
    ) -> tuple[tuple[Modulation, ...], tuple[Modulation, ...]]:
        """What the guidance makes of the norms of fixation selection and scanpath network."""
        found: list[tuple[Modulation, ...]] = []
        for network in (self.fixation_selection, self.scanpath):
            if isinstance(network, _GUIDED_LATER):
                assert guidance is not None
                found.append(network.modulations(guidance))
            else:
                found.append(())
        return found[0], found[1]

    def after(
        self, scene: Scene, grid: FinerGrid, centerbias: Float[Tensor, "B u v"], *history: Tensor
    ) -> Iterator[Float[Tensor, "B k u v"]]:
        """See `SceneHead`."""
        h, w = scene.saliency.shape[-2:]
        scanpath = None
        if self.scanpath is not None:
            x_hist, y_hist = history
            rows, columns = (
                (torch.arange(n, dtype=torch.float64) + 0.5) * side / n
                for n, side in zip((h, w), grid.image_size, strict=True)
            )
            offsets = history_offsets(x_hist, y_hist, rows, columns)
            seen = (scene.scanpath,) if scene.scanpath else ()
            scanpath = self.scanpath(offsets.to(scene.saliency.dtype), *seen)
        of_spade = scene.selection or None  # else the counts of cells, which are one each
        readout = self.fixation_selection(scene.saliency.flatten(-2), scanpath, of_spade)
        # Densities need single precision, whatever the networks compute in.
        with torch.autocast(readout.device.type, enabled=False):
            readout = torch.unflatten(readout, -1, (h, w)).to(self.finalizers.sigma.dtype)
            everywhere = CompactGrid.of([(h, w)], (h, w))
            parts: Iterator[Tensor] = self.finalizers(readout, everywhere, grid, centerbias)
            yield from parts


class PaintedHead(GuidedHead):
    """A head whose guidance map is painted with the mean feature of each segment.

    Args:
        config: Of the model.
        channels: Of the features.
        components: Members of the mixture.
        semantic_channels: Of what segments are painted with.
        places: Networks with SPADE.
    """

    semantic_tap: int
    """Which of the features segments are painted with, where no others are given."""

    def guidance(
        self, features: Sequence[Tensor], guide: Guide | None
    ) -> Float[Tensor, "B 1 G h w"]:
        """See `GuidedHead`."""
        assert guide is not None, "models with segments are given some"
        semantic = features[self.semantic_tap] if guide.semantic is None else guide.semantic
        return paint(semantic, guide.layout.matching(semantic))[:, None]


class GuidedModel(SceneModel):
    """A model of the family."""

    Config: ClassVar[type[GuidedConfig]]
    config: Any

    def __init__(self, config: GuidedConfig) -> None:
        super().__init__(config)
        self.sees_history = config.history > 0

    def forward(
        self,
        pixels: Float[Tensor, "B 3 H W"],
        centerbias: Float[Tensor, "B H W"],
        *history: Tensor,
        segments: Sequence[Int[Tensor, "_ _"]] | None = None,
    ) -> Float[Tensor, "B H W"]:
        """Log density in nats; `exp` sums to one over (H, W).

        Args:
            pixels: Images in 0..255.
            centerbias: Log density over the pixels.
            history: `x_hist` and `y_hist`, each (B, T) with the most recent fixation first and NaN
                where there is none, for models that see them.
            segments: For models that see them, ids of each image's pixels, at any size of it.
        """
        grid = self.grid((pixels.shape[-2], pixels.shape[-1]))
        scene = self.scene(pixels, grid, segments)
        return self.density(scene, grid, self.sample_centerbias(centerbias), *history)


class SegmentModel(GuidedModel):
    """A model that is given segments."""

    sees_segments = True
    semantic_backbone: ClassVar[int | None] = None
    """Network whose features segments are painted with, where it is not the head's own."""

    def scene(
        self,
        pixels: Float[Tensor, "B 3 H W"],
        grid: FinerGrid,
        segments: Sequence[Tensor] | None = None,
    ) -> Scene:
        """See `SceneModel`.

        Raises:
            ShapeError: If there are no segments, not as many as images, or ids out of range.
        """
        if segments is None or len(segments) != len(pixels):
            given = "no" if segments is None else str(len(segments))
            raise ShapeError(
                f"{given} maps of segments are given, expected one for each of {len(pixels)} images"
            )
        for ids in segments:  # before the networks run
            check_ids(ids, self.config.most_segments)
        features = self.features(pixels, 0)
        semantic = None
        if self.semantic_backbone is not None:
            (semantic,) = self.features(pixels, self.semantic_backbone)
        return self.scene_of(features, grid, segments, semantic)

    def scene_of(
        self,
        features: Sequence[Tensor],
        grid: FinerGrid,
        segments: Sequence[Tensor],
        semantic: Float[Tensor, "B G p q"] | None = None,
    ) -> Scene:
        """As `scene`, with features that are there already.

        Args:
            features: Taps for the images, each (B, C, h, w).
            grid: Where densities are made.
            segments: Ids of each image's pixels.
            semantic: Features of the network that paints, where it is another one.

        Raises:
            ShapeError: If an id is out of range.
        """
        head = self.head
        assert isinstance(head, GuidedHead)
        patches = features[getattr(head, "semantic_tap", 0)] if semantic is None else semantic
        size = head.readout_size(features, grid.image_size)
        layouts = []
        for ids in segments:
            check_ids(ids, self.config.most_segments)
            layouts.append(lay_out(ids, (patches.shape[-2], patches.shape[-1]), size))
        return head.scene(features, grid, Guide(batched(layouts).matching(patches), semantic))


def check_ids(ids: Int[Tensor, "H W"], most: int) -> None:
    """Raise a `ShapeError` if a segment's id is not from 0 to `most` - 1."""
    least, largest = int(ids.min()), int(ids.max())
    if least < 0 or largest >= most:
        wrong = least if least < 0 else largest
        raise ShapeError(
            f"a segment has the id {wrong}, expected 0 to {most - 1}: this model takes at most "
            f"{most} segments"
        )


def _resized(feature: Float[Tensor, "B C _ _"], size: Size) -> Float[Tensor, "B C h w"]:
    if tuple(feature.shape[-2:]) == size:
        return feature
    return F.interpolate(feature, size=size, mode="bilinear", align_corners=False)
