"""What models with segments are trained on: features of their networks, and the segments' layouts.

`h w` readout grid, `p q` patches, `S` segments.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from foregaze.backbones.staged import Features
from foregaze.errors import ConfigError, DataError
from foregaze.models.checkpoint_file import frozen_sha256
from foregaze.models.deepgaze import create_frozen, run_frozen
from foregaze.models.deepgaze_config import BackboneConfig
from foregaze.models.guided import GuidedHead, check_ids
from foregaze.models.scene import Guide
from foregaze.ops.nearest import nearest_downsample
from foregaze.ops.painting import SegmentLayout, lay_out
from foregaze.ops.working_size import WorkingGrid
from foregaze.segmentation import SegmentStore
from foregaze.training.frames import View
from foregaze.training.recipe import DataConfig
from foregaze.training.stored_features import ViewFeatures, stage_keys
from foregaze.types import EyeTrackingDataset, Size

SEMANTIC = -3
"""In place of a tap: features of the network that segments are painted with."""
SALIENCY = -4
"""In place of a tap: what a frozen saliency network makes of an image."""
HIDDEN_SALIENCY = -5
"""In place of a tap: what the last layer of a saliency network sees, all before it being frozen."""
_KEPT_BYTES = 500_000_000
"""Of layouts in a process; further ones are laid out anew each time."""


class ModelFeatures(ViewFeatures):
    """Taps of a model's networks, numbered by their places; of a second network, `SEMANTIC`.

    Args:
        backbones: The networks.
        downsample: Every so many pixels of a view the networks see one.
        grid: Sizes.
        dataset: Stimuli.
        data: How variants are made.
        store: Folder of the store.
    """

    def __init__(
        self,
        backbones: Sequence[BackboneConfig],
        downsample: float,
        grid: WorkingGrid,
        dataset: EyeTrackingDataset,
        data: DataConfig,
        store: Path,
    ) -> None:
        super().__init__(grid, dataset, data, store)
        self.backbones = tuple(backbones)
        self.downsample = downsample
        self._weights = [_weights_of(backbone) for backbone in self.backbones]

    def keys(self, view: View) -> dict[int, bytes]:
        """See `ViewFeatures`."""
        made, image = self.shown(view)
        if self.downsample != 1:
            made += f" downsampled {self.downsample}"
        found: dict[int, bytes] = {}
        for number, (backbone, weights) in enumerate(
            zip(self.backbones, self._weights, strict=True)
        ):
            of_taps = stage_keys(backbone.name, backbone.taps, weights, (made, image))
            for place, key in enumerate(of_taps.values()):
                found[place if number == 0 else SEMANTIC] = key
        return found

    def network(self) -> nn.Module:
        """See `ViewFeatures`."""
        return _Networks(self.backbones, self.downsample)


class _Networks(nn.Module):
    def __init__(self, backbones: Sequence[BackboneConfig], downsample: float) -> None:
        super().__init__()
        self.downsample = downsample
        self.networks = nn.ModuleList(create_frozen(backbone) for backbone in backbones)

    def forward(self, pixels: Float[Tensor, "B 3 _ _"]) -> Features:
        small = nearest_downsample(pixels, self.downsample)
        own, *others = (run_frozen(network, small, None) for network in self.networks)
        features: Features = dict(enumerate(own))
        if others:
            features[SEMANTIC] = others[0][0]
        return features


def _weights_of(backbone: BackboneConfig) -> str:
    """What tells a network's weights from others."""
    if backbone.source is None:
        raise ConfigError(
            f"model.backbones: {backbone.name!r} needs a source of weights to be trained on; give "
            "weights: published, a path, or an address with its SHA-256"
        )
    return frozen_sha256([backbone.source]) or backbone.source


class Layouts:
    """Segments of views on the grids of a head, from the segment store.

    Args:
        store: Folder of the segment store.
        keys: Key of the segments of each image, by its name.
        head: Whose grids they are laid out on.
        semantic: Number of the features that segments are painted with.
        most: Ids run from 0 to one less.
    """

    def __init__(
        self, store: Path, keys: Mapping[str, bytes], head: GuidedHead, semantic: int, most: int
    ) -> None:
        self.store = SegmentStore(store)
        self.keys = keys
        self.head = head
        self.semantic = semantic
        self.most = most
        self._kept: dict[tuple[int, bool, int], SegmentLayout] = {}
        self._room = _KEPT_BYTES

    def of(self, view: View, features: ViewFeatures, seen: Features) -> SegmentLayout:
        """The layout of a view.

        Args:
            view: The view.
            features: That `seen` comes from.
            seen: Features of the view.

        Raises:
            DataError: If the image has no segments in the store, or an id is out of range.
        """
        place = (view.image, view.mirrored, view.variant)
        if place in self._kept:
            return self._kept[place]
        layout = self._laid_out(view, features, seen)
        self._room -= sum(part.nbytes for part in layout)
        if self._room >= 0:
            self._kept[place] = layout
        return layout

    def _laid_out(self, view: View, features: ViewFeatures, seen: Features) -> SegmentLayout:
        name = features.stimuli.names[view.image]
        key = self.keys.get(name)
        ids = None if key is None else self.store.get(key)
        if ids is None:
            raise DataError(f"{name}: has no segments in {self.store.folder}")
        frame = features.frame(view)
        shown = torch.from_numpy(frame.labels(ids))
        check_ids(shown, self.most)
        patches, first = seen[self.semantic].shape[-2:], [x[None] for x in seen.values()]
        cells: Size = self.head.readout_size(first, frame.size)
        layout = lay_out(shown, (patches[0], patches[1]), cells)
        return SegmentLayout(layout.areas.float(), layout.shares.float(), layout.ids)


class FrozenSaliency:
    """What a frozen saliency network makes of views, found once.

    Args:
        head: With the frozen network.
        taps: Numbers of the features that the head takes.
        but_last: Whether its last layer is not frozen: found is then what that layer sees.
    """

    def __init__(self, head: GuidedHead, taps: Sequence[int], *, but_last: bool = False) -> None:
        self.head = head
        self.taps = tuple(taps)
        if but_last:
            self._place, self._find = HIDDEN_SALIENCY, head.hidden_saliency
        else:
            self._place, self._find = SALIENCY, head.saliency_maps
        self._is_guided_later = head.is_guided_later or (but_last and head.is_saliency_guided)
        self._maps: dict[tuple[int, bool, int], Tensor] = {}

    def kept(self, view: View) -> Features | None:
        """What there is to say of a view, if no features are needed any more."""
        found = self._maps.get((view.image, view.mirrored, view.variant))
        return None if found is None or self._is_guided_later else {self._place: found}

    @torch.no_grad()
    def reduced(
        self, view: View, features: Features, layout: SegmentLayout | None, size: Size
    ) -> tuple[Features, SegmentLayout | None]:
        """A view with what is found in place of what only the frozen layers need.

        Args:
            view: The view.
            features: Of it.
            layout: Of its segments.
            size: (H, W) at which it is seen.
        """
        place = (view.image, view.mirrored, view.variant)
        if place not in self._maps:
            device = next(self.head.parameters()).device
            taps = [features[tap][None].to(device) for tap in self.taps]
            guidance = self.head.guidance(taps, guide_of(features, layout, device))
            cells = self.head.readout_size(taps, size)
            found = self._find(taps, cells, guidance)[0]
            self._maps[place] = found.flatten(0, -3).cpu()  # (channels, h, w)
        seen = {self._place: self._maps[place]}
        return ({**features, **seen}, layout) if self._is_guided_later else (seen, None)


def guide_of(
    features: Features, layout: SegmentLayout | None, device: torch.device
) -> Guide | None:
    """What tells a head of one image's segments, on the head's device."""
    if layout is None:
        return None
    semantic = features.get(SEMANTIC)
    one = SegmentLayout(*(part[None].to(device) for part in layout))
    return Guide(one, None if semantic is None else semantic[None].to(device))
