"""String-edit distance: edits that turn one scanpath's string of grid cells into the other's.

Levenshtein (1966); for scanpaths Brandt & Stark (1997), and Foulsham & Underwood (2008), who use
a 5x5 grid. Insertion, deletion and substitution cost 1 each, and the count is not normalized.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from foregaze.scanpath_metrics.alignment import edit_distances
from foregaze.scanpath_metrics.grid import grid_symbols
from foregaze.scanpath_metrics.padding import lengths_of, pad_codes, require_pairs
from foregaze.scanpath_metrics.scanpath import Scanpath, Scores
from foregaze.types import Size

SED_CELLS = 5
"""Rows and columns of the grid."""


def levenshtein(a: Int[np.ndarray, " n"], b: Int[np.ndarray, " m"]) -> int:
    """Smallest number of insertions, deletions and substitutions between two strings of codes."""
    return int(_edits([a], [b])[0])


def string_edit_distance(a: Scanpath, b: Scanpath, size: Size, cells: int = SED_CELLS) -> int:
    """Edits between the strings of grid cells of two scanpaths; 0 is equal, fewer is closer.

    The cells share the stimulus equally. FixaTons rounds their size down to whole pixels, which
    is the same where `cells` divides the size; elsewhere it gives a further column, whose numbers
    collide with those of the next row.

    Args:
        a: A scanpath; fixations outside the stimulus count to the nearest cell of its edge.
        b: The other one.
        size: (H, W) of the stimulus.
        cells: Rows, and columns, of the grid.
    """
    return int(string_edit_distance_pairs([a], [b], size, cells)[0])


def string_edit_distance_pairs(
    first: Sequence[Scanpath], second: Sequence[Scanpath], size: Size, cells: int = SED_CELLS
) -> Scores:
    """`string_edit_distance` of each pair."""
    require_pairs(first, second)
    return _edits(
        [grid_symbols(s.x, s.y, size, cells, cells) for s in first],
        [grid_symbols(s.x, s.y, size, cells, cells) for s in second],
    )


def _edits(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> Scores:
    return edit_distances(
        pad_codes(first, 0), pad_codes(second, 0), lengths_of(first), lengths_of(second)
    )
