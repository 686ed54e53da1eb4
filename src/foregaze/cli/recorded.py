"""The option that names a data set with recorded scanpaths: --observers."""

from pathlib import Path

from foregaze.data import load_dataset
from foregaze.errors import DataError
from foregaze.evaluation.scanpaths import scanpaths_by_image
from foregaze.images import image_size
from foregaze.scanpath_metrics import Scanpath


class Observers:
    """Recorded scanpaths, found by the file name of an image.

    Args:
        name: Of the data set.
        root: Its folder.

    Raises:
        DataError: If the folder is not laid out as published, or the data set has no scanpaths.
        UnknownNameError: If there is no such data set.
    """

    def __init__(self, name: str, root: str) -> None:
        self._dataset = load_dataset(name, root)
        self._scanpaths = scanpaths_by_image(self._dataset.fixations)
        self._numbers: dict[str, list[int]] = {}
        for number, path in enumerate(self._dataset.stimuli.paths):
            self._numbers.setdefault(path.name, []).append(number)

    @property
    def px_per_dva(self) -> float | None:
        """Pixels per degree of visual angle."""
        return self._dataset.px_per_dva

    @property
    def start_is_given(self) -> bool:
        """Whether viewers started where they were told to."""
        return self._dataset.starts_at_center

    def stimulus_name(self, image: Path) -> str:
        """What the data set calls an image.

        Raises:
            DataError: See `on`.
        """
        return self._dataset.stimuli.names[self._find(image)]

    def on(self, image: Path) -> list[Scanpath]:
        """All scanpaths on an image.

        Raises:
            DataError: If the data set has no image of that name and size, several of that name,
                or no scanpath on it.
        """
        number = self._find(image)
        if number not in self._scanpaths:
            raise DataError(f"{image}: {self._dataset.name} has no scanpath on it")
        return self._scanpaths[number]

    def one(self, image: Path, observer: int) -> Scanpath:
        """One of them, counted from 0.

        Raises:
            DataError: If there are not so many; see also `on`.
        """
        scanpaths = self.on(image)
        if observer >= len(scanpaths):
            raise DataError(
                f"{image}: there is no observer {observer} in {self._dataset.name}, expected 0 to "
                f"{len(scanpaths) - 1}"
            )
        return scanpaths[observer]

    def _find(self, image: Path) -> int:
        stimuli = self._dataset.stimuli
        numbers = self._numbers.get(image.name, [])
        if len(numbers) > 1:
            same_file = [n for n in numbers if stimuli.paths[n].resolve() == image.resolve()]
            numbers = same_file or numbers
        if len(numbers) != 1:
            count = "no image" if not numbers else f"{len(numbers)} images"
            raise DataError(f"{image}: {self._dataset.name} has {count} of this name")
        if image_size(image) != stimuli.sizes[numbers[0]]:
            height, width = stimuli.sizes[numbers[0]]
            raise DataError(
                f"{image}: has {' x '.join(map(str, image_size(image)[::-1]))} pixels, but "
                f"{width} x {height} in {self._dataset.name}"
            )
        return numbers[0]
