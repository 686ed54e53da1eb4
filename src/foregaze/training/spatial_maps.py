"""Features of training images with a spatial density that is out of sample, through the store."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from foregaze.backbones.downloads import file_sha256
from foregaze.backbones.feature_store import feature_key
from foregaze.models.scanpath_mixture import read_trunk_mixture
from foregaze.models.trunk_mixture import TrunkMixture, TrunkMixtureConfig, grid_size
from foregaze.ops.logdensity import resample
from foregaze.training.frames import View
from foregaze.training.recipe import DataConfig
from foregaze.training.stored_features import StoredFeatures
from foregaze.types import EyeTrackingDataset

SPATIAL_DENSITY = -2
"""In place of a stage: the log density (1, h, w) of a spatial model."""


class FeaturesWithDensity(StoredFeatures):
    """One stage's features of a data set's stimuli, and their spatial densities.

    Args:
        config: Of the spatial models.
        stage: The stage.
        dataset: Stimuli.
        data: How variants are made.
        store: Folder of the store.
        model_of: Checkpoint of the spatial model for the image with an index.
    """

    def __init__(
        self,
        config: TrunkMixtureConfig,
        stage: int,
        dataset: EyeTrackingDataset,
        data: DataConfig,
        store: Path,
        model_of: Callable[[int], Path],
    ) -> None:
        super().__init__(config, (stage,), dataset, data, store)
        self.model_of = model_of
        self._hashes: dict[Path, str] = {}
        self._last: tuple[Path, TrunkMixture] | None = None

    def keys(self, view: View) -> dict[int, bytes]:
        """See `StoredFeatures`."""
        path = self.model_of(view.image)
        if path not in self._hashes:
            self._hashes[path] = file_sha256(path)
        density = feature_key(
            self.config.backbone, "density", self._hashes[path], *self.shown(view)
        )
        return {**super().keys(view), SPATIAL_DENSITY: density}

    @torch.inference_mode()
    def fill(self, view: View, network: nn.Module) -> None:
        """See `ViewFeatures`."""
        everything = self.keys_of(view, self.config.trunk_outputs)
        if not all(map(self.store.has, everything.values())):
            self._fill(view, network, everything)
        features = {stage: self.stored(view, key)[None] for stage, key in everything.items()}
        model = self._model(self.model_of(view.image))
        frame = self.frame(view)
        prior = resample(model.centerbias[None], grid_size(self.config, frame.size))
        if view.mirrored:
            prior = prior.flip(-1)
        if not frame.is_whole:
            whole = resample(model.centerbias[None], self.stimuli.sizes[view.image])[0]
            prior = frame.prior(whole.numpy(), grid_size(self.config, frame.size))[None]
        self.store.put({self.keys(view)[SPATIAL_DENSITY]: model.of_features(features, prior)})

    def _model(self, path: Path) -> TrunkMixture:
        if self._last is None or self._last[0] != path:
            self._last = (path, read_trunk_mixture(path))
        return self._last[1]
