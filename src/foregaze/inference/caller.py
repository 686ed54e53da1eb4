"""Warnings that name the line from which foregaze was called."""

import sys
import warnings

_NOT_THE_CALLER = ("foregaze", "torch", "jaxtyping", "beartype")
"""Packages whose frames are passed over: ours, and what may be wrapped around our functions."""


def warn_caller(message: str) -> None:
    """Warn, with the first line up the stack that is not foregaze's own as the place."""
    level = 1
    frame = sys._getframe()
    while frame.f_back is not None and _is_passed_over(frame.f_globals.get("__name__")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def _is_passed_over(module: str | None) -> bool:
    return module is not None and module.partition(".")[0] in _NOT_THE_CALLER
