"""Past fixations as a caller gives them, checked and brought to a model's form."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from foregaze.errors import ShapeError
from foregaze.types import Size

Positions = Sequence[float] | np.ndarray
"""Coordinates of past fixations in pixels, oldest first."""


def checked_history(
    x_hist: Positions | None, y_hist: Positions | None, size: Size, *, starts: bool = False
) -> Float[np.ndarray, "T 2"]:
    """Past fixations as rows of x, y, oldest first.

    Where none are given the viewer is taken to have looked at the image's center, as viewers of
    the published models' training data did before the image appeared, unless the model predicts
    where viewing starts; an empty history is none.
    Missing older fixations may be NaN.

    Args:
        x_hist: Columns, 0 <= x < W.
        y_hist: Rows, 0 <= y < H.
        size: (H, W) of the image.
        starts: Whether the model predicts first fixations.

    Raises:
        ShapeError: If columns and rows do not fit together, lie outside, or NaN follows a number.
    """
    if x_hist is None and y_hist is None:
        return np.empty((0, 2)) if starts else np.array([[size[1] / 2, size[0] / 2]])
    if x_hist is None or y_hist is None:
        missing = "x_hist" if x_hist is None else "y_hist"
        raise ShapeError(f"{missing} is missing: a history needs both x_hist and y_hist")
    columns = [_column(values, name) for values, name in ((x_hist, "x_hist"), (y_hist, "y_hist"))]
    if len(columns[0]) != len(columns[1]):
        raise ShapeError(
            f"x_hist has {len(columns[0])} fixations and y_hist {len(columns[1])}: give as many"
        )
    history: Float[np.ndarray, "T 2"] = np.column_stack(columns)
    known = ~np.isnan(history)
    if (known[:, 0] != known[:, 1]).any() or (np.diff(known[:, 0].astype(int)) < 0).any():
        raise ShapeError(
            f"history {history.tolist()} has NaN after a known fixation: fixations are given "
            "oldest first, and only those before the first known one may be NaN"
        )
    history = history[known[:, 0]]
    for number, (name, limit) in enumerate((("x_hist", size[1]), ("y_hist", size[0]))):
        outside = history[(history[:, number] < 0) | (history[:, number] >= limit), number]
        if len(outside):
            raise ShapeError(
                f"{name} has {outside[0]:g}, outside the image: expected 0 <= "
                f"{name[0]} < {limit} for an image of {size[1]}x{size[0]} pixels"
            )
    return history


def slots(
    history: Float[np.ndarray, "T 2"], length: int
) -> tuple[Float[Tensor, "1 {length}"], Float[Tensor, "1 {length}"]]:
    """X and y of the last fixations, most recent first, NaN where there are fewer."""
    padded = np.full((length, 2), np.nan, dtype=np.float32)
    latest = history[::-1][:length]
    padded[: len(latest)] = latest
    x, y = torch.from_numpy(padded).T.contiguous()
    return x[None], y[None]


def _column(values: Positions, name: str) -> Float[np.ndarray, " T"]:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{name} is {values!r}, expected numbers, oldest first") from error
    if column.ndim != 1:
        raise ShapeError(f"{name} has shape {column.shape}, expected one number per fixation")
    if np.isinf(column).any():
        raise ShapeError(f"{name} holds infinity, expected pixels of the image")
    return column
