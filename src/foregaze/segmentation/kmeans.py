"""K-means on the features of a backbone: patches that look alike to it are one segment.

As Morello's thesis (2025) makes its "km16" maps, with any backbone's stage in place of DINOv2's
last block; one start of k-means++ and Lloyd's steps, in scikit-learn. `h w` patches.

Deviation: features are first interpolated to a grid `finer` times as fine, so that segments follow
what is seen more closely than patches do; `finer=1` clusters the patches themselves.
"""

import hashlib
from functools import cached_property
from importlib.metadata import version

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from sklearn.cluster import KMeans as Clusters
from threadpoolctl import threadpool_limits

from foregaze.backbones.staged_taps import StagedTaps
from foregaze.backbones.vit_taps import VitTaps, is_vit
from foregaze.config import Config
from foregaze.ops.preprocess import RESIZING, to_working_size
from foregaze.ops.working_size import size_of_area
from foregaze.segmentation.segmenter import Segmenter, Segments, enlarged
from foregaze.types import ImageArray, Size


class KMeansConfig(Config):
    """Settings."""

    segments: int = Field(16, ge=1)
    """Clusters; fewer where an image has fewer different patches."""
    seed: int = Field(0, ge=0)
    backbone: str = "tf_efficientnet_lite2"
    """A convolutional model of timm, or a Vision Transformer."""
    weights: str | None = None
    """A source of weights; None for the backbone's usual one."""
    stage: int = Field(5, ge=0)
    """Whose features are clustered; in a Vision Transformer the number of a block. Earlier stages
    have smaller patches, and tell texture and edges rather than things: segments of a textured
    image are speckled."""
    finer: int = Field(4, ge=1)
    """Cells per patch on each axis; between the patches' centers features are interpolated."""
    input_size: Size = (576, 768)
    """(H, W) whose area images are brought to."""


class KMeans(Segmenter):
    """The segmenter.

    Raises:
        WeightsError: If the backbone's weights are not there.
        ConfigError: If it has no such stage.
    """

    name = "kmeans"
    Config = KMeansConfig
    config: KMeansConfig

    def __init__(self, config: KMeansConfig) -> None:
        super().__init__(config)
        kind = VitTaps if is_vit(config.backbone) else StagedTaps
        self.network = kind(config.backbone, (str(config.stage),), config.weights)

    def segments(self, image: ImageArray, name: str | None = None) -> Segments:
        """See `Segmenter`."""
        features = refined(self.features(image), self.config.finer)
        return enlarged(cluster(features, self.config.segments, self.config.seed), image)

    @torch.inference_mode()
    def features(self, image: ImageArray) -> Float[np.ndarray, "C h w"]:
        """Features of the patches of an image."""
        size = size_of_area(self.config.input_size, (image.shape[0], image.shape[1]))
        (features,) = self.network(to_working_size(image, size)[None])
        found: Float[np.ndarray, "C h w"] = features[0].numpy()
        return found

    @cached_property
    def made_with(self) -> dict[str, str]:
        """See `Segmenter`."""
        digest = hashlib.sha256()
        for key, tensor in sorted(self.network.state_dict().items()):
            digest.update(key.encode() + tensor.numpy().tobytes())
        return {
            "scikit-learn": version("scikit-learn"),
            "weights_sha256": digest.hexdigest(),
            "resizing": RESIZING,
        }


def refined(features: Float[np.ndarray, "C h w"], finer: int) -> Float[np.ndarray, "C fh fw"]:
    """Features bilinearly interpolated to so many cells per patch on each axis."""
    grid = features.shape[1] * finer, features.shape[2] * finer
    fine = F.interpolate(torch.from_numpy(features)[None], grid, mode="bilinear")
    found: Float[np.ndarray, "C fh fw"] = fine[0].numpy()
    return found


def cluster(
    features: Float[np.ndarray, "C h w"], clusters: int, seed: int
) -> Int[np.ndarray, "h w"]:
    """Cluster of each patch; as many as there are different patches, at most."""
    patches = features.reshape(len(features), -1).T.astype(np.float64)
    different = len(np.unique(patches, axis=0))
    method = Clusters(min(clusters, different), random_state=seed, n_init=1)
    with threadpool_limits(1):  # sums in one order, whatever the machine
        labels: Int[np.ndarray, " p"] = method.fit_predict(patches)
    return labels.reshape(features.shape[1:])
