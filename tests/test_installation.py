"""A broken installation is told in one sentence, a bug of ours with its traceback."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from server.demo.samples import make_clip
from server.installation import REMEDY
from tests.command import ROOT, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return what puts a module before the installed one of its name."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")

    def install(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)

    return install


MISSING = "raise ModuleNotFoundError(\"No module named '{0}'\", name='{0}')"


OLD_LIBPQ = """
import ctypes
find = ctypes.CDLL.__getattr__
def find_older(library, name):
    if name == "PQenterPipelineMode":
        raise AttributeError(f"{library._name}: undefined symbol: {name}")
    return find(library, name)
ctypes.CDLL.__getattr__ = find_older
"""


@pytest.mark.parametrize(
    ("library", "source", "reason"),
    [
        ("psycopg2", MISSING.format("psycopg2"), "No module named 'psycopg2'"),
        ("psycopg2", "raise ImportError('libpq.so.5: no such file')", "libpq.so.5: "),
        ("psycopg2", "import nothing_of_this_name", "No module named 'nothing_of"),
        ("psycopg2", "import json; json.gone", "module 'json' has no attribute 'gone'"),
        ("psycopg2", "import ctypes; ctypes.CDLL('/no.so')", "/no.so: cannot open"),
        ("psycopg2", "raise ImportError", "ImportError"),
        ("psycopg2", "__path__ = []", "No module named 'psycopg2.extensions'"),
    ],
)
def test_library_that_cannot_be_imported_is_named(
    install: Install, library: str, source: str, reason: str
) -> None:
    install(library, source)
    text = run("stats", url="postgresql://not.asked/", status=1)
    assert text.startswith(f"bytereel: cannot import {library}: ")
    assert reason in text
    assert text.endswith(f"; {REMEDY}\n")
    assert text.count("\n") == 1


@pytest.mark.parametrize("library", ["aiohttp", "uvloop", "prometheus_client"])
def test_server_names_the_library_that_it_lacks(install: Install, library: str) -> None:
    install(library, MISSING.format(library))
    text = run("serve", url="postgresql://not.asked/", status=1)
    assert text.startswith(f"bytereel: cannot import {library}: ")
    assert text.count("\n") == 1


def test_library_without_a_name_of_ours_is_named(install: Install) -> None:
    install("tqdm", "")
    text = run("verify", url="postgresql://not.asked/", status=1)
    assert text.startswith("bytereel: cannot import tqdm: cannot import name 'tqdm' ")
    assert text.count("\n") == 1


def test_libpq_without_a_function_of_ours_is_named(install: Install) -> None:
    install("sitecustomize", OLD_LIBPQ)
    text = run("serve", url="postgresql://not.asked/", status=1)
    reason = "its libpq has no PQenterPipelineMode"
    assert text == f"bytereel: cannot import psycopg2: {reason}; {REMEDY}\n"


def test_check_names_pyav_that_its_process_lacks(
    install: Install, tmp_path: Path
) -> None:
    make_clip(tmp_path / "run.mp4", seconds=1, width=64, height=48)
    install("av", MISSING.format("av"))
    text = run("check", str(tmp_path / "run.mp4"), status=1)
    assert "cannot import av: No module named 'av'" in text
    assert f"{REMEDY}; the file may be fine" in text
    assert text.count("\n") == 1


@pytest.mark.long
def test_import_names_pyav_that_its_process_lacks(
    install: Install, tmp_path: Path, database_url: str
) -> None:
    (tmp_path / "run.mp4").write_bytes(b"never looked at")
    install("av", MISSING.format("av"))
    text = run("import", str(tmp_path / "run.mp4"), url=database_url, status=1)
    assert text.startswith("bytereel: PyAV ")
    assert "cannot import av: No module named 'av'" in text
    assert text.count("\n") == 1


def test_help_works_without_any_library(install: Install) -> None:
    for library in ("av", "aiohttp", "aiopg", "psycopg2", "uvloop", "tqdm"):
        install(library, MISSING.format(library))
    assert "COMMAND" in run("--help")
    assert "--listen" in run("nginx-config", "--help")
    assert "proxy_pass" in run("nginx-config")


@pytest.mark.parametrize(
    "bug",
    [
        "sys.modules['server.library.upkeep.stats'] = None",
        "import json; del json.dumps",
        "import server.library.files; del server.library.files.show_text",
    ],
)
def test_bug_of_ours_keeps_its_traceback(install: Install, bug: str) -> None:
    install("sitecustomize", f"import sys; {bug}")
    url = "postgresql://not.asked/"
    text = run("stats", url=url, status=1, is_our_fault=True)
    assert "bytereel: " not in text


@pytest.mark.long
def test_library_that_lacks_a_function_is_named(
    install: Install, empty_url: str
) -> None:
    install("uvloop", "")
    run("migrate", url=empty_url)
    text = run("serve", "--port", "0", url=empty_url, status=1)
    assert f"bytereel: uvloop has no new_event_loop; {REMEDY}\n" in text
