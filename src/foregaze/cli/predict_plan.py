"""What a command is to read and write for images, checked before anything is predicted."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from foregaze.cli.output import check_folder
from foregaze.errors import ImageError, OutputError
from foregaze.images import find_images, image_size


@dataclass(frozen=True)
class Plan:
    """Images and the names of their results."""

    images: tuple[Path, ...]
    output: Path
    formats: tuple[str, ...]
    is_batch: bool
    """Several images or a folder were given: bad ones are skipped."""
    problems: tuple[str, ...]
    """Why inputs of a batch are not among the images."""
    joint: str = "."
    """Between an image's stem and a format in the name of a result."""

    def names(self, image: Path) -> list[str]:
        """File names of an image's results, one for each format."""
        return [f"{image.stem}{self.joint}{ending}" for ending in self.formats]

    def targets(self) -> list[Path]:
        """All files that are to be written."""
        return [self.output / name for image in self.images for name in self.names(image)]


def plan_predictions(
    paths: Sequence[Path],
    output: Path,
    formats: tuple[str, ...],
    *,
    overwrite: bool,
    keep: Sequence[Path] = (),
    joint: str = ".",
) -> Plan:
    """Find the images and make sure that their results can be written.

    Args:
        paths: Image files and folders of them.
        output: Folder of the results.
        formats: Extensions of the results.
        overwrite: Replace files that exist.
        keep: Files that must never be replaced, besides the images.
        joint: Between an image's stem and a format in the name of a result.

    Raises:
        ImageError: The only image is none, or a folder holds none.
        OutputError: Results would collide with each other or with what is there.
    """
    is_batch = len(paths) > 1 or os.path.isdir(paths[0])  # never raises
    images: list[Path] = []
    problems: list[str] = []
    for path in paths:
        try:
            images += find_images([path])
        except ImageError as error:
            if not is_batch or os.path.isdir(path):
                raise
            problems.append(str(error))
    if not is_batch:
        image_size(images[0])  # before a model is loaded in vain
    plan = Plan(tuple(images), output, formats, is_batch, tuple(problems), joint)
    _check_stems(plan)
    check_folder(output)
    _check_targets(plan, [*images, *keep], overwrite=overwrite)
    return plan


def _check_stems(plan: Plan) -> None:
    first_with: dict[str, Path] = {}
    for image in plan.images:
        other = first_with.setdefault(image.stem, image)
        if other is not image:
            given = "is given twice" if other == image else f"and {other} have the same stem"
            raise OutputError(
                f"{image} {given}: both would be written as {plan.output / plan.names(image)[0]}"
            )


def keep_inputs(plan: Plan, inputs: Iterable[Path]) -> None:
    """Raise an `OutputError` if a result would replace a file that is read."""
    identities = {_identity(path): path for path in inputs}
    for target in plan.targets():
        identity = _identity(target)
        if identity is not None and identity in identities:
            raise OutputError(
                f"{target}: the result would replace the input {identities[identity]}; give "
                "another --output"
            )


def _check_targets(plan: Plan, inputs: Iterable[Path], *, overwrite: bool) -> None:
    existing = [target for target in plan.targets() if os.path.lexists(target)]
    for target in existing:
        if target.is_dir():
            raise OutputError(f"{target}: is a folder, and a result is to have its name")
    keep_inputs(plan, inputs)
    if existing and not overwrite:
        more = f", and so do {len(existing) - 1} more results" if len(existing) > 1 else ""
        raise OutputError(
            f"{existing[0]}: exists already{more}; give another --output, or --overwrite"
        )


def _identity(path: Path) -> tuple[int, int] | None:
    """The same for all names of one file; None where there is none."""
    with suppress(OSError):
        status = path.stat()
        return status.st_dev, status.st_ino
    return None
