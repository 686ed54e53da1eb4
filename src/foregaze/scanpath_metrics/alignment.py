"""Dynamic programs behind several metrics, for many pairs at once.

Each fills a table F over the symbols (or fixations) of two sequences. Along a row, a cell that
depends on its left neighbor by a constant step is a running maximum (or minimum) of what comes
from above, so a row is one pass over all pairs; where the step differs from cell to cell, the
table is filled by anti-diagonals. Letter: `K` symbols; code K pads.
"""

import numpy as np
from jaxtyping import Float, Int

from foregaze.errors import ShapeError


def best_alignments(
    first: Int[np.ndarray, "P n"],
    second: Int[np.ndarray, "P m"],
    similarity: Float[np.ndarray, "K K"],
    gap: float = 0.0,
) -> Float[np.ndarray, " P"]:
    """Largest entry of each table of Needleman & Wunsch (1970).

    F(i, j) is the largest of F(i-1, j-1) + similarity, F(i-1, j) + gap and F(i, j-1) + gap, with
    F(i, 0) = i gap and F(0, j) = j gap. At gap 0 the last entry is the largest.

    Args:
        first: Codes 0 to K-1, then K as padding.
        second: The same.
        similarity: Score of aligning two codes.
        gap: Score of a symbol that is aligned with nothing, at most 0.

    Raises:
        ShapeError: If a gap is rewarded.
    """
    if gap > 0:
        raise ShapeError(f"a gap of {gap} rewards leaving symbols out: give 0 or less")
    padded = np.pad(similarity, (0, 1), constant_values=-np.inf)  # aligning padding never pays
    steps = gap * np.arange(second.shape[1] + 1)  # (m + 1,)
    row = np.tile(steps, (len(first), 1))  # (P, m + 1)
    best: Float[np.ndarray, " P"] = row.max(axis=1)
    for i, codes in enumerate(first.T):
        diagonal = row[:, :-1] + padded[codes[:, None], second]  # (P, m)
        above = np.maximum(diagonal, row[:, 1:] + gap)
        edge = np.full((len(first), 1), gap * (i + 1))
        row = np.maximum.accumulate(np.hstack([edge, above]) - steps, axis=1) + steps
        best = np.maximum(best, row.max(axis=1))
    return best


def edit_distances(
    first: Int[np.ndarray, "P n"],
    second: Int[np.ndarray, "P m"],
    first_lengths: Int[np.ndarray, " P"],
    second_lengths: Int[np.ndarray, " P"],
) -> Float[np.ndarray, " P"]:
    """Insertions, deletions and substitutions between two code sequences (Levenshtein 1966).

    D(i, j) is the smallest of D(i-1, j-1) + [codes differ], D(i-1, j) + 1 and D(i, j-1) + 1.
    """
    steps = np.arange(second.shape[1] + 1, dtype=np.float64)
    row = np.tile(steps, (len(first), 1))  # (P, m + 1)
    distance = second_lengths.astype(np.float64)  # of an empty first sequence
    for i, codes in enumerate(first.T):
        diagonal = row[:, :-1] + (codes[:, None] != second)
        above = np.minimum(diagonal, row[:, 1:] + 1)
        edge = np.full((len(first), 1), i + 1.0)
        row = np.minimum.accumulate(np.hstack([edge, above]) - steps, axis=1) + steps
        at_end = np.take_along_axis(row, second_lengths[:, None], axis=1)[:, 0]
        distance = np.where(first_lengths == i + 1, at_end, distance)
    return distance


def path_costs(cost: Float[np.ndarray, "P n m"]) -> Float[np.ndarray, "P n m"]:
    """Cost of the cheapest path from cell (0, 0) to every cell, both ends included.

    Steps go down, right, or both; each cell on the path is paid for.
    """
    pairs, n, m = cost.shape
    reached = np.full((pairs, n + 1, m + 1), np.inf)  # cell (i, j) at [i + 1, j + 1]
    reached[:, 0, 0] = 0
    for diagonal in range(n + m - 1):
        i = np.arange(max(0, diagonal - m + 1), min(n, diagonal + 1))
        j = diagonal - i
        before = np.minimum(reached[:, i, j], reached[:, i, j + 1])
        before = np.minimum(before, reached[:, i + 1, j])
        reached[:, i + 1, j + 1] = before + cost[:, i, j]
        reached[:, 0, 0] = np.inf  # only (0, 0) starts a path
    return reached[:, 1:, 1:]


def cheapest_paths(
    cost: Float[np.ndarray, "P n m"],
    first_lengths: Int[np.ndarray, " P"],
    second_lengths: Int[np.ndarray, " P"],
) -> tuple[Int[np.ndarray, "P L"], Int[np.ndarray, "P L"], Int[np.ndarray, " P"]]:
    """Cells of a cheapest path of each pair from its last cell back to (0, 0).

    Of several cheapest predecessors of a cell, the diagonal one is taken, then the one above
    (a step along the first sequence), then the left one.

    Returns:
        Rows and columns of the cells, padded with zeros to `L` cells, and how many there are.
    """
    reached = np.pad(path_costs(cost), ((0, 0), (1, 0), (1, 0)), constant_values=np.inf)
    pair = np.arange(len(cost))
    i, j = first_lengths - 1, second_lengths - 1
    rows, columns, cells = [i], [j], np.ones(len(cost), dtype=np.int64)
    while (i + j).any():
        before = [reached[pair, i, j], reached[pair, i, j + 1], reached[pair, i + 1, j]]
        step = np.argmin(before, axis=0)  # 0 diagonal, 1 up, 2 left
        going = i + j > 0
        cells += going
        i, j = i - (going & (step != 2)), j - (going & (step != 1))
        rows.append(i)
        columns.append(j)
    return np.stack(rows, axis=1), np.stack(columns, axis=1), cells
