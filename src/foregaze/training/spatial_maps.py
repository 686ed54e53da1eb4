"""Features of training images with a spatial density that is out of sample, through the store."""

from collections.abc import Callable
from pathlib import Path

import torch

from foregaze.backbones.downloads import file_sha256
from foregaze.backbones.feature_store import feature_key
from foregaze.models.scanpath_mixture import read_trunk_mixture
from foregaze.models.trunk_mixture import Trunk, TrunkMixture, TrunkMixtureConfig
from foregaze.ops.logdensity import resample
from foregaze.training.examples import StoredFeatures, View
from foregaze.types import EyeTrackingDataset

SPATIAL_DENSITY = -2
"""In place of a stage: the log density (1, h, w) of a spatial model."""


class FeaturesWithDensity(StoredFeatures):
    """One stage's features of a data set's stimuli, and their spatial densities.

    Args:
        config: Of the spatial models.
        stage: The stage.
        dataset: Stimuli.
        store: Folder of the store.
        model_of: Checkpoint of the spatial model for the image with an index.
    """

    def __init__(
        self,
        config: TrunkMixtureConfig,
        stage: int,
        dataset: EyeTrackingDataset,
        store: Path,
        model_of: Callable[[int], Path],
    ) -> None:
        super().__init__(config, (stage,), dataset, store)
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
    def fill(self, view: View, trunk: Trunk) -> None:
        """See `StoredFeatures`."""
        everything = self.keys_of(view, self.config.trunk_outputs)
        if not all(map(self.store.has, everything.values())):
            self.fill_stages(view, trunk, self.config.trunk_outputs)
        features = {stage: self.stored(view, key)[None] for stage, key in everything.items()}
        model = self._model(self.model_of(view.image))
        size = tuple(side // self.config.density_stride for side in self.working_size(view))
        prior = resample(model.centerbias[None], (size[0], size[1]))
        if view.mirrored:
            prior = prior.flip(-1)
        self.store.put({self.keys(view)[SPATIAL_DENSITY]: model.of_features(features, prior)})

    def _model(self, path: Path) -> TrunkMixture:
        if self._last is None or self._last[0] != path:
            self._last = (path, read_trunk_mixture(path))
        return self._last[1]
