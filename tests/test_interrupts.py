"""Signals while a command is still importing what it works with."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from server.interrupts import ending_at_once
from tests.command import ROOT

# Runs a command that gets a signal when it imports a module, both named first.
PROGRAM = """
import os, signal, sys
module, number = sys.argv.pop(1), int(sys.argv.pop(1))
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored
class Interrupting:
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), number)
sys.meta_path.insert(0, Interrupting())
from server.__main__ import main
print("begins", flush=True)
sys.exit(main())
"""
ENDED = {-signal.SIGINT, 128 + signal.SIGINT}  # a shell says the second of either


@pytest.mark.parametrize(
    "module", ["server.cli", "argparse", "server.serve", "aiohttp"]
)
def test_interrupt_of_an_import_ends_without_a_word(module: str) -> None:
    run = run_signalled(module, signal.SIGINT, "serve", "--port", "0")
    assert (run.stdout, run.stderr) == ("begins\n", "")
    assert run.returncode in ENDED


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
@pytest.mark.parametrize("command", ["serve", "demo"])
def test_signal_during_the_first_import_ends_no_server(
    command: str, number: signal.Signals
) -> None:
    run = run_signalled("server.cli", number, command, "--help")
    assert run.stderr == ""
    assert "usage: " in run.stdout
    assert run.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_signal_ends_every_other_command(number: signal.Signals) -> None:
    run = run_signalled("server.cli", number, "list", "--help")
    assert run.returncode == -number


def run_signalled(
    module: str, number: signal.Signals, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, module, str(int(number)), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_handler_of_somebody_else_stays() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ending_at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with ending_at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
