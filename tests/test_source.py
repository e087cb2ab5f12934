"""The gates that look at the source: types, lint, format, and who imports what."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PURE, needs

ROOT = Path(__file__).parents[1]
BIOME = "@biomejs/biome@2.3.11"  # of npm: it lints JavaScript and CSS
NO_IO = {
    "__future__",
    "calendar",
    "collections",
    "collections.abc",
    "dataclasses",
    "datetime",
    "email.utils",
    "fsrs",
    "functools",
    "hashlib",
    "itertools",
    "json",
    "rapidfuzz.distance",
    "re",
    "typing",
    "unicodedata",
    "urllib.parse",
}


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["mypy"], marks=pytest.mark.long),
        ["ruff", "check", "--no-cache", "."],
        ["ruff", "format", "--check", "--no-cache", "."],
    ],
    ids=["mypy", "ruff check", "ruff format"],
)
def test_gate_is_passed(command: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@needs("npx")
def test_scripts_and_styles_pass_the_linter() -> None:
    run = subprocess.run(
        [
            *("npx", "--yes", BIOME, "lint"),
            *("--config-path=.biome.json", "--error-on-warnings"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    pages = ROOT / "server" / "pages"
    count = len([*pages.rglob("*.js"), *pages.rglob("*.css")])
    assert f"Checked {count} files" in run.stdout


@pytest.mark.parametrize("path", PURE)
def test_pure_module_imports_no_io(path: str) -> None:
    pure = {name.removesuffix(".py").replace("/", ".") for name in PURE}
    imported = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module)
    assert imported <= NO_IO | pure


@pytest.mark.long
def test_sql_stands_in_sql() -> None:
    starts = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ")
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / "server").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.lstrip().startswith(starts)
    ]
    assert found == []
