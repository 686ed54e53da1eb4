"""A loaded model that predicts from images."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from PIL.Image import Image

from foregaze.errors import ConfigError
from foregaze.images import read_image
from foregaze.inference.centerbias import CenterBiasLike
from foregaze.inference.history import Positions, checked_history
from foregaze.inference.prediction import Prediction
from foregaze.models import AnyModel
from foregaze.types import ImageArray

ImageLike: TypeAlias = str | Path | Image | np.ndarray
"""Path, PIL image, or uint8 array (H, W, 3) or (H, W)."""

Conditional = Callable[[Float[np.ndarray, "T 2"]], Prediction]
"""Predicts the next fixation on one image after past ones, rows of x, y, oldest first."""


class Predictor(ABC):
    """A model with its weights, ready for images of any size.

    Args:
        name: What it was loaded as.
        model: The network.
        device: Where it runs.
        card: What the checkpoint says of its training.
    """

    sees_history: bool = False
    """Whether the density depends on past fixations."""
    sees_resolution: bool = False
    """Whether the density depends on `pixels_per_degree`."""

    def __init__(
        self, name: str, model: AnyModel, device: torch.device, card: Mapping[str, Any]
    ) -> None:
        self.name = name
        self.model = model
        self.device = device
        self.card = card

    def predict(
        self,
        image: ImageLike,
        *,
        centerbias: CenterBiasLike = None,
        x_hist: Positions | None = None,
        y_hist: Positions | None = None,
        pixels_per_degree: float | None = None,
        dataset: str | None = None,
    ) -> Prediction:
        """Fixation density of one image; one pass of the backbone.

        Args:
            image: Path, PIL image, or uint8 array (H, W, 3) or (H, W).
            centerbias: Log density (H, W) in nats at the image's size, whose `exp` sums to one;
                "uniform" for none; "mit1003" for that of the published DeepGaze models;
                `foregaze.data.CenterBias` for that of a data set; by default the model's own.
            x_hist: For models that see past fixations, their columns in pixels, oldest first; the
                model looks at the last few. Where left out, one at the image's center; empty for
                none at all.
            y_hist: Likewise their rows.
            pixels_per_degree: Of visual angle, as the image was or is to be seen. Models that were
                made for one resolution see the image rescaled to it.
            dataset: For `deepgaze-msdb`, the data set whose viewers are to be predicted.

        Raises:
            ImageError: If `image` is no usable image.
            ShapeError: If center bias or history do not fit the image.
            ConfigError: If the model has no use for an argument, or its value is impossible.
        """
        array = read_image(image)
        size = (array.shape[0], array.shape[1])
        if not self.sees_history and (x_hist is not None or y_hist is not None):
            raise ConfigError(
                f"model {self.name!r} does not use past fixations: leave out x_hist and y_hist"
            )
        history = checked_history(x_hist, y_hist, size)
        conditional = self.on(
            array, centerbias=centerbias, pixels_per_degree=pixels_per_degree, dataset=dataset
        )
        return conditional(history)

    def predict_batch(
        self,
        images: Sequence[ImageLike],
        *,
        centerbias: CenterBiasLike = None,
        pixels_per_degree: float | None = None,
        dataset: str | None = None,
    ) -> list[Prediction]:
        """Fixation densities of several images of any sizes, as `predict` gives them."""
        return [
            self.predict(
                image,
                centerbias=centerbias,
                pixels_per_degree=pixels_per_degree,
                dataset=dataset,
            )
            for image in images
        ]

    @abstractmethod
    def on(
        self,
        image: ImageArray,
        *,
        centerbias: CenterBiasLike = None,
        pixels_per_degree: float | None = None,
        dataset: str | None = None,
    ) -> Conditional:
        """All that an image alone decides, its backbone pass included; see `predict`."""

    def sample_scanpaths(
        self,
        image: ImageLike,
        n: int = 10,
        length: int = 8,
        seed: int | None = None,
        *,
        x_hist: Positions | None = None,
        y_hist: Positions | None = None,
        centerbias: CenterBiasLike = None,
        pixels_per_degree: float | None = None,
    ) -> Float[np.ndarray, "n length 2"]:
        """Scanpaths drawn from the model; one pass of the backbone for all of them.

        Exact samples: every fixation is drawn from the density that the fixations before it give.
        Models that do not see past fixations draw independent ones.

        Args:
            image: As in `predict`.
            n: Number of scanpaths.
            length: Fixations of each, those of the history not among them.
            seed: The same one gives the same scanpaths; None draws anew.
            x_hist: Fixations that all scanpaths start from, as in `predict`.
            y_hist: Likewise.
            centerbias: As in `predict`.
            pixels_per_degree: As in `predict`.

        Returns:
            x and y in pixels of the image.

        Raises:
            ConfigError: If `n` or `length` is below one; see also `predict`.
        """
        check_counts(n=n, length=length)
        prediction = self.predict(
            image,
            centerbias=centerbias,
            x_hist=x_hist,
            y_hist=y_hist,
            pixels_per_degree=pixels_per_degree,
        )
        return prediction.sample(n * length, seed).reshape(n, length, 2)

    def digest(self) -> str:
        """SHA-256 of all weights and of what else decides predictions."""
        digest = hashlib.sha256(self._settings().encode())
        for key, tensor in sorted(self.model.state_dict().items()):
            digest.update(key.encode())
            digest.update(tensor.cpu().numpy().tobytes())
        return digest.hexdigest()

    def _settings(self) -> str:
        """What decides predictions beside the weights."""
        return ""


def check_counts(**counts: int) -> None:
    """Raise a `ConfigError` that names the first count below one."""
    for argument, value in counts.items():
        if value < 1:
            raise ConfigError(f"{argument} is {value}, expected at least 1")
