"""What every loader checks: folders, images and their sizes, and that counts are not exceeded."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from foregaze.errors import DataError
from foregaze.images import image_size
from foregaze.types import Size


@dataclass(frozen=True)
class Published:
    """A data set as its authors publish it."""

    title: str
    """What its authors call it."""
    where_from: str
    """How the folder looks and where to get it; every message about a missing file ends so."""
    images: int
    """Images that are published; a folder may hold fewer, but not more."""

    def find_folder(self, root: Path, inside: str) -> Path:
        """The folder that holds `inside`: `root`, or the one folder in `root` that does.

        Archives unpack with or without a folder around them.

        Raises:
            DataError: If there is none, or more than one.
        """
        if (root / inside).exists():
            return root
        children = sorted(root.iterdir()) if root.is_dir() else []
        wrapped = [c for c in children if not c.name.startswith(".") and (c / inside).exists()]
        if len(wrapped) > 1:
            raise DataError(
                f"{root}: {wrapped[0].name}/ and {wrapped[1].name}/ both hold {inside}; "
                "name the one to load"
            )
        if not wrapped:
            raise DataError(f"{root / inside}: no such file or folder; {self.where_from}")
        return wrapped[0]

    def image_paths(self, folder: Path, suffix: str = ".jpg") -> list[Path]:
        """The images directly inside a folder, in the order of their numbers.

        Raises:
            DataError: If there is no such folder, no image, or more than are published.
        """
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; {self.where_from}")
        paths = sorted(visible_files(folder, suffix), key=natural_order)
        if not paths:
            raise DataError(f"{folder}: no {suffix} files; {self.where_from}")
        self.check_count(folder, len(paths))
        return paths

    def check_count(self, folder: Path, images: int) -> None:
        """Refuse more images than are published."""
        if images > self.images:
            raise DataError(f"{folder}: {images} images, but {self.title} has {self.images}")

    def sizes(
        self, paths: Sequence[Path], fits: Callable[[Size], bool], expected: str
    ) -> tuple[Size, ...]:
        """(H, W) of each image, from its header.

        Raises:
            DataError: If a size is not one that is published.
            ImageError: If a file is no readable image.
        """
        sizes = tuple(image_size(path) for path in paths)
        for path, (height, width) in zip(paths, sizes, strict=True):
            if not fits((height, width)):
                raise DataError(
                    f"{path}: is {width}x{height}, but {self.title} publishes images {expected}"
                )
        return sizes

    def same_size(self, paths: Sequence[Path], size: Size) -> tuple[Size, ...]:
        """`sizes` where all images have one size."""
        return self.sizes(paths, lambda s: s == size, f"of {size[1]}x{size[0]}")

    @contextmanager
    def as_published(self, path: Path, place: str) -> Iterator[None]:
        """Turn whatever a table with letters or missing fields raises into one clear line."""
        try:
            yield
        except (ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"{path}: {place} is not as {self.title} publishes it ({reason})"
            ) from error


def visible_files(folder: Path, suffix: str) -> list[Path]:
    """Files with a suffix; the ._ files that some archives carry are none."""
    return [
        path
        for path in folder.iterdir()
        if path.suffix.lower() == suffix and not path.name.startswith(".") and path.is_file()
    ]


def natural_order(path: Path) -> list[tuple[str, int, str]]:
    """Key that sorts 2.jpg before 10.jpg."""
    return [
        ("", int(part), part) if part.isdecimal() else (part, 0, part)
        for part in re.split(r"(\d+)", path.as_posix())
    ]


def place_of(image: Path, cells: int, path: Path) -> int:
    """Place, from 0, in a MATLAB cell of the image that is named by its number from 1.

    Raises:
        DataError: If the name is no number, or the cell has no such place.
    """
    if not image.stem.isdecimal() or not 1 <= int(image.stem) <= cells:
        raise DataError(f"{path}: no fixations for {image.name}; it holds images 1 to {cells}")
    return int(image.stem) - 1
