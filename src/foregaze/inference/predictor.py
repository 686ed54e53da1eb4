"""A loaded model that predicts from images."""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, Unpack

import numpy as np
import torch
from jaxtyping import Float
from PIL.Image import Image

from foregaze.errors import ConfigError, ShapeError, UnknownNameError
from foregaze.images import read_image
from foregaze.inference.centerbias import (
    CenterBiasLike,
    KeptCenterBias,
    read_mit1003,
    stretched,
)
from foregaze.inference.conditional import LENGTH, Conditional, Extent
from foregaze.inference.drawing import Sampling, draw_viewings
from foregaze.inference.history import Positions, checked_history
from foregaze.inference.prediction import Prediction
from foregaze.inference.segments import SegmentsLike, checked_segments
from foregaze.models import AnyModel
from foregaze.scanpath_metrics import Scanpath
from foregaze.segmentation import Segments
from foregaze.types import ImageArray, Size

ImageLike: TypeAlias = str | Path | Image | np.ndarray
"""Path, PIL image, or uint8 array (H, W, 3) or (H, W)."""

PX_PER_DVA = 35.0
"""Pixels per degree of visual angle of MIT1003's images, on which published models were trained."""


class SamplingOptions(TypedDict, total=False):
    """What sampling may be told besides how many and how long; see `Predictor.sample_viewings`."""

    x_hist: Positions | None
    y_hist: Positions | None
    centerbias: CenterBiasLike
    pixels_per_degree: float | None
    dataset: str | None
    temperature: float
    typical: float
    segments: SegmentsLike


_USUAL_SAMPLING = SamplingOptions(
    x_hist=None,
    y_hist=None,
    centerbias=None,
    pixels_per_degree=None,
    dataset=None,
    temperature=1.0,
    typical=1.0,
    segments=None,
)


class Predictor(ABC):
    """A model with its weights, ready for images of any size.

    Args:
        name: What it was loaded as.
        model: The network.
        device: Where it runs.
        card: What the checkpoint says of its training.
        checkpoint: The file that it came from; MIT1003's center bias may lie beside it.
    """

    sees_history: bool = False
    """Whether the density depends on past fixations."""
    sees_resolution: bool = False
    """Whether the density depends on `pixels_per_degree`."""
    sees_segments: bool = False
    """Whether the density depends on segments of the image."""
    starts: bool = False
    """Whether it predicts first fixations too: those that follow an empty history."""
    viewers: tuple[str, ...] = ()
    """Data sets whose viewers it has parameters for."""

    def __init__(
        self,
        name: str,
        model: AnyModel,
        device: torch.device,
        card: Mapping[str, Any],
        checkpoint: Path | None = None,
    ) -> None:
        self.name = name
        self.model = model
        self.device = device
        self.card = card
        self.checkpoint = checkpoint
        self.mit1003 = KeptCenterBias(self._read_mit1003, stretched)

    def predict(
        self,
        image: ImageLike,
        *,
        centerbias: CenterBiasLike = None,
        x_hist: Positions | None = None,
        y_hist: Positions | None = None,
        pixels_per_degree: float | None = None,
        dataset: str | None = None,
        segments: SegmentsLike = None,
    ) -> Prediction:
        """Fixation density of one image; one pass of the backbone.

        Args:
            image: Path, PIL image, or uint8 array (H, W, 3) or (H, W).
            centerbias: Log density (H, W) in nats at the image's size, whose `exp` sums to one;
                "uniform" for none; "mit1003" for that of the published DeepGaze models;
                `foregaze.data.CenterBias` for that of a data set; by default the model's own.
            x_hist: For models that see past fixations, their columns in pixels, oldest first; the
                model looks at the last few. Where left out, one at the image's center, or none for
                models that predict first fixations; empty for none at all.
            y_hist: Likewise their rows.
            pixels_per_degree: Of visual angle, as the image was or is to be seen. Models that were
                made for one resolution see the image rescaled to it.
            dataset: For `deepgaze-msdb`, the data set whose viewers are to be predicted.
            segments: For models that see them, an id from 0 on for each pixel, as whole numbers
                (H, W) or the path of a PNG or NPY file; where left out, the model's own segmenter
                makes them.

        Raises:
            ImageError: If `image` is no usable image.
            ShapeError: If center bias or history do not fit the image.
            ConfigError: If the model has no use for an argument, or its value is impossible.
        """
        array = read_image(image)
        history = self._history(array, x_hist, y_hist)
        conditional = self.on(
            array,
            centerbias=centerbias,
            pixels_per_degree=pixels_per_degree,
            dataset=dataset,
            segments=segments,
        )
        return conditional(history)

    def predict_batch(
        self,
        images: Sequence[ImageLike],
        *,
        centerbias: CenterBiasLike | Sequence[CenterBiasLike] = None,
        pixels_per_degree: float | None = None,
        dataset: str | None = None,
    ) -> list[Prediction]:
        """Fixation densities of several images of any sizes, as `predict` gives them.

        Args:
            images: Each as in `predict`.
            centerbias: As in `predict`, for all images, or a list or tuple with one for each. One
                array serves only images of its size.
            pixels_per_degree: Of all images, as in `predict`.
            dataset: As in `predict`.

        Raises:
            ShapeError: If there are not as many center biases as images; see also `predict`.
        """
        self._check(pixels_per_degree, dataset)
        priors = _one_for_each(centerbias, len(images))
        with torch.inference_mode():
            return self._batch(images, priors, pixels_per_degree, dataset)

    def on(
        self,
        image: ImageArray,
        *,
        centerbias: CenterBiasLike = None,
        pixels_per_degree: float | None = None,
        dataset: str | None = None,
        segments: SegmentsLike = None,
    ) -> Conditional:
        """All that an image alone decides, its backbone pass included.

        Predictions after any histories and scanpaths cost no other pass.

        Args:
            image: An sRGB image.
            centerbias: As in `predict`.
            pixels_per_degree: As in `predict`.
            dataset: As in `predict`.
            segments: As in `predict`.

        Raises:
            ShapeError: If the image is too small, or center bias or segments do not fit it.
            ConfigError: If the model has no use for an argument, or its value is impossible.
        """
        self._check(pixels_per_degree, dataset)
        ids = self._checked_segments(segments, (image.shape[0], image.shape[1]))
        with torch.inference_mode():
            return self._on(image, centerbias, pixels_per_degree, dataset, ids)

    def sample_scanpaths(
        self,
        image: ImageLike,
        n: int = 10,
        length: int | None = None,
        seed: int | None = None,
        *,
        seconds: float | None = None,
        **options: Unpack[SamplingOptions],
    ) -> Float[np.ndarray, "n length 2"]:
        """Where `sample_viewings` looks, as one array.

        Args:
            image: As in `predict`.
            n: Number of scanpaths.
            length: Fixations of each, those of the history not among them; 8 where neither this nor
                `seconds` is given.
            seed: The same one gives the same scanpaths; None draws anew.
            seconds: In place of a length, for models with durations; see `sample_viewings`.
            options: See `sample_viewings`.

        Returns:
            x and y in pixels of the image; with `seconds`, NaN after a scanpath's end.

        Raises:
            ConfigError: If `n` or `length` is below one; see also `predict`.
        """
        if length is None and seconds is None:
            length = LENGTH
        viewings = self.sample_viewings(
            image, n, length=length, seconds=seconds, seed=seed, **options
        )
        positions = np.full((n, max(map(len, viewings)), 2), np.nan)
        for row, viewing in zip(positions, viewings, strict=True):
            row[: len(viewing)] = np.column_stack([viewing.x, viewing.y])
        return positions

    def sample_viewings(
        self,
        image: ImageLike,
        n: int = 10,
        *,
        length: int | None = None,
        seconds: float | None = None,
        seed: int | None = None,
        **options: Unpack[SamplingOptions],
    ) -> list[Scanpath]:
        """Scanpaths drawn from the model, with durations where it has them; one backbone pass.

        Exact samples: every fixation is drawn from the density that the fixations before it give.
        Models that do not see past fixations draw independent ones.

        Args:
            image: As in `predict`.
            n: Number of scanpaths.
            length: Fixations of each, those of the history not among them. With neither this nor
                `seconds`, models with durations look as long as the viewers that they were trained
                on did, and others take 8 fixations.
            seconds: For models with durations, the fixation time after which scanpaths end; the
                last fixation is the one that reaches it. What passes between fixations is not
                counted.
            seed: The same one gives the same scanpaths; None draws anew.
            options: `x_hist`, `y_hist`, fixations that all scanpaths start from; `centerbias`,
                `pixels_per_degree`, `dataset` and `segments`, all as in `predict`; `temperature`,
                which log densities are divided by: 1, the model's own, unless another is asked for;
                and `typical`, see `draw_viewings`: 1, all samples, unless another share is asked
                for.

        Returns:
            Scanpaths in pixels of the image; durations are NaN where the model has none.

        Raises:
            ConfigError: If `n`, `length`, `seconds`, `temperature` or `typical` is out of range,
                or the model has no durations for `seconds`; see also `predict`.
        """
        asked: SamplingOptions = {**_USUAL_SAMPLING, **options}
        sampling = Sampling(
            n, Extent(length, seconds), seed, asked["temperature"], asked["typical"]
        )
        array = read_image(image)
        history = self._history(array, asked["x_hist"], asked["y_hist"])
        conditional = self.on(
            array,
            centerbias=asked["centerbias"],
            pixels_per_degree=asked["pixels_per_degree"],
            dataset=asked["dataset"],
            segments=asked["segments"],
        )
        return draw_viewings(conditional, history, sampling, (array.shape[0], array.shape[1]))

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

    @abstractmethod
    def _on(
        self,
        image: ImageArray,
        centerbias: CenterBiasLike,
        pixels_per_degree: float | None,
        dataset: str | None,
        segments: Segments | None,
    ) -> Conditional:
        """See `on`; arguments are checked, and gradients are off."""

    def _batch(
        self,
        images: Sequence[ImageLike],
        priors: Sequence[CenterBiasLike],
        pixels_per_degree: float | None,
        dataset: str | None,
    ) -> list[Prediction]:
        """See `predict_batch`; arguments are checked, and gradients are off."""
        predictions = []
        for image, prior in zip(images, priors, strict=True):
            array = read_image(image)
            conditional = self._on(array, prior, pixels_per_degree, dataset, None)
            predictions.append(conditional(self._history(array, None, None)))
        return predictions

    def _history(
        self, image: ImageArray, x_hist: Positions | None, y_hist: Positions | None
    ) -> Float[np.ndarray, "T 2"]:
        if not self.sees_history and (x_hist is not None or y_hist is not None):
            raise ConfigError(
                f"model {self.name!r} does not use past fixations: leave out x_hist and y_hist"
            )
        size = (image.shape[0], image.shape[1])
        return checked_history(x_hist, y_hist, size, starts=self.starts)

    def _checked_segments(self, segments: SegmentsLike, size: Size) -> Segments | None:
        if segments is None:
            return None
        if not self.sees_segments:
            raise ConfigError(f"model {self.name!r} sees no segments: leave out segments")
        return checked_segments(segments, size)

    def _check(self, pixels_per_degree: float | None, dataset: str | None) -> None:
        if pixels_per_degree is not None:
            check_resolution(pixels_per_degree)
        if dataset is None:
            return
        if not self.viewers:
            raise ConfigError(f"model {self.name!r} has no parameters for data sets")
        if dataset not in self.viewers:
            raise UnknownNameError("data set", dataset, self.viewers)

    def _read_mit1003(self) -> Float[np.ndarray, "h w"]:
        return read_mit1003(self.checkpoint)


def check_resolution(pixels_per_degree: object) -> None:
    """Raise a `ConfigError` if pixels per degree of visual angle are no positive number."""
    if isinstance(pixels_per_degree, Real) and not isinstance(pixels_per_degree, bool):
        number = float(pixels_per_degree)
        if 0 < number < math.inf:
            return
        given = f"{number:g}"
    else:
        given = repr(pixels_per_degree)
    raise ConfigError(
        f"pixels_per_degree is {given}, expected a positive number such as {PX_PER_DVA:g}"
    )


def _one_for_each(
    centerbias: CenterBiasLike | Sequence[CenterBiasLike], count: int
) -> Sequence[CenterBiasLike]:
    """Center biases of a batch, one for each image."""
    if isinstance(centerbias, str) or not isinstance(centerbias, Sequence):
        return [centerbias] * count
    if len(centerbias) != count:
        raise ShapeError(
            f"centerbias has {len(centerbias)} entries for {count} images: give one for each, or "
            "one that is for all"
        )
    return centerbias
