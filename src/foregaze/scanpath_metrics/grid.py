"""Fixations as symbols: the number of the grid cell that each lies in."""

import numpy as np
from jaxtyping import Float, Int

from foregaze.errors import ShapeError
from foregaze.types import Size


def grid_symbols(
    x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"], size: Size, rows: int, columns: int
) -> Int[np.ndarray, " N"]:
    """Row times `columns` plus column of the cell under each fixation.

    Cells are floor(x columns / W) and floor(y rows / H), so they scale with the stimulus. A
    fixation outside the stimulus counts to the nearest cell of its edge, as in ScanMatch.

    Raises:
        ShapeError: If the grid or the stimulus has no cell.
    """
    height, width = size
    if min(rows, columns, height, width) < 1:
        raise ShapeError(f"a grid of {rows}x{columns} cells on {height}x{width} px has no cell")
    row = _cells(y, height, rows)
    column = _cells(x, width, columns)
    symbols: Int[np.ndarray, " N"] = row * columns + column
    return symbols


def _cells(position: Float[np.ndarray, " N"], length: int, cells: int) -> Int[np.ndarray, " N"]:
    cell: Int[np.ndarray, " N"] = np.clip(np.floor(position * cells / length), 0, cells - 1).astype(
        np.int64
    )
    return cell
