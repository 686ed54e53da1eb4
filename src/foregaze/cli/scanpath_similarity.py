"""`foregaze evaluate --scanpaths`: how alike generated and human scanpaths are."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from foregaze.cli.output import check_file
from foregaze.errors import ConfigError
from foregaze.files import write_whole

if TYPE_CHECKING:
    from foregaze.types import EyeTrackingDataset


def named_files(given: list[str], output: Path | None, *, replace: bool) -> dict[str, Path]:
    """Files by name, from NAME=FILE; no report of theirs in the way.

    Raises:
        ConfigError: If one is not of that form, or a name occurs twice.
        OutputError: If there is a report of that name.
    """
    files: dict[str, Path] = {}
    for spec in given:
        name, _, path = spec.partition("=")
        if not name or not path or "/" in name or name in files:
            raise ConfigError(f"--scanpaths {spec!r}: expected NAME=FILE, each name once, no '/'")
        files[name] = Path(path)
        if output is not None:
            for file in (_report_path(output, name), _report_path(output, name).with_suffix(".md")):
                check_file(file, overwrite=replace)
    return files


def print_similarity(
    given: dict[str, Path], recordings: "EyeTrackingDataset", output: Path | None
) -> None:
    """Print, and write where asked for, how alike generated and human scanpaths are."""
    from foregaze.cli.progress import ProgressDisplay
    from foregaze.evaluation.scanpath_csv import read_scanpaths
    from foregaze.evaluation.scanpaths import compare_scanpaths

    generated = {name: read_scanpaths(path, recordings) for name, path in given.items()}
    for name, of_images in generated.items():
        with ProgressDisplay() as show:
            on_image = show.counter(f"{name}: scanpaths on images", len(of_images))
            report = compare_scanpaths(of_images, recordings, model_name=name, on_image=on_image)
        typer.echo(report.table())
        if output is not None:
            file = _report_path(output, name)
            report.save(file)
            page = file.with_suffix(".md")
            heading = f"# Scanpaths of {name} on {recordings.name}"
            write_whole(page, f"{heading}\n\n```text\n{report.table()}\n```\n")
            typer.echo(f"report: {file}, {page.name}")


def _report_path(output: Path, name: str) -> Path:
    return output / f"scanpaths-{name}.json"
