"""Our own models as predictors: through ONNX Runtime where the checkpoint has a graph."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from foregaze.inference.centerbias import CenterBiasLike, KeptCenterBias, centerbias_on
from foregaze.inference.conditional import Conditional, Unconditional
from foregaze.inference.onnx_engine import OnnxEngine
from foregaze.inference.prediction import Prediction
from foregaze.inference.predictor import Predictor
from foregaze.models.trunk_mixture import TrunkMixture, grid_size, working_size
from foregaze.ops.logdensity import mix, normalize, pool, resample
from foregaze.ops.preprocess import to_working_size
from foregaze.segmentation import Segments
from foregaze.types import ImageArray, Size

Engine = Callable[[Tensor, Tensor], Tensor]
"""Runs a model's `forward`: pixels (1, 3, H, W) at working size and the center bias (1, h, w) on
the density grid to a log density (1, h, w)."""


class TrunkPredictor(Predictor):
    """A trunk mixture, ready for images of any size.

    The image is brought to the model's working size (see `working_size`), the density back to the
    image's own size by bilinear interpolation of its logarithm. The models were trained on images
    of one size, whatever their pixels per degree, and take no notice of them.

    Args:
        name: What it was loaded as.
        model: The network.
        engine: What runs its `forward`.
        device: Where the engine wants its inputs.
        card: What the checkpoint says of its training.
        mirrored: Average the density with that of the mirror image, at twice the time.
    """

    model: TrunkMixture

    def __init__(
        self,
        name: str,
        model: TrunkMixture,
        engine: Engine,
        device: torch.device,
        card: Mapping[str, Any],
        *,
        mirrored: bool = False,
    ) -> None:
        super().__init__(name, model, device, card)
        self.engine = engine
        self.mirrored = mirrored

    def _on(
        self,
        image: ImageArray,
        centerbias: CenterBiasLike,
        pixels_per_degree: float | None,
        dataset: str | None,
        segments: Segments | None,
    ) -> Conditional:
        size: Size = (image.shape[0], image.shape[1])
        with threads_for(self.engine):
            pixels, prior = trunk_inputs(self.model, image, centerbias, self.mit1003)
            log_density = self._run(pixels.to(self.device), prior.to(self.device))
            at_image_size = resample(log_density, size)[0].float().cpu().numpy()
        return Unconditional(Prediction(at_image_size, prior[0].numpy()))

    def _run(
        self, pixels: Float[Tensor, "1 3 H W"], prior: Float[Tensor, "1 h w"]
    ) -> Float[Tensor, "1 h w"]:
        log_density = self.engine(pixels, prior)
        if not self.mirrored:
            return log_density
        mirror_image = self.engine(pixels.flip(-1), prior.flip(-1)).flip(-1)
        return mix(torch.stack([log_density, mirror_image]))

    def _settings(self) -> str:
        return f"mirrored: {self.mirrored}"


def trunk_inputs(
    model: TrunkMixture, image: ImageArray, centerbias: CenterBiasLike, mit1003: KeptCenterBias
) -> tuple[Float[Tensor, "1 3 _ _"], Float[Tensor, "1 h w"]]:
    """An image as a trunk mixture sees it, and the center bias on its density grid."""
    size: Size = (image.shape[0], image.shape[1])
    input_size = working_size(model.config, size)
    grid = grid_size(model.config, input_size)
    if centerbias is None:
        prior = resample(model.centerbias[None].cpu(), grid)
    elif isinstance(centerbias, str) and centerbias == "uniform":
        prior = normalize(torch.zeros(1, *grid))
    else:
        given: Float[np.ndarray, "H W"] = centerbias_on(centerbias, size, np.empty, mit1003)
        prior = pool(torch.as_tensor(given, dtype=torch.float64)[None], grid).float()
    return to_working_size(image, input_size)[None], prior


@contextmanager
def threads_for(engine: object) -> Iterator[None]:
    """Keep PyTorch's threads from waiting actively while ONNX Runtime's want the processor.

    What PyTorch does around the engine takes a few milliseconds; its threads would cost more.
    """
    if not isinstance(engine, OnnxEngine):
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
