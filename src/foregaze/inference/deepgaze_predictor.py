"""DeepGaze models as predictors: resolution, center bias, history, and sampled scanpaths.

I, II, IIE and III were made for images of 35 pixels per degree of visual angle and take every image
for one. An image whose pixels per degree are given is rescaled to theirs, its history and center
bias with it, and the density is brought back to the image's own size; without them it is taken as
it is, with a warning where its size makes that unlikely.
"""

import math
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from foregaze.errors import ConfigError, UnknownNameError
from foregaze.images import MAX_PIXELS, read_image
from foregaze.inference.centerbias import (
    CenterBiasLike,
    centerbias_on,
    mit1003_centerbias,
    mit1003_file,
    stretched,
)
from foregaze.inference.history import Positions, checked_history, slots
from foregaze.inference.prediction import Prediction
from foregaze.inference.predictor import Conditional, ImageLike, Predictor, check_counts
from foregaze.inference.preprocess import to_working_size
from foregaze.inference.scanpath_sampling import sample_scanpaths
from foregaze.models import DeepGaze3, DeepGazeMSDB
from foregaze.models.deepgaze import DeepGaze
from foregaze.models.deepgaze_msdb import DeepGazeMSDBConfig
from foregaze.ops.finalizer import mean_density
from foregaze.ops.logdensity import pool, resample
from foregaze.ops.working_size import size_of_area
from foregaze.types import ImageArray, Size

PX_PER_DVA = 35.0
"""Of the images of MIT1003, on which the published models were trained."""
_BATCH = 4
"""Images that go through a network together."""
USUAL_LONGER_SIDE_PX = (512, 2048)
"""Longer sides of images that may well have about 35 pixels per degree; 1024 in training."""


@dataclass(frozen=True, eq=False)
class _Seen:
    """An image as the model sees it."""

    pixels: Float[Tensor, "1 3 h w"]
    centerbias: Float[Tensor, "1 h w"]
    size: Size
    """The image's own (H, W)."""

    @property
    def scale(self) -> Float[np.ndarray, "2"]:
        """Seen pixels per pixel of the image, in x and y."""
        height, width = self.pixels.shape[-2:]
        return np.array([width / self.size[1], height / self.size[0]])

    @property
    def largest(self) -> Float[np.ndarray, "2"]:
        """The last position inside the image in x and y."""
        return np.nextafter(np.array(self.size[::-1], dtype=np.float64), 0)

    def prediction(self, log_density: Float[Tensor, "1 h w"]) -> Prediction:
        """A density brought back to the image's size."""
        at_image_size = resample(log_density, self.size)[0].float().cpu().numpy()
        return Prediction(at_image_size, self.centerbias[0].cpu().numpy())


class DeepGazePredictor(Predictor):
    """A DeepGaze model, ready for images of any size.

    Args:
        name: What it was loaded as.
        model: The network, on its device.
        device: Where it is.
        card: What the checkpoint says of its training.
        checkpoint: The file that it came from; MIT1003's center bias may lie beside it.
    """

    model: DeepGaze | DeepGazeMSDB

    def __init__(
        self,
        name: str,
        model: DeepGaze | DeepGazeMSDB,
        device: torch.device,
        card: Mapping[str, Any],
        checkpoint: Path | None = None,
    ) -> None:
        super().__init__(name, model, device, card)
        self.sees_history = model.sees_history
        self.sees_resolution = isinstance(model, DeepGazeMSDB) or (
            model.config.px_per_dva is not None and model.config.working_size is None
        )
        self.checkpoint = checkpoint

    @torch.inference_mode()
    def on(
        self,
        image: ImageArray,
        *,
        centerbias: CenterBiasLike = None,
        pixels_per_degree: float | None = None,
        dataset: str | None = None,
    ) -> Conditional:
        """See `Predictor`."""
        self._check_dataset(dataset)
        seen = self._seen(image, centerbias, pixels_per_degree)
        if isinstance(self.model, DeepGaze3):
            return _NextFixation(self.model, seen)
        prediction = seen.prediction(self._spatial([seen], pixels_per_degree, dataset))
        return lambda _: prediction

    @torch.inference_mode()
    def predict_batch(
        self,
        images: Sequence[ImageLike],
        *,
        centerbias: CenterBiasLike = None,
        pixels_per_degree: float | None = None,
        dataset: str | None = None,
    ) -> list[Prediction]:
        """See `Predictor`; images of one size go through the network together."""
        self._check_dataset(dataset)
        arrays = [read_image(image) for image in images]
        seen = [self._seen(array, centerbias, pixels_per_degree) for array in arrays]
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for number, one in enumerate(seen):
            groups[one.pixels.shape].append(number)
        predictions: dict[int, Prediction] = {}
        for members in groups.values():
            for start in range(0, len(members), _BATCH):
                batch = members[start : start + _BATCH]
                together = [seen[number] for number in batch]
                log_densities = self._spatial(together, pixels_per_degree, dataset)
                for number, log_density in zip(batch, log_densities, strict=True):
                    predictions[number] = seen[number].prediction(log_density[None])
        return [predictions[number] for number in range(len(seen))]

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
        """See `Predictor`."""
        if not isinstance(self.model, DeepGaze3):
            return super().sample_scanpaths(
                image,
                n,
                length,
                seed,
                x_hist=x_hist,
                y_hist=y_hist,
                centerbias=centerbias,
                pixels_per_degree=pixels_per_degree,
            )
        check_counts(n=n, length=length)
        array = read_image(image)
        history = checked_history(x_hist, y_hist, (array.shape[0], array.shape[1]))
        with torch.inference_mode():
            seen = self._seen(array, centerbias, pixels_per_degree)
            scanpaths = sample_scanpaths(
                self.model, seen.pixels, seen.centerbias, history * seen.scale, n, length, seed
            )
        inside: Float[np.ndarray, "n length 2"] = np.minimum(scanpaths / seen.scale, seen.largest)
        return inside

    def _spatial(
        self, seen: Sequence[_Seen], pixels_per_degree: float | None, dataset: str | None
    ) -> Float[Tensor, "B h w"]:
        """Log densities of images of one size; of DeepGaze III for viewers at the center."""
        model = self.model
        pixels = torch.cat([one.pixels for one in seen])
        centerbias = torch.cat([one.centerbias for one in seen])
        if isinstance(model, DeepGazeMSDB):
            resolution = torch.full((len(seen),), self._resolution(pixels_per_degree))
            numbers = None
            if dataset is not None:
                number = model.config.datasets.index(dataset)
                numbers = torch.full((len(seen),), number, device=self.device)
            of_msdb: Tensor = model(pixels, centerbias, resolution, numbers)
            return of_msdb
        history = []
        if isinstance(model, DeepGaze3):
            starts = [checked_history(None, None, one.size) * one.scale for one in seen]
            columns = [slots(start, model.config.history) for start in starts]
            history = [torch.cat(column).to(self.device) for column in zip(*columns, strict=True)]
        log_densities: Tensor = model(pixels, centerbias, *history)
        return log_densities

    def _seen(
        self, image: ImageArray, centerbias: CenterBiasLike, pixels_per_degree: float | None
    ) -> _Seen:
        size: Size = (image.shape[0], image.shape[1])
        at = self._working_size(size, pixels_per_degree)
        log_density = centerbias_on(centerbias, size, lambda: self._own(size), self.checkpoint)
        prior = torch.from_numpy(log_density)[None]
        if at != size:
            prior = prior.clamp_min(math.log(torch.finfo(prior.dtype).tiny))  # no minus infinity
            smaller = at[0] * at[1] < size[0] * size[1]
            prior = pool(prior, at) if smaller else resample(prior, at)
        pixels = to_working_size(image, at)[None]
        return _Seen(pixels.to(self.device), prior.float().to(self.device), size)

    def _working_size(self, size: Size, pixels_per_degree: float | None) -> Size:
        """Size at which the model sees an image."""
        config = self.model.config
        if pixels_per_degree is not None and not 0 < pixels_per_degree < math.inf:
            raise ConfigError(
                f"pixels_per_degree is {pixels_per_degree:g}, expected a positive number such as "
                f"{PX_PER_DVA:g}"
            )
        if config.working_size is not None:
            return size_of_area(config.working_size, size)
        if isinstance(config, DeepGazeMSDBConfig):
            self._check_rescaled(size, max(config.scales_px_per_dva), pixels_per_degree)
        if config.px_per_dva is None:
            return size
        if pixels_per_degree is None:
            shortest, longest = USUAL_LONGER_SIDE_PX
            if not shortest <= max(size) <= longest:
                warnings.warn(
                    f"{self.name} was made for images of {config.px_per_dva:g} pixels per degree "
                    f"of visual angle, such as 1024x768, and this one has {size[1]}x{size[0]} "
                    "pixels: give pixels_per_degree to have it rescaled",
                    stacklevel=4,
                )
            return size
        self._check_rescaled(size, config.px_per_dva, pixels_per_degree)
        factor = config.px_per_dva / pixels_per_degree
        return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))

    def _check_rescaled(self, size: Size, wanted: float, pixels_per_degree: float | None) -> None:
        """Refuse an image that would become huge by being brought to the pixels per degree."""
        if pixels_per_degree is None:
            return
        if size[0] * size[1] * (wanted / pixels_per_degree) ** 2 > MAX_PIXELS:
            raise ConfigError(
                f"pixels_per_degree is {pixels_per_degree:g}: {size[1]}x{size[0]} pixels rescaled "
                f"to {wanted:g} pixels per degree are more than {MAX_PIXELS:,}, which is the limit"
            )

    def _resolution(self, pixels_per_degree: float | None) -> float:
        """Pixels per degree for DeepGaze MSDB, which asks for them."""
        if pixels_per_degree is None:
            warnings.warn(
                f"{self.name} needs the image's pixels per degree of visual angle, and takes "
                f"{PX_PER_DVA:g}: give pixels_per_degree",
                stacklevel=5,
            )
            return PX_PER_DVA
        return float(pixels_per_degree)

    def _check_dataset(self, dataset: str | None) -> None:
        if dataset is None:
            return
        if not isinstance(self.model, DeepGazeMSDB):
            raise ConfigError(f"model {self.name!r} has no parameters for data sets")
        if dataset not in self.model.config.datasets:
            raise UnknownNameError("data set", dataset, self.model.config.datasets)

    def _settings(self) -> str:
        return f"{self.model.config.model_dump_json()} precision: {self.model.precision}"

    def _own(self, size: Size) -> Float[np.ndarray, "H W"]:
        """The center bias in the checkpoint, or else that of MIT1003."""
        own = self.model.centerbias
        if not isinstance(own, Tensor):
            return mit1003_centerbias(size, mit1003_file(self.checkpoint))
        if self.model.config.working_size is None:  # as published: resized as its authors do
            return stretched(own.cpu().double().numpy(), size)
        density: Float[np.ndarray, "H W"] = resample(own[None].cpu().double(), size)[0].numpy()
        return density


class _NextFixation:
    """DeepGaze III on one image: its backbone has run."""

    def __init__(self, model: DeepGaze3, seen: _Seen) -> None:
        self.model = model
        self.seen = seen
        height, width = seen.pixels.shape[-2:]
        self.grid = model.grid((height, width))
        self.saliency = model.saliency_maps(seen.pixels, self.grid)
        self.sampled = model.sample_centerbias(seen.centerbias)

    @torch.inference_mode()
    def __call__(self, history: Float[np.ndarray, "T 2"]) -> Prediction:
        """The density of the next fixation."""
        x_hist, y_hist = (
            column.to(self.saliency.device)
            for column in slots(history * self.seen.scale, self.model.config.history)
        )
        parts = self.model.head.after(self.saliency, self.grid, self.sampled, x_hist, y_hist)
        return self.seen.prediction(self.grid.repeated(mean_density(parts)))
