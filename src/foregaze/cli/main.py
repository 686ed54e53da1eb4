"""The command `foregaze`: its subcommands, and how it ends.

Exit codes: 0 done; 1 some images of a batch were skipped; 2 bad input, said in one line; 130
interrupted. What needs torch is imported by the commands, so that `--help` answers at once.
"""

import io
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from foregaze import __version__
from foregaze.cli import messages
from foregaze.cli.areas import areas
from foregaze.cli.convert import convert
from foregaze.cli.datasets import datasets
from foregaze.cli.evaluate import evaluate
from foregaze.cli.models import models
from foregaze.cli.predict import predict
from foregaze.cli.run import run
from foregaze.cli.scanpaths import scanpaths
from foregaze.cli.segment import segment
from foregaze.cli.train import train
from foregaze.errors import ForegazeError

BAD_INPUT = 2
INTERRUPTED = 130

app = typer.Typer(
    name="foregaze",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    predict,
    scanpaths,
    areas,
    segment,
    evaluate,
    train,
    run,
    convert,
    models,
    datasets,
):
    app.command()(command)


def _print_version(asked: bool) -> bool:
    if asked:
        typer.echo(f"foregaze {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _foregaze(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Predict where people look in an image."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        arguments: What follows the program's name, from `sys.argv` where left out; without any
            the help is printed.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # file names may hold what it cannot encode
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(_run(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: Sequence[str]) -> int:
    try:
        code: int | None = app(
            args=arguments or ["--help"], prog_name="foregaze", standalone_mode=False
        )
    except ForegazeError as error:
        messages.error(str(error))
        return BAD_INPUT
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = "foregaze" if context is None else context.command_path
        text = error.format_message().replace("Value error, ", "").rstrip(".")
        messages.error(f"{text} (see: {command} --help)")
        return BAD_INPUT
    if code == INTERRUPTED:  # Typer's answer to Ctrl-C
        messages.note("interrupted")
    return code or 0


if __name__ == "__main__":
    main()
