"""Scanpaths drawn as they were asked for: exact samples, or the most typical of many."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from foregaze.errors import ConfigError
from foregaze.inference.conditional import Conditional, Extent, check_whole
from foregaze.scanpath_metrics import Scanpath, most_typical
from foregaze.types import Size

MOST_DRAWN = 10_000
"""Scanpaths that are drawn for the most typical of them: minutes of work."""


@dataclass(frozen=True)
class Sampling:
    """What is asked for.

    Raises:
        ConfigError: If a number is out of range.
    """

    n: int
    """Scanpaths."""
    extent: Extent
    seed: int | None = None
    temperature: float = 1.0
    """Log densities are divided by it."""
    typical: float = 1.0
    """Share of drawn scanpaths that is kept, those most like the others; with 1, exact samples."""

    def __post_init__(self) -> None:
        check_whole("n", self.n, 1)
        if self.seed is not None:
            check_whole("seed", self.seed, 0)
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"temperature is {self.temperature:g}, expected a positive number")
        if not 0 < self.typical <= 1:
            raise ConfigError(
                f"typical is {self.typical:g}, expected a share above 0, such as 0.1, and at most 1"
            )
        if self.typical < 1 and self.n / self.typical > MOST_DRAWN:
            raise ConfigError(
                f"the most typical {self.typical:g} of scanpaths are {self.n} only if "
                f"{self.n / self.typical:.0f} are drawn, expected at most {MOST_DRAWN}"
            )

    @property
    def drawn(self) -> int:
        """Scanpaths that are drawn for those `n` that are kept."""
        return math.ceil(round(self.n / self.typical, 6))


def draw_viewings(
    conditional: Conditional,
    history: Float[np.ndarray, "T 2"],
    sampling: Sampling,
    size: Size,
) -> list[Scanpath]:
    """Scanpaths that go on from past fixations, which are not part of them.

    Exact samples scatter as widely as the model is unsure of the image, each on its own, and so
    are less like people's scanpaths than these are like each other. With `typical` below one,
    more are drawn and those kept that are most like all of them
    (`foregaze.scanpath_metrics.typical`): more like what people do in common, and no longer samples
    of the model: probabilities and rates must not be read off them.

    Args:
        conditional: A model on an image.
        history: x and y of past fixations in pixels of the image, oldest first.
        sampling: How many, how long, and which.
        size: (H, W) of the image.

    Raises:
        ConfigError: If seconds are asked of a model without durations.
    """
    viewings = conditional.viewings(
        history, sampling.drawn, sampling.extent, sampling.seed, sampling.temperature
    )
    return viewings if sampling.typical == 1 else most_typical(viewings, sampling.n, size)
