"""Scanpath mixtures as predictors: the spatial model runs once, small networks at every step."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from foregaze.inference.centerbias import CenterBiasLike
from foregaze.inference.conditional import Conditional, Extent
from foregaze.inference.onnx_engine import OnnxEngine
from foregaze.inference.prediction import Prediction
from foregaze.inference.predictor import Predictor
from foregaze.inference.trunk_predictor import threads_for, trunk_inputs
from foregaze.inference.viewing_time import draw_viewing_ms, end_viewing
from foregaze.models.fixation_duration import DurationDensity
from foregaze.models.next_fixation import NextFixation, Past, Scene
from foregaze.models.scanpath_mixture import ScanpathMixture, Viewer
from foregaze.ops.logdensity import mix, normalize, resample
from foregaze.ops.sampling import sample_resampled
from foregaze.scanpath_metrics import Scanpath
from foregaze.segmentation import Segments
from foregaze.types import ImageArray, Size

TOGETHER = 32
"""Scanpaths that take a step at once: more take more memory and no less time."""
_ALL = -1
"""In place of a component: the mean of all."""


class ScanpathPredictor(Predictor):
    """A scanpath mixture, ready for images of any size.

    Histories may be of any length: positions of the last few are seen one by one, the others in
    their number and whereabouts. After an empty history it predicts the first fixation.

    Args:
        name: What it was loaded as.
        model: The network.
        engine: What runs its `forward`.
        device: Where that wants its inputs.
        card: What the checkpoint says of its training.
    """

    model: ScanpathMixture
    sees_history = True
    starts = True

    def __init__(
        self,
        name: str,
        model: ScanpathMixture,
        engine: OnnxEngine | ScanpathMixture,
        device: torch.device,
        card: Mapping[str, Any],
    ) -> None:
        super().__init__(name, model, device, card)
        self.engine = engine

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
            pixels, prior = trunk_inputs(self.model.spatial, image, centerbias, self.mit1003)
            run = self.engine.outputs if isinstance(self.engine, OnnxEngine) else self.engine
            log_density, features = run(pixels.to(self.device), prior.to(self.device))
        return _Viewing(self.model, log_density[0], prior[0].to(self.device), features[0], size)


class _Viewing(Conditional):
    """A scanpath mixture on one image: its spatial model has run."""

    def __init__(
        self,
        model: ScanpathMixture,
        log_density: Float[Tensor, "u v"],
        prior: Float[Tensor, "u v"],
        features: Float[Tensor, "C h w"],
        size: Size,
    ) -> None:
        self.model = model
        self.log_density, self.prior, self.features = log_density, prior, features
        self.size = size
        self.stride = float(model.stride)
        height, width = (side * self.stride for side in features.shape[-2:])
        self.scale = np.array([width / size[1], height / size[0]])
        self.scenes: dict[int, Scene] = {}

    @torch.inference_mode()
    def __call__(self, history: Float[np.ndarray, "T 2"]) -> Prediction:
        """See `Conditional`."""
        past = self._past(history[None])
        each = [resample(self._next(k, past), self.size) for k in range(len(self.model.components))]
        at_image_size = (mix(torch.stack(each)) if len(each) > 1 else each[0])[0]
        return Prediction(at_image_size.float().cpu().numpy(), self.prior.cpu().numpy())

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
        where, _ = _two_generators(seed)
        paths = np.repeat(history[None], n, axis=0)  # (n, T, 2)
        for _ in range(length):
            following = self._step(paths, where, temperature)
            paths = np.concatenate([paths, following[:, None]], axis=1)
        return paths[:, len(history) :]

    @torch.inference_mode()
    def viewings(
        self,
        history: Float[np.ndarray, "T 2"],
        n: int,
        extent: Extent,
        seed: int | None,
        temperature: float = 1.0,
    ) -> list[Scanpath]:
        """See `Conditional`."""
        where, when = _two_generators(seed)
        budget_ms = self._budget_ms(extent, n, when)
        whole = extent.length is not None or extent.seconds is not None
        ended: dict[int, Scanpath] = {}
        going = np.arange(n)  # numbers of the scanpaths that have not ended, one row each below
        paths = np.repeat(history[None], n, axis=0)  # (m, T, 2)
        durations = np.full((n, len(history)), np.nan)  # (m, T)
        while len(going):
            following = self._step(paths, where, temperature)
            paths = np.concatenate([paths, following[:, None]], axis=1)
            lasting = self._last(paths, durations, when)
            durations = np.concatenate([durations, lasting[:, None]], axis=1)
            own = slice(len(history), None)
            spent = durations[:, own].sum(1)
            taken = paths.shape[1] - len(history)
            over = (
                np.full(len(going), taken >= extent.length)
                if extent.length
                else (spent >= budget_ms[going])
            )
            for row in np.flatnonzero(over):
                number = int(going[row])
                budget = None if whole else float(budget_ms[number])
                ended[number] = end_viewing(paths[row, own], durations[row, own], budget)
            going, paths, durations = going[~over], paths[~over], durations[~over]
        return [ended[number] for number in range(n)]

    def _budget_ms(
        self, extent: Extent, n: int, generator: np.random.Generator
    ) -> Float[np.ndarray, " {n}"]:
        """Fixation time of each scanpath: as asked, or as training viewers had."""
        if extent.seconds is not None:
            return np.full(n, 1000 * extent.seconds)
        return draw_viewing_ms(self.model.viewing_ms.cpu().double().numpy(), n, generator)

    def _past(self, paths: Float[np.ndarray, "n T 2"]) -> Past:
        """Histories as the networks take them: in working pixels, latest first."""
        room = max(self.model.config.fixation.history, 2)  # durations want the last saccade
        n, known = paths.shape[:2]
        latest_first = np.full((n, max(known, room), 2), np.nan, dtype=np.float32)
        latest_first[:, :known] = paths[:, ::-1] * self.scale
        x, y = torch.from_numpy(latest_first).to(self.device).unbind(-1)
        return Past(x, y)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.features.device

    def _next(self, component: int, past: Past) -> Float[Tensor, "n u v"]:
        """Log densities of the next fixation under one component."""
        return normalize(self._scores(component, past))

    def _scores(self, component: int, past: Past) -> Float[Tensor, "n u v"]:
        """The same up to a constant."""
        network: NextFixation = self.model.components[component].fixation
        if component not in self.scenes:
            self.scenes[component] = network.scene(
                self.log_density, self.prior, self.features, self.stride
            )
        return network.scores(self.scenes[component], past)

    def _step(
        self, paths: Float[np.ndarray, "n T 2"], generator: np.random.Generator, temperature: float
    ) -> Float[np.ndarray, "n 2"]:
        """The next fixation of each path: of a component drawn at random, which is exact.

        A tempered mean is not the mean of tempered densities, so that temperature takes all.
        """
        chosen = np.full(len(paths), _ALL)
        if temperature == 1:
            chosen = generator.integers(len(self.model.components), size=len(paths))
        scores = torch.empty((len(paths), *self.log_density.shape))
        for component, here in _groups(chosen):
            past = self._past(paths[here])
            if component == _ALL:
                scores[here] = self._mean(past).cpu() / temperature
            else:
                scores[here] = self._scores(component, past).cpu()
        return np.concatenate(
            [sample_resampled(some, self.size, generator) for some in torch.split(scores, TOGETHER)]
        )

    def _mean(self, past: Past) -> Float[Tensor, "n u v"]:
        """Log densities of the next fixation."""
        return mix(torch.stack([self._next(k, past) for k in range(len(self.model.components))]))

    def _last(
        self,
        paths: Float[np.ndarray, "n T 2"],
        before_ms: Float[np.ndarray, "n L"],
        generator: np.random.Generator,
    ) -> Float[np.ndarray, " n"]:
        """How long the last fixation of each path lasts, in ms, under a component drawn anew."""
        drawn = np.empty(len(paths))
        chosen = generator.integers(len(self.model.components), size=len(paths))
        for component, here in _groups(chosen):
            density = self._durations(component, paths[here], before_ms[here])
            drawn[here] = density.sample(generator)
        return drawn

    @torch.inference_mode()
    def log_prob_of_durations(self, scanpath: Scanpath) -> Float[np.ndarray, " N"]:
        """Log density of each fixation's duration after those before it, in nats per millisecond.

        Args:
            scanpath: Fixations on this image, their durations above zero; one that is not known
                has no density, NaN.
        """
        count = len(scanpath)
        paths = np.full((count, count, 2), np.nan)  # row i: fixations up to number i
        before_ms = np.full((count, count - 1), np.nan)
        for last in range(count):
            paths[last, count - 1 - last :, 0] = scanpath.x[: last + 1]
            paths[last, count - 1 - last :, 1] = scanpath.y[: last + 1]
            before_ms[last, count - 1 - last :] = scanpath.duration_ms[:last]
        own = torch.from_numpy(scanpath.duration_ms).float().to(self.device)
        components = range(len(self.model.components))
        each = [self._durations(k, paths, before_ms).log_prob(own) for k in components]
        nats = torch.stack(each).logsumexp(0) - math.log(len(components))  # (N,)
        return nats.double().cpu().numpy()

    def _durations(
        self,
        component: int,
        paths: Float[np.ndarray, "n T 2"],
        before_ms: Float[np.ndarray, "n L"],
    ) -> DurationDensity:
        """Densities of how long the last fixation of each path lasts, under one component."""
        viewer: Viewer = self.model.components[component]
        past = self._past(paths)
        latest_first = np.full((len(paths), max(past.x.shape[1] - 1, 2)), np.nan, dtype=np.float32)
        latest_first[:, : before_ms.shape[1]] = before_ms[:, ::-1]
        durations: DurationDensity = viewer.duration(
            self.features,
            self.log_density,
            self.stride,
            past,
            torch.from_numpy(latest_first).to(self.device),
        )
        return durations


def _groups(chosen: Int[np.ndarray, " n"]) -> Iterator[tuple[int, Int[np.ndarray, " m"]]]:
    """Components, and the scanpaths that take a step together under them."""
    for component in np.unique(chosen):
        here = np.flatnonzero(chosen == component)
        for first in range(0, len(here), TOGETHER):
            yield int(component), here[first : first + TOGETHER]


def _two_generators(seed: int | None) -> list[np.random.Generator]:
    """Of positions and of durations, so that these do not change those."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2)]
