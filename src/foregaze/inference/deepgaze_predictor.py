"""DeepGaze models as predictors: resolution, center bias, history, and sampled scanpaths.

I, II, IIE and III were made for images of 35 pixels per degree of visual angle and take every image
for one. An image whose pixels per degree are given is rescaled to theirs, its history and center
bias with it, and the density is brought back to the image's own size; without them it is taken as
it is, with a warning where its size makes that unlikely.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from foregaze.backbones.downloads import file_sha256
from foregaze.errors import WeightsError
from foregaze.images import read_image
from foregaze.inference.caller import warn_caller
from foregaze.inference.centerbias import (
    CenterBiasLike,
    KeptCenterBias,
    centerbias_on,
    mit1003_file,
    stretched,
)
from foregaze.inference.conditional import Conditional, Unconditional
from foregaze.inference.history import checked_history, slots
from foregaze.inference.image_size import check_not_too_large, check_not_too_small
from foregaze.inference.prediction import Prediction
from foregaze.inference.predictor import PX_PER_DVA, ImageLike, Predictor
from foregaze.inference.scanpath_sampling import sample_scanpaths
from foregaze.models import DeepGazeMSDB
from foregaze.models.deepgaze import DeepGaze
from foregaze.models.deepgaze_msdb import DeepGazeMSDBConfig
from foregaze.models.guided import SegmentModel, SpadeConfig
from foregaze.models.scene import Scene, SceneModel
from foregaze.ops.finalizer import FinerGrid
from foregaze.ops.logdensity import pool, resample
from foregaze.ops.preprocess import to_working_size
from foregaze.ops.working_size import size_of_area
from foregaze.segmentation import Segmenter, Segments, make_segmenter
from foregaze.types import ImageArray, Size

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
        super().__init__(name, model, device, card, checkpoint)
        self.sees_history = model.sees_history
        self.sees_resolution = isinstance(model, DeepGazeMSDB) or (
            model.config.px_per_dva is not None and model.config.working_size is None
        )
        if isinstance(model, DeepGazeMSDB):
            self.viewers = model.config.datasets
        self.sees_segments = isinstance(model, SegmentModel)
        self._segmenter: Segmenter | None = None
        self.own = self.mit1003
        if model.centerbias is not None:
            self.own = KeptCenterBias(self._read_own, self._resize_own)

    def _on(
        self,
        image: ImageArray,
        centerbias: CenterBiasLike,
        pixels_per_degree: float | None,
        dataset: str | None,
        segments: Segments | None,
    ) -> Conditional:
        resolution = self._resolution(pixels_per_degree)
        seen = self._seen(image, centerbias, resolution)
        if isinstance(self.model, SceneModel):
            ids = None
            if isinstance(self.model, SegmentModel):
                ids = torch.from_numpy(self._segments(image) if segments is None else segments)
            height, width = seen.pixels.shape[-2:]
            grid = self.model.grid((height, width))
            scene = self.model.scene(seen.pixels, grid, None if ids is None else [ids])
            return self._of_scene(scene, grid, seen)
        return Unconditional(seen.prediction(self._spatial([seen], resolution, dataset)))

    def _batch(
        self,
        images: Sequence[ImageLike],
        priors: Sequence[CenterBiasLike],
        pixels_per_degree: float | None,
        dataset: str | None,
    ) -> list[Prediction]:
        """Images of one size go through the network together."""
        if isinstance(self.model, SegmentModel):
            return super()._batch(images, priors, pixels_per_degree, dataset)
        resolution = self._resolution(pixels_per_degree) if images else None
        arrays = [read_image(image) for image in images]
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for number, array in enumerate(arrays):
            groups[array.shape].append(number)
        predictions: dict[int, Prediction] = {}
        for members in groups.values():
            for start in range(0, len(members), _BATCH):
                batch = members[start : start + _BATCH]
                seen = [self._seen(arrays[n], priors[n], resolution) for n in batch]
                log_densities = self._spatial(seen, resolution, dataset)
                for n, one, log_density in zip(batch, seen, log_densities, strict=True):
                    predictions[n] = one.prediction(log_density[None])
        return [predictions[number] for number in range(len(arrays))]

    def _spatial(
        self, seen: Sequence[_Seen], resolution: float | None, dataset: str | None
    ) -> Float[Tensor, "B h w"]:
        """Log densities of images of one size; of DeepGaze III for viewers at the center."""
        model = self.model
        pixels = torch.cat([one.pixels for one in seen])
        centerbias = torch.cat([one.centerbias for one in seen])
        if isinstance(model, DeepGazeMSDB):
            assert resolution is not None
            resolutions = torch.full((len(seen),), resolution, dtype=torch.float64)
            numbers = None
            if dataset is not None:
                number = model.config.datasets.index(dataset)
                numbers = torch.full((len(seen),), number, device=self.device)
            of_msdb: Tensor = model(pixels, centerbias, resolutions, numbers)
            return of_msdb
        history = []
        if isinstance(model, SceneModel) and self.sees_history:
            starts = [checked_history(None, None, one.size) * one.scale for one in seen]
            columns = [slots(start, model.config.history) for start in starts]
            history = [torch.cat(column).to(self.device) for column in zip(*columns, strict=True)]
        log_densities: Tensor = model(pixels, centerbias, *history)
        return log_densities

    def _of_scene(self, scene: Scene, grid: FinerGrid, seen: _Seen) -> Conditional:
        assert isinstance(self.model, SceneModel)
        following = _NextFixation(self.model, scene, grid, seen)
        return following if self.sees_history else Unconditional(following(np.empty((0, 2))))

    def _segments(self, image: ImageArray) -> Segments:
        """By the model's own segmenter."""
        if self._segmenter is None:
            config = self.model.config
            assert isinstance(config, SpadeConfig)
            self._segmenter = make_segmenter(config.segmenter, **config.segmenter_settings)
        return self._segmenter.segments(image)

    def _seen(
        self, image: ImageArray, centerbias: CenterBiasLike, resolution: float | None
    ) -> _Seen:
        size: Size = (image.shape[0], image.shape[1])
        at = self._working_size(size, resolution)
        check_not_too_small(self.name, self.model, size, at, resolution)
        prior = torch.from_numpy(centerbias_on(centerbias, size, self.own, self.mit1003))[None]
        if at != size:
            prior = prior.clamp_min(math.log(torch.finfo(prior.dtype).tiny))  # no minus infinity
            smaller = at[0] * at[1] < size[0] * size[1]
            prior = pool(prior, at) if smaller else resample(prior, at)
        pixels = to_working_size(image, at)[None]
        return _Seen(pixels.to(self.device), prior.float().to(self.device), size)

    def _working_size(self, size: Size, resolution: float | None) -> Size:
        """Size at which the model sees an image."""
        config = self.model.config
        if config.working_size is not None:
            return size_of_area(config.working_size, size)
        if isinstance(config, DeepGazeMSDBConfig):
            assert resolution is not None
            check_not_too_large(size, max(config.scales_px_per_dva), resolution)
        if config.px_per_dva is None:
            return size
        if resolution is None:
            shortest, longest = USUAL_LONGER_SIDE_PX
            if not shortest <= max(size) <= longest:
                warn_caller(
                    f"{self.name} was made for images of {config.px_per_dva:g} pixels per degree "
                    f"of visual angle, such as 1024x768, and this one has {size[1]}x{size[0]} "
                    "pixels: give pixels_per_degree to have it rescaled"
                )
            return size
        check_not_too_large(size, config.px_per_dva, resolution)
        factor = config.px_per_dva / resolution
        return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))

    def _resolution(self, pixels_per_degree: float | None) -> float | None:
        """Pixels per degree as they were given, or those that DeepGaze MSDB takes without."""
        if pixels_per_degree is not None:
            return float(pixels_per_degree)
        if not isinstance(self.model, DeepGazeMSDB):
            return None
        warn_caller(
            f"{self.name} needs the image's pixels per degree of visual angle, and takes "
            f"{PX_PER_DVA:g}: give pixels_per_degree"
        )
        return PX_PER_DVA

    def _settings(self) -> str:
        settings = f"{self.model.config.model_dump_json()} precision: {self.model.precision}"
        if self.model.centerbias is None:
            with suppress(WeightsError):  # where it is not there, predictions are given another
                settings += f" center bias: {file_sha256(mit1003_file(self.checkpoint))}"
        return settings

    def _read_own(self) -> Float[np.ndarray, "h w"]:
        """The center bias in the checkpoint."""
        own = self.model.centerbias
        assert isinstance(own, Tensor)
        log_density: Float[np.ndarray, "h w"] = own.cpu().double().numpy()
        return log_density

    def _resize_own(
        self, log_density: Float[np.ndarray, "h w"], size: Size
    ) -> Float[np.ndarray, "H W"]:
        if self.model.config.working_size is None:  # as published: resized as its authors do
            return stretched(log_density, size)
        resized: Tensor = resample(torch.from_numpy(log_density)[None], size)
        return resized[0].numpy()


class _NextFixation(Conditional):
    """A model that sees past fixations on one image: its networks have run."""

    def __init__(self, model: SceneModel, scene: Scene, grid: FinerGrid, seen: _Seen) -> None:
        self.model, self.scene, self.grid, self.seen = model, scene, grid, seen
        self.sampled = model.sample_centerbias(seen.centerbias)

    @torch.inference_mode()
    def __call__(self, history: Float[np.ndarray, "T 2"]) -> Prediction:
        """See `Conditional`."""
        past = [
            column.to(self.sampled.device)
            for column in slots(history * self.seen.scale, self.model.head.history)
        ]
        density = self.model.density(self.scene, self.grid, self.sampled, *past)
        return self.seen.prediction(density)

    @torch.inference_mode()
    def sample(
        self,
        history: Float[np.ndarray, "T 2"],
        n: int,
        length: int,
        seed: int | None,
        temperature: float = 1.0,
    ) -> Float[np.ndarray, "{n} {length} 2"]:
        """See `Conditional`."""
        scale = self.seen.scale
        scanpaths = sample_scanpaths(
            self.model.head,
            self.scene,
            self.grid,
            self.sampled,
            history * scale,
            n,
            length,
            seed,
            temperature,
        )
        inside: Float[np.ndarray, "{n} {length} 2"] = np.minimum(
            scanpaths / scale, self.seen.largest
        )
        return inside
