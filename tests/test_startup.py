"""A command imports what it works with, its --help nothing but the standard library."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from server.demo.samples import make_clip
from tests.command import ROOT
from tests.test_readme import list_commands

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.long

# What the command brings into a fresh interpreter; coverage may be there before.
PROGRAM = """
import json, sys
before = set(sys.modules)
from server.cli import main
try:
    status = main(sys.argv[1:])
except SystemExit as stop:
    status = stop.code
print()
print(json.dumps([status, sorted(set(sys.modules) - before)]))
"""
HEAVY = {"asyncio", "ctypes", "logging", "socket", "ssl", "subprocess"}
"""What is large in the standard library, and --help can do without."""


def list_imports(*arguments: str) -> set[str]:
    """Return the packages that a command imports, ours aside, and those large ones."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    status, names = json.loads(run.stdout.splitlines()[-1])
    assert status == 0, run.stdout + run.stderr
    packages = {name.partition(".")[0] for name in names if name != "__mp_main__"}
    packages -= {name for name in packages if name.strip("_").startswith("cython")}
    return packages - (sys.stdlib_module_names - HEAVY) - {"server"}


@pytest.mark.parametrize("command", ["", *list_commands()])
def test_help_imports_no_library(command: str) -> None:
    assert list_imports(*command.split(), "--help") == set()


@pytest.mark.parametrize(
    ("arguments", "libraries"),
    [
        (["nginx-config"], set()),
        (["check", "CLIP"], set()),
        (["import", "--dry-run", "CLIP"], {"psycopg2", "tqdm"}),
        (["link", "--suggest"], {"psycopg2", "rapidfuzz"}),
        (["stats"], {"psycopg2"}),
        (["doctor"], {"psycopg2"}),
        (["verify"], {"psycopg2", "tqdm"}),
        (["thumbnail"], {"psycopg2"}),
        (["migrate", "--status"], {"psycopg2"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_command_imports_what_it_works_with(
    arguments: list[str],
    libraries: set[str],
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clip = tmp_path / "run_person.mp4"
    if "CLIP" in arguments:
        make_clip(clip, seconds=1)
        arguments = [str(clip) if word == "CLIP" else word for word in arguments]
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert list_imports(*arguments) - (HEAVY - {"asyncio"}) == libraries
