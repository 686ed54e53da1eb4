"""What a model says of one image after any past fixations; the backbone has run by then."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from jaxtyping import Float

from foregaze.errors import ConfigError
from foregaze.inference.prediction import Prediction
from foregaze.ops.logdensity import sample_pixels
from foregaze.scanpath_metrics import Scanpath

LENGTH = 8
"""Fixations of a scanpath where nothing else is asked for or known."""


MOST_SECONDS = 600
"""Far beyond what any model was trained on."""


@dataclass(frozen=True)
class Extent:
    """How long scanpaths go on; with neither, as long as the model's training viewers looked.

    Raises:
        ConfigError: If both are given, or one is not positive.
    """

    length: int | None = None
    """Fixations."""
    seconds: float | None = None
    """Fixation time: the last fixation is the one that reaches it."""

    def __post_init__(self) -> None:
        if self.length is not None and self.seconds is not None:
            raise ConfigError("scanpaths end after a length or after seconds: give one of them")
        if self.length is not None:
            check_whole("length", self.length, 1)
        if self.seconds is not None and not 0 < self.seconds <= MOST_SECONDS:
            raise ConfigError(
                f"seconds is {self.seconds:g}, expected a number above 0, such as 3, and at most "
                f"{MOST_SECONDS}"
            )


def check_whole(name: str, number: object, least: int) -> None:
    """Raise a `ConfigError` unless it is a whole number, and large enough."""
    whole = isinstance(number, Integral) and not isinstance(number, bool)
    if not whole or int(number) < least:  # type: ignore[call-overload]
        raise ConfigError(f"{name} is {number!r}, expected a whole number from {least}")


class Conditional(ABC):
    """A model on one image. Histories are rows of x, y in the image's pixels, oldest first."""

    @abstractmethod
    def __call__(self, history: Float[np.ndarray, "T 2"]) -> Prediction:
        """The density of the fixation that follows past ones."""

    @abstractmethod
    def sample(
        self,
        history: Float[np.ndarray, "T 2"],
        n: int,
        length: int,
        seed: int | None,
        temperature: float = 1.0,
    ) -> Float[np.ndarray, "{n} {length} 2"]:
        """Scanpaths that go on from past fixations, which are not part of them.

        Args:
            history: Past fixations.
            n: Number of scanpaths.
            length: Fixations of each.
            seed: The same one gives the same scanpaths; None draws anew.
            temperature: Log densities are divided by it; below one, likely places are drawn more
                often than the model says.

        Returns:
            x and y in pixels of the image.
        """

    def viewings(
        self,
        history: Float[np.ndarray, "T 2"],
        n: int,
        extent: Extent,
        seed: int | None,
        temperature: float = 1.0,
    ) -> list[Scanpath]:
        """Scanpaths with durations where the model has them; arguments as in `sample`.

        Raises:
            ConfigError: If seconds are asked of a model without durations.
        """
        if extent.seconds is not None:
            raise ConfigError(
                "this model does not say how long fixations last: give a length, not seconds"
            )
        paths = self.sample(history, n, extent.length or LENGTH, seed, temperature)
        return [Scanpath.without_durations(path[:, 0], path[:, 1]) for path in paths]


class Unconditional(Conditional):
    """One density whatever came before."""

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction

    def __call__(self, history: Float[np.ndarray, "T 2"]) -> Prediction:
        """See `Conditional`."""
        return self.prediction

    def sample(
        self,
        history: Float[np.ndarray, "T 2"],
        n: int,
        length: int,
        seed: int | None,
        temperature: float = 1.0,
    ) -> Float[np.ndarray, "{n} {length} 2"]:
        """See `Conditional`; fixations are drawn independently."""
        log_density = self.prediction.log_density.astype(np.float64)
        tempered = (log_density - log_density.max()) / temperature  # or all would underflow
        points = sample_pixels(tempered, n * length, np.random.default_rng(seed))
        return points.reshape(n, length, 2)
