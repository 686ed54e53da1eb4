"""Image after image: what is skipped, what is said of it, and where the results are."""

from collections.abc import Callable
from pathlib import Path

import typer

from foregaze.cli import messages
from foregaze.cli.predict_plan import Plan
from foregaze.cli.progress import FEW, ProgressDisplay
from foregaze.errors import ForegazeError, ImageError, ShapeError


def each_image(
    plan: Plan,
    work: Callable[[Path], None],
    skipped: tuple[type[ForegazeError], ...] = (ImageError, ShapeError),
) -> list[str]:
    """Do the work on each image of a plan, and say where its results are.

    Args:
        plan: What to read and write.
        work: Writes the results of one image.
        skipped: Errors that the image is to blame for; a batch goes on after them.

    Returns:
        For each image of a batch that was skipped, why.

    Raises:
        ForegazeError: The only image cannot be used, or what has nothing to do with the image.
    """
    done: list[Path] = []
    problems: list[str] = []
    warned: dict[str, list[Path]] = {}
    with ProgressDisplay() as show:
        for number, image in enumerate(plan.images):
            show("images", number, len(plan.images))
            try:
                with messages.collected_warnings() as texts:
                    work(image)
                done.append(image)
            except skipped as error:
                if not plan.is_batch:
                    raise
                problems.append(str(error))
            for text in texts:
                warned.setdefault(text, []).append(image)
    for text, images in warned.items():
        more = f" and {len(images) - 1} more" if len(images) > 1 else ""
        messages.note(f"{images[0]}{more}: {text}")
    if len(done) <= FEW:
        for image in done:
            for name in plan.names(image):
                typer.echo(plan.output / name)
    else:
        count = f"{len(done)} of {len(plan.images)}" if problems else f"{len(done)}"
        typer.echo(f"{count} images: {' and '.join(plan.formats)} files in {plan.output}")
    return problems
