"""ScanMatch: how well two scanpaths align as strings of grid cells, near cells counting in part.

Cristino, Mathôt, Theeuwes & Gilchrist (2010), Behavior Research Methods 42(3). A fixation becomes
the number of the grid cell that its pixel begins in (as in the toolboxes, positions are first cut
to whole pixels, which matters only where cells are no whole number of pixels wide); with a
temporal bin the number is repeated once for every bin of its duration (cut to whole ms, divided
by the bin and rounded, halves to even).
Aligning two cells scores threshold minus the distance of the cells, in cells. Letter: `K` cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics.alignment import best_alignments
from foregaze.scanpath_metrics.grid import grid_symbols
from foregaze.scanpath_metrics.padding import lengths_of, pad_codes, require_pairs
from foregaze.scanpath_metrics.scanpath import (
    NoSymbolsError,
    Scanpath,
    Scores,
    require_durations,
)
from foregaze.types import Size


@dataclass(frozen=True)
class ScanMatchSetting:
    """Grid and costs; what the field calls ScanMatch differs in these."""

    columns: int
    rows: int
    temporal_bin_ms: float | None
    """None: every fixation is one symbol, and durations are not looked at."""
    threshold_cells: float = 3.5
    """Distance at which aligning two cells is worth as much as a gap."""
    gap: float = 0.0

    def __post_init__(self) -> None:
        if not self.threshold_cells > 0:
            raise ShapeError(f"ScanMatch's threshold is {self.threshold_cells} cells: above 0")
        if self.temporal_bin_ms is not None and not self.temporal_bin_ms > 0:
            raise ShapeError(f"ScanMatch's temporal bin is {self.temporal_bin_ms} ms: above 0")


TOOLBOX = ScanMatchSetting(columns=12, rows=8, temporal_bin_ms=100.0)
"""Of the paper and its MATLAB toolbox."""
GAZEPARSER = ScanMatchSetting(columns=8, rows=6, temporal_bin_ms=None)
"""Of the Python class in GazeParser."""
OSIE = ScanMatchSetting(columns=16, rows=12, temporal_bin_ms=50.0)
"""Of Chen, Jiang & Zhao (2021) and the papers on OSIE since, "with duration"."""
OSIE_WITHOUT_DURATION = ScanMatchSetting(columns=16, rows=12, temporal_bin_ms=None)
"""The same, "without duration"."""


def scanmatch(a: Scanpath, b: Scanpath, size: Size, setting: ScanMatchSetting = OSIE) -> float:
    """Similarity from 0 to 1, which identical scanpaths have; symmetric.

    Args:
        a: A scanpath; fixations outside the stimulus count to the nearest cell of its edge.
        b: The other one.
        size: (H, W) of the stimulus.
        setting: Grid and costs. Cells are relative to the size, so the score does not change
            when the stimulus and its fixations are scaled to where cells are whole pixels wide.

    Raises:
        NoDurationsError: If there is a temporal bin and a duration is not known.
        NoSymbolsError: If all fixations of a scanpath round to no temporal bin.
    """
    if setting.temporal_bin_ms is not None:
        require_durations([a, b], "ScanMatch with a temporal bin")
        for scanpath in (a, b):
            if not len(_symbols(scanpath, size, setting)):
                raise NoSymbolsError(
                    f"no fixation of a scanpath fills a temporal bin of {setting.temporal_bin_ms} "
                    f"ms: the longest of {len(scanpath)} lasts {scanpath.duration_ms.max()} ms"
                )
    return float(scanmatch_pairs([a], [b], size, setting)[0])


def scanmatch_pairs(
    first: Sequence[Scanpath],
    second: Sequence[Scanpath],
    size: Size,
    setting: ScanMatchSetting = OSIE,
) -> Scores:
    """`scanmatch` of each pair; NaN where it would raise."""
    require_pairs(first, second)
    strings = [[_symbols(scanpath, size, setting) for scanpath in side] for side in (first, second)]
    cells = setting.rows * setting.columns
    best = best_alignments(
        pad_codes(strings[0], cells),
        pad_codes(strings[1], cells),
        _substitution(setting),
        setting.gap,
    )
    lengths = np.stack([lengths_of(side) for side in strings])  # (2, P)
    defined = lengths.min(axis=0) > 0
    longest = np.where(defined, lengths.max(axis=0), 1)
    return np.where(defined, best / (setting.threshold_cells * longest), np.nan)


def _symbols(scanpath: Scanpath, size: Size, setting: ScanMatchSetting) -> Int[np.ndarray, " n"]:
    """The string of a scanpath; empty where durations are not known but needed."""
    x_px, y_px = np.trunc(scanpath.x), np.trunc(scanpath.y)
    symbols = grid_symbols(x_px, y_px, size, setting.rows, setting.columns)
    if setting.temporal_bin_ms is None:
        return symbols
    if not scanpath.has_durations:
        return symbols[:0]
    bins = np.rint(np.trunc(scanpath.duration_ms) / setting.temporal_bin_ms).astype(np.int64)
    return np.repeat(symbols, bins)


def _substitution(setting: ScanMatchSetting) -> Float[np.ndarray, "K K"]:
    """Threshold minus the Euclidean distance of two cells, in cells."""
    row, column = np.divmod(np.arange(setting.rows * setting.columns), setting.columns)
    apart = np.hypot(row[:, None] - row, column[:, None] - column)
    substitution: Float[np.ndarray, "K K"] = setting.threshold_cells - apart
    return substitution
