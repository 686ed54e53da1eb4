"""Scanpaths to test with: made by hand, drawn at random, or drawn by Hypothesis."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from foregaze.scanpath_metrics import Scanpath

SIZE = (60, 80)


def path(*rows: Sequence[float]) -> Scanpath:
    """From rows of x, y, and the duration in ms if there is one."""
    table = np.array(rows, dtype=np.float64)
    durations = table[:, 2] if table.shape[1] > 2 else np.full(len(table), np.nan)
    return Scanpath(table[:, 0], table[:, 1], durations)


def random_path(rng: np.random.Generator, length: int) -> Scanpath:
    """On a stimulus of `SIZE`, with durations of 100 to 500 ms."""
    height, width = SIZE
    return Scanpath(
        rng.uniform(0, width, length), rng.uniform(0, height, length), rng.uniform(100, 500, length)
    )


@st.composite
def scanpaths(draw: st.DrawFn, shortest: int = 1, longest: int = 8) -> Scanpath:
    """Whole pixels and whole ms on a stimulus of `SIZE`, so that ties and zeros occur."""
    length = draw(st.integers(shortest, longest))

    def column(largest: int) -> np.ndarray:
        values = st.lists(st.integers(0, largest), min_size=length, max_size=length)
        return np.array(draw(values), dtype=np.float64)

    height, width = SIZE
    return Scanpath(column(width - 1), column(height - 1), column(400) + 100)


codes = st.lists(st.integers(0, 3), min_size=1, max_size=7).map(np.array)
