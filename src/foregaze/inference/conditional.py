"""What a model says of one image after any past fixations; the backbone has run by then."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Float

from foregaze.inference.prediction import Prediction


class Conditional(ABC):
    """A model on one image. Histories are rows of x, y in the image's pixels, oldest first."""

    @abstractmethod
    def __call__(self, history: Float[np.ndarray, "T 2"]) -> Prediction:
        """The density of the fixation that follows past ones."""

    @abstractmethod
    def sample(
        self, history: Float[np.ndarray, "T 2"], n: int, length: int, seed: int | None
    ) -> Float[np.ndarray, "{n} {length} 2"]:
        """Scanpaths that go on from past fixations, which are not part of them.

        Args:
            history: Past fixations.
            n: Number of scanpaths.
            length: Fixations of each.
            seed: The same one gives the same scanpaths; None draws anew.

        Returns:
            x and y in pixels of the image.
        """


class Unconditional(Conditional):
    """One density whatever came before."""

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction

    def __call__(self, history: Float[np.ndarray, "T 2"]) -> Prediction:
        """See `Conditional`."""
        return self.prediction

    def sample(
        self, history: Float[np.ndarray, "T 2"], n: int, length: int, seed: int | None
    ) -> Float[np.ndarray, "{n} {length} 2"]:
        """See `Conditional`; fixations are drawn independently."""
        return self.prediction.sample(n * length, seed).reshape(n, length, 2)
