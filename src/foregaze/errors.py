"""Every error that foregaze raises on purpose; all derive from `ForegazeError`."""

from collections.abc import Iterable


class ForegazeError(Exception):
    """Base class: bad input or a missing resource, said in one line for the person who gave it."""


class ImageError(ForegazeError):
    """A file or array that is no usable image."""


class ShapeError(ForegazeError):
    """An array whose shape or values do not fit what was asked."""


class DataError(ForegazeError):
    """A data set whose folder, files or tables are not as published."""


class ConfigError(ForegazeError):
    """A recipe or model configuration that cannot be read or does not validate."""


class WeightsError(ForegazeError):
    """Weights that are missing, damaged, or do not fit the model."""


class OutputError(ForegazeError):
    """A place that results cannot be written to."""


class TrainingError(ForegazeError):
    """Training that cannot go on."""


class UnknownNameError(ForegazeError):
    """A name that a registry does not hold."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}; known: {', '.join(sorted(known))}")
