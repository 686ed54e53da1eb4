import time

import pytest
import rich.console

from foregaze.cli import progress
from foregaze.cli.progress import ProgressDisplay


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_outside_a_terminal_a_line_appears_every_half_minute(capsys, clock):
    with ProgressDisplay() as show:
        for step in range(100):
            clock[0] += 1
            show("images", step, 100)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"foregaze: images: {step} of 100" for step in (29, 59, 89)]


@pytest.mark.parametrize(("total", "seconds", "shown"), [(4, 0, False), (5, 0, True), (2, 3, True)])
def test_in_a_terminal_a_bar_appears_if_it_is_worth_it(monkeypatch, clock, total, seconds, shown):
    monkeypatch.setattr(rich.console.Console, "is_terminal", True)
    monkeypatch.setattr(rich.console.Console, "is_dumb_terminal", False)
    started = []
    monkeypatch.setattr(progress.Progress, "start", lambda bars: started.append(1))
    with ProgressDisplay() as show:
        clock[0] += seconds
        show("images", 1, total)
    assert bool(started) == shown
