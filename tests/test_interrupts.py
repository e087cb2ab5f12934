"""Ctrl-C while a command is still importing what it works with."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from server.interrupts import ending_at_once
from tests.command import ROOT

# Runs a command that gets Ctrl-C when it imports the module that is named first.
PROGRAM = """
import os, signal, sys
module = sys.argv.pop(1)
class Interrupting:
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)
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
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, module, "serve", "--port", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("begins\n", "")
    assert run.returncode in ENDED


def test_handler_of_somebody_else_stays() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ending_at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    with ending_at_once():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before
