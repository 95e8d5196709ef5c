"""What a command ends with is what its process ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

STARTED = """
import sys
from spectra_assets.engine import cli
from spectra_assets.lakehouse.engine import shared
from spectra_assets.settings import load

@cli.commands.command()
def ends():
    engine = shared(load())
    print(engine.session.range(3).count(), engine._folder)
    {ending}

sys.argv = ["solution-engine", "ends"]
cli.main()
"""


@pytest.mark.parametrize(
    ("ending", "code"), [("pass", 0), ("sys.exit(7)", 7), ("raise ValueError('a bug')", 1), ("sys.exit('no')", 1)]
)
def test_the_code_reaches_the_shell_and_nothing_is_left(ending: str, code: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTED.format(ending=ending)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == code, done.stderr
    count, folder = done.stdout.split()
    assert count == "3"
    assert not Path(folder).exists(), "the engine was stopped"
    assert ("ValueError: a bug" in done.stderr) == (code == 1 and "bug" in ending)


STOPPED = """
import os, signal, sys
from dagster._utils.interrupts import capture_interrupts
from spectra_assets.engine import cli, stop

signal.signal(signal.SIGINT, signal.{inherited})

@cli.commands.command()
def ends():
    {asked}
    stop.check()
    print("went on")

sys.argv = ["solution-engine", "ends"]
cli.main()
"""


@pytest.mark.parametrize(
    ("name", "inherited"), [("SIGTERM", "default_int_handler"), ("SIGTERM", "SIG_IGN"), ("SIGINT", "default_int_handler")]
)
@pytest.mark.parametrize("before", ["", "with capture_interrupts(): "])
def test_a_process_that_is_asked_to_stop_does(name: str, inherited: str, before: str, tmp_path: Path) -> None:
    """A shell has what it starts in the background ignore SIGINT."""
    asked = f"{before}os.kill(os.getpid(), signal.{name})"
    done = subprocess.run(
        [sys.executable, "-c", STOPPED.format(asked=asked, inherited=inherited)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 130, done.stderr
    assert "went on" not in done.stdout
    assert "goes on from here" in done.stderr


def test_a_signal_of_which_a_library_took_no_notice_ends_a_run_before_its_next_table(tmp_path: Path) -> None:
    """An exception of a signal's handler is ignored where it meets a destructor: all tables were made all the same."""
    asked = """signal.signal(signal.SIGINT, lambda *_: None)
    os.kill(os.getpid(), signal.SIGINT)
    from spectra_assets.covenant.model import Table
    from spectra_assets.engine.console import Console
    Console().started(Table(table="clean.order", description="", steps=[]))"""
    text = STOPPED.format(asked=asked, inherited="default_int_handler").replace("stop.check()", "pass")
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert (done.returncode, "went on" in done.stdout) == (130, False), done.stderr


def test_a_process_that_nobody_stops_goes_on(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED.format(asked="pass", inherited="SIG_IGN")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, "went on\n")


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        (["--json", "ends"], "NoSuchOption", 2),
        (["ends", "--json"], "Stopped", 130),
        (["breaks", "--json"], "ZeroDivisionError", 1),
        (["status", "--json", "--colour"], "NoSuchOption", 2),
        (["status", "a b", "--json"], "ConfigurationError", 2),
    ],
)
def test_whatever_ends_a_command_a_script_reads_it_as_json(words: list[str], error: str, code: int, tmp_path: Path) -> None:
    text = f"""
import os, signal, sys
from spectra_assets.engine import cli
from spectra_assets.engine.answer import command

@cli.commands.command()
@command
def ends(as_json):
    os.kill(os.getpid(), signal.SIGTERM)

@cli.commands.command()
@command
def breaks(as_json):
    1 / 0

sys.argv = ["solution-engine", *{words!r}]
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, cwd=tmp_path, timeout=300)
    told = json.loads(done.stdout)
    assert (told["ok"], told["error"], told["exit_code"]) == (False, error, code)
    assert done.returncode == code
    assert ("Traceback" in done.stderr) == (code == 1)
