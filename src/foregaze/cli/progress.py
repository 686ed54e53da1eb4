"""How far a long command is, on stderr."""

import time
from collections.abc import Callable
from itertools import count
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from foregaze.cli import messages

FEW = 4
"""Up to so many steps show no bar, unless they take long."""
_PATIENCE_SECONDS = 2.0
_LINE_SECONDS = 30.0


class ProgressDisplay:
    """Bars in a terminal, which vanish at the end; elsewhere a line every half a minute."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._in_terminal = console.is_terminal and not console.is_dumb_terminal
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._begun = self._last_line = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that of some work so many steps are done."""
        if self._in_terminal:
            self._draw(what, done, total)
        elif time.monotonic() - self._last_line >= _LINE_SECONDS:
            self._last_line = time.monotonic()
            messages.note(f"{what}: {done} of {total}")

    def counter(self, what: str, total: int) -> Callable[[], None]:
        """A function to call after each of so many steps."""
        steps = count(1)
        return lambda: self(what, next(steps), total)

    def _draw(self, what: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)
        if total > FEW or time.monotonic() - self._begun > _PATIENCE_SECONDS:
            self._bars.start()  # does nothing where they run already

    def __enter__(self) -> "ProgressDisplay":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars.live.is_started:  # else `stop` would print an empty line
            self._bars.stop()
