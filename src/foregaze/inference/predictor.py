"""A loaded model that predicts from images."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor

from foregaze.errors import ShapeError
from foregaze.images import read_image
from foregaze.inference.onnx_engine import OnnxEngine
from foregaze.inference.prediction import Prediction
from foregaze.inference.preprocess import to_working_size
from foregaze.models.trunk_mixture import TrunkMixture, grid_size, working_size
from foregaze.ops.logdensity import mix, normalize, pool, resample
from foregaze.types import Size

_MASS_TOLERANCE = 1e-3


Engine = Callable[[Tensor, Tensor], Tensor]
"""Runs a model's `forward`: pixels (1, 3, H, W) at working size and the center bias (1, h, w) on
the density grid to a log density (1, h, w)."""


class Predictor:
    """A model with its weights, ready for images of any size.

    Args:
        name: What it was loaded as.
        model: The network.
        engine: What runs its `forward`.
        device: Where the engine wants its inputs.
        card: What the checkpoint says of its training.
        mirrored: Average the density with that of the mirror image, at twice the time.
    """

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
        self.name = name
        self.model = model
        self.engine = engine
        self.device = device
        self.card = card
        self.mirrored = mirrored

    @torch.inference_mode()
    def predict(
        self,
        image: str | Path | Image | np.ndarray,
        *,
        centerbias: np.ndarray | str | None = None,
    ) -> Prediction:
        """Fixation density of one image; one pass of the backbone, two where it is mirrored.

        The image is brought to the model's working size (see `working_size`), the density back to
        the image's own size by bilinear interpolation of its logarithm.

        Args:
            image: Path, PIL image, or uint8 array (H, W, 3) or (H, W).
            centerbias: Log density (H, W) in nats at the image's size, whose `exp` sums to one;
                "uniform" for none; by default the one that the model was trained with.

        Raises:
            ImageError: If `image` is no usable image.
            ShapeError: If `centerbias` has another size or does not sum to one.
        """
        array = read_image(image)
        size: Size = (array.shape[0], array.shape[1])
        input_size = working_size(self.model.config, size)
        with _one_torch_thread() if isinstance(self.engine, OnnxEngine) else nullcontext():
            pixels = to_working_size(array, input_size)[None].to(self.device)
            prior = self._prior(centerbias, size, grid_size(self.model.config, input_size))
            log_density = self._run(pixels, prior.to(self.device))
            at_image_size = resample(log_density, size)[0].float().cpu().numpy()
            return Prediction(at_image_size, prior[0].numpy())

    def _run(
        self, pixels: Float[Tensor, "1 3 H W"], prior: Float[Tensor, "1 h w"]
    ) -> Float[Tensor, "1 h w"]:
        log_density = self.engine(pixels, prior)
        if not self.mirrored:
            return log_density
        mirror_image = self.engine(pixels.flip(-1), prior.flip(-1)).flip(-1)
        return mix(torch.stack([log_density, mirror_image]))

    def _prior(
        self,
        centerbias: np.ndarray | str | None,
        size: Size,
        grid: Size,
    ) -> Float[Tensor, "1 h w"]:
        if centerbias is None:
            return resample(self.model.centerbias[None].cpu(), grid)
        if isinstance(centerbias, str):
            if centerbias != "uniform":
                raise ShapeError(
                    f"centerbias is {centerbias!r}, expected a log density (H, W) or 'uniform'"
                )
            return normalize(torch.zeros(1, *grid))
        return pool(_checked_centerbias(centerbias, size)[None], grid).float()


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Keep PyTorch's threads from waiting actively while ONNX Runtime's want the processor.

    What PyTorch does around the engine takes a few milliseconds; its threads would cost more.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _checked_centerbias(centerbias: np.ndarray, size: Size) -> Float[Tensor, "H W"]:
    if np.shape(centerbias) != size:
        raise ShapeError(
            f"centerbias has shape {np.shape(centerbias)}, expected {size}: one value per pixel"
        )
    log_density = torch.as_tensor(np.asarray(centerbias, dtype=np.float64))
    mass = float(log_density.exp().sum())
    if not abs(mass - 1) < _MASS_TOLERANCE:
        raise ShapeError(
            f"centerbias sums to {mass:.6g} after exp, expected 1: subtract its logsumexp first"
        )
    return log_density
