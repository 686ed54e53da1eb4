"""What the command line says: each thing on one line of stderr, whatever it contains."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


def one_line(text: str) -> str:
    """Text with its line breaks folded into spaces and unprintable characters escaped."""
    folded = " ".join(line.strip() for line in text.splitlines())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in folded)


def error(text: str) -> None:
    """Say why the command ends."""
    print(f"foregaze: error: {one_line(text)}", file=sys.stderr)


def note(text: str) -> None:
    """Say what the user should know about the results."""
    print(f"foregaze: {one_line(text)}", file=sys.stderr)


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Texts of the warnings within the block, which Python says nothing of; each text once.

    Only warnings that are meant for users, not those for programmers.
    """
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        yield texts
    texts += dict.fromkeys(str(warning.message) for warning in caught)
