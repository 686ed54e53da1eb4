"""Frozen features of training views, computed once and kept in the feature store."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from foregaze.backbones.feature_store import FeatureStore, feature_key
from foregaze.backbones.staged import Features, create_backbone
from foregaze.errors import DataError
from foregaze.models.checkpoint_file import frozen_sha256
from foregaze.models.trunk_mixture import Trunk, TrunkMixtureConfig
from foregaze.ops.preprocess import RESIZING
from foregaze.ops.working_size import WorkingGrid
from foregaze.training.frames import Frame, View, frame_of
from foregaze.training.recipe import DataConfig
from foregaze.types import EyeTrackingDataset


class ViewFeatures(ABC):
    """Features of views of a data set's stimuli, through the feature store.

    Args:
        grid: Sizes.
        dataset: Stimuli.
        data: How variants are made.
        store: Folder of the store.
    """

    def __init__(
        self, grid: WorkingGrid, dataset: EyeTrackingDataset, data: DataConfig, store: Path
    ) -> None:
        self.grid = grid
        self.data = data
        self.stimuli = dataset.stimuli
        self.store = FeatureStore(store)
        self._image_hashes: dict[int, str] = {}

    @abstractmethod
    def keys(self, view: View) -> dict[int, bytes]:
        """Key of each feature of a view, by its number.

        Raises:
            DataError: If the image is no file of its own.
        """

    @abstractmethod
    def network(self) -> nn.Module:
        """What computes features from pixels, as a dictionary by their numbers.

        Raises:
            WeightsError: If its weights are not there.
            ConfigError: If it has no such layer.
        """

    def frame(self, view: View) -> Frame:
        """What the view shows."""
        size, name = self.stimuli.sizes[view.image], self.stimuli.names[view.image]
        return frame_of(view, size, name, self.data, self.grid.input_size)

    def shown(self, view: View) -> tuple[str, str]:
        """What keys say of how a view is made, and of the image."""
        if view.image not in self._image_hashes:
            self._image_hashes[view.image] = _file_hash(self.stimuli.paths[view.image])
        return f"{RESIZING} {self.frame(view).made}", self._image_hashes[view.image]

    def missing(self, views: Sequence[View]) -> list[View]:
        """Views of which some features are still to be computed."""
        return [v for v in views if not all(map(self.store.has, self.keys(v).values()))]

    @torch.inference_mode()
    def fill(self, view: View, network: nn.Module) -> None:
        """Compute and store the features of one view."""
        self._fill(view, network, self.keys(view))

    def _fill(self, view: View, network: nn.Module, keys: dict[int, bytes]) -> None:
        pixels = self.frame(view).picture(self.stimuli[view.image])
        device = next(network.parameters()).device
        shown = pixels[None].contiguous(memory_format=torch.channels_last).to(device)
        features = network(shown)
        self.store.put({key: features[number][0] for number, key in keys.items()})

    def __getitem__(self, view: View) -> Features:
        return {number: self.stored(view, key) for number, key in self.keys(view).items()}

    def stored(self, view: View, key: bytes) -> Tensor:
        """What the store holds for a key of a view."""
        feature = self.store.get(key)
        assert feature is not None, f"no features of {view}: the store is filled before training"
        return feature.float()


class StoredFeatures(ViewFeatures):
    """Outputs of a trunk's frozen stages.

    Args:
        config: Backbone and input size.
        stages: Frozen stages to read and fill.
        dataset: Stimuli.
        data: How variants are made.
        store: Folder of the store.
    """

    def __init__(
        self,
        config: TrunkMixtureConfig,
        stages: Sequence[int],
        dataset: EyeTrackingDataset,
        data: DataConfig,
        store: Path,
    ) -> None:
        super().__init__(config, dataset, data, store)
        self.config = config
        self.stages = tuple(stages)
        self._weights = frozen_sha256([config.resolved_weights]) or config.resolved_weights

    def keys(self, view: View) -> dict[int, bytes]:
        """See `ViewFeatures`; features have the numbers of their stages."""
        return self.keys_of(view, self.stages)

    def keys_of(self, view: View, stages: Sequence[int]) -> dict[int, bytes]:
        """Keys of the features of some stages."""
        return stage_keys(self.config.backbone, stages, self._weights, self.shown(view))

    def network(self) -> nn.Module:
        """See `ViewFeatures`."""
        backbone = create_backbone(self.config.backbone, self.config.resolved_weights)
        return Trunk(self.config, backbone)


def stage_keys(
    backbone: str, taps: Sequence[int | str], weights: str, shown: tuple[str, str]
) -> dict[int, bytes]:
    """Keys of what some layers of a backbone make of a view, by the layers' numbers if they have.

    Args:
        backbone: Its name.
        taps: Its layers.
        weights: Hash of its weights.
        shown: See `ViewFeatures.shown`.
    """
    return {
        int(tap) if str(tap).lstrip("-").isdecimal() else place: feature_key(
            backbone, f"{tap}", weights, *shown
        )
        for place, tap in enumerate(taps)
    }


def _file_hash(path: Path) -> str:
    if not path.is_file():
        raise DataError(
            f"{path}: is no image file, and training needs files; images inside an HDF5 file "
            "become files with foregaze.data.save_plain, whose folder is a data set to train on"
        )
    return hashlib.sha256(path.read_bytes()).hexdigest()
