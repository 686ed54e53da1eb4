"""The option --centerbias: what it names, read before anything is predicted."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from foregaze.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from foregaze.data.centerbias import CenterBias
    from foregaze.inference.centerbias import CenterBiasLike
    from foregaze.types import Size

NAMED = ("uniform", "mit1003")
"""Center biases that models know by name."""


def centerbias_file(given: str | None) -> Path | None:
    """The file that is meant, if one is."""
    if given is None or given in NAMED or _is_dataset(given):
        return None
    return Path(given)


def read_centerbias(given: str | None) -> "Callable[[Path], CenterBiasLike]":
    """For the path of an image, what `Predictor.predict` is to take.

    The center bias of a data set that holds the image is made from its other images.

    Args:
        given: None for the models' own, "uniform", "mit1003", NAME=DIR for that of a data set, or
            the path of a .npy file.

    Raises:
        DataError: If a file holds no log density, or a data set cannot be read.
        UnknownNameError: If there is no such data set.
    """
    if given is not None and _is_dataset(given):
        return _of_dataset(*given.split("=", 1))
    file = centerbias_file(given)
    if file is None:
        return lambda _: given
    from foregaze.inference.centerbias import read_log_density

    try:
        log_density = read_log_density(file)
    except DataError as error:
        raise DataError(
            f"--centerbias {error}; expected FILE.npy, {', '.join(NAMED)} or NAME=DIR"
        ) from error
    return lambda _: log_density


class _WithoutImage:
    """A data set's center bias from other images than one of its own."""

    def __init__(self, centerbias: "CenterBias", image: int) -> None:
        self._centerbias = centerbias
        self._image = image

    def log_density(self, size: "Size") -> "Float[np.ndarray, 'H W']":
        """See `foregaze.data.CenterBias`."""
        return self._centerbias.log_density(size, exclude=self._image)


def _is_dataset(given: str) -> bool:
    name, equals, _ = given.partition("=")
    return bool(name and equals) and "/" not in name and not Path(given).is_file()


def _of_dataset(name: str, root: str) -> "Callable[[Path], CenterBiasLike]":
    from foregaze.data import load_dataset
    from foregaze.data.centerbias import CenterBias

    dataset = load_dataset(name, root)
    centerbias = CenterBias(dataset)
    number_of = {path.resolve(): number for number, path in enumerate(dataset.stimuli.paths)}

    def on(image: Path) -> "CenterBiasLike":
        number = number_of.get(image.resolve())
        return centerbias if number is None else _WithoutImage(centerbias, number)

    return on
