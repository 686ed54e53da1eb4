import re
import signal
import subprocess
import sys
import time

import pytest

import foregaze
from foregaze.cli import main as main_module
from foregaze.errors import DataError


def test_help_lists_the_commands_that_exist(run):
    outcome = run("--help")
    assert outcome.code == 0
    listed = re.findall(r"^  ([a-z]+)  ", outcome.out.partition("Commands:")[2], re.MULTILINE)
    assert listed == [
        "predict",
        "scanpaths",
        "areas",
        "segment",
        "evaluate",
        "train",
        "run",
        "convert",
        "models",
        "datasets",
    ]


@pytest.mark.parametrize(
    "command",
    ["predict", "scanpaths", "areas", "segment", "evaluate", "train", "models", "datasets"],
)
def test_each_command_has_help(run, command):
    outcome = run(command, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: foregaze {command} ")


def test_version_is_printed(run):
    assert run("--version").out == f"foregaze {foregaze.__version__}\n"


def test_without_a_command_the_help_is_printed(run):
    outcome = run()
    assert outcome.code == 0
    assert outcome.out.startswith("Usage: foregaze ")


def test_an_unknown_command_is_refused_with_a_suggestion(run):
    assert "No such command 'pedict'. Did you mean 'predict'?" in run("pedict").error()


def test_a_usage_error_says_where_help_is(run):
    assert "(see: foregaze evaluate --help)" in run("evaluate", "--dataset", "osie").error()


def test_an_error_of_several_lines_becomes_one(run, monkeypatch):
    def fail(*arguments, **options):
        raise DataError("first line\n   second\tline \x1b[31m")

    monkeypatch.setattr(main_module, "app", fail)
    assert run().error() == "foregaze: error: first line second\\tline \\x1b[31m\n"


def test_an_interrupt_ends_with_130_and_one_line(start):
    process = start(
        "datasets",
        code="import signal, time, foregaze.data as d; from foregaze.cli import main as m, table\n"
        # A shell starts what it runs in the background with interrupts ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Slow(dict):\n"
        "    def items(self): print('ready', flush=True); time.sleep(60)\n"
        "d.DATASETS = Slow(); m.main()",
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, err) == ("", "foregaze: interrupted\n")


def test_help_needs_neither_torch_nor_numpy():
    loaded = "import sys; from foregaze.cli.main import main\n"
    loaded += "try: main(['--help'])\nexcept SystemExit: pass\n"
    loaded += "print({'torch', 'numpy', 'matplotlib', 'rich'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "set()"


def test_a_closed_pipe_leaves_no_traceback(start):
    process = start("datasets")
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.wait(timeout=60)
    process.stderr.close()
