"""Scanpaths of one image as a table; the tables of all images as fixations."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Num

from foregaze.types import Fixations

Table = Float[np.ndarray, "_ 5"]
"""Columns: observer, order, x, y, duration_ms."""

MOUSE_STEP = 10
"""Every tenth sample of a mouse trace is a pseudo-fixation: samples are autocorrelated."""
MOUSE_SKIPPED = 10
"""First samples of each trace that are left out: the mouse starts where it happens to be."""


def scanpath_table(
    observer: int,
    x: Num[np.ndarray, " N"],
    y: Num[np.ndarray, " N"],
    duration_ms: Num[np.ndarray, " N"] | None = None,
) -> Table:
    """One scanpath, in the order in which it is given."""
    durations = np.full(len(x), np.nan) if duration_ms is None else duration_ms
    columns = [np.full(len(x), observer), np.arange(len(x)), x, y, durations]
    return np.column_stack(columns).astype(np.float64)


def unordered_table(x: Num[np.ndarray, " N"], y: Num[np.ndarray, " N"]) -> Table:
    """Fixations of which neither observer nor order is published.

    All have observer 0 and order 0: each is a scanpath's first fixation, and has no history.
    """
    nothing = np.zeros(len(x))
    return np.column_stack([nothing, nothing, x, y, np.full(len(x), np.nan)])


def join_tables(tables: Sequence[Table]) -> Fixations:
    """Fixations of the data set whose images have these tables, in their order."""
    image = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    observer, order, x, y, duration_ms = np.concatenate(tables).T
    return Fixations(
        image=image,
        observer=observer.astype(np.int64),
        order=order.astype(np.int64),
        x=x,
        y=y,
        duration_ms=duration_ms,
    )
