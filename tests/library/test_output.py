"""No command prints what a terminal would act upon, whatever files are called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from server.demo.samples import make_clip
from server.library.output import render_json
from tests.command import ROOT
from tests.library.imports.test_files import ask

if TYPE_CHECKING:
    from pathlib import Path

EVIL = (
    *("\x1b]0;gotcha\x07", "\x9b31m", "\x85", "\r", "\n", "\t", "\x7f", "\x08"),
    *("\u202egpm", "\u2066", "\u200b", "\u200d", "\ufeff", "\u2028", "\U000e0041"),
)
"""Escape sequences, control characters, and what turns, hides or breaks a line."""
KEPT = ("\u202egpm", "\u2066", "\u200b", "\u200d", "\ufeff", "\u2028", "\U000e0041")
"""Those of them that the table keeps."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an evil folder with an evil clip for each, and a broken one."""
    folder = tmp_path / "fold\x1b[31m\u202eer\n"
    folder.mkdir()
    make_clip(tmp_path / "clip.mp4", seconds=1, width=64, height=48)
    clip = (tmp_path / "clip.mp4").read_bytes()
    for number, sign in enumerate(EVIL):
        filler = b"\0\0\0\x09free" + bytes([number])
        (folder / f"run{sign}_{number}.mp4").write_bytes(clip + filler)
        (folder / f"bad{sign}_{number}.mp4").write_bytes(clip[:900])
        (folder / f"text{sign}_{number}.ts").write_text("export {};")
    return folder


def run(url: str, *arguments: str, encoding: str = "utf-8") -> str:
    """Return what a command prints, decoded, after a look at each sign of it."""
    done = subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    for stream in (done.stdout, done.stderr):
        text = stream.decode(encoding)
        hidden = {sign for sign in text if not sign.isprintable() and sign != "\n"}
        assert not hidden, (arguments, hidden)
    return done.stdout.decode(encoding)


@pytest.mark.long
def test_no_command_prints_what_does_not_show(database_url: str, folder: Path) -> None:
    words = "INSERT INTO definitions (word, learning_language, native_language,"
    ask(database_url, words + " definition_text) VALUES ('run', 'e\u202en', 'de', 'x')")

    told = run(database_url, "import", str(folder), "--language", "e\u202en")
    assert told.count("imported  ") == len(KEPT)
    report_file = folder / "report.json"
    told = run(
        database_url, "import", str(folder), "--json", "--report", str(report_file)
    )
    files = {json.loads(line)["file"] for line in told.splitlines()}
    assert {f"{folder}/run{sign}_{n}.mp4" for n, sign in enumerate(EVIL)} < files
    report = json.loads(report_file.read_text("utf-8"))
    assert {row["file"] for row in report["files"]} == files
    assert len(report["left_out"]) == len(EVIL)
    for arguments in (
        ("check", str(folder), *(f"./none{sign}" for sign in EVIL)),
        ("check", *(f"run{sign}_{EVIL.index(sign)}.mp4" for sign in KEPT)),
        ("check", "--json", f"run{KEPT[0]}_{EVIL.index(KEPT[0])}.mp4", "./none\x1b"),
        *(("link", "--suggest"), ("link", "--suggest", "--json")),
        ("link", "run\u202e.mp4", "--word", "run\u202e", "--language", "e\u202en"),
        *(("unlink", "1"), ("unlink", "none\x1b"), ("stats",), ("stats", "--json")),
        *(("doctor",), ("doctor", "--json"), ("verify",), ("verify", "--json")),
        *(("thumbnail", "--again"), ("thumbnail", "--again", "--json")),
        ("backup", str(folder / "none\x1b" / "a")),
    ):
        run(database_url, *arguments)


@pytest.mark.long
def test_what_the_encoding_lacks_stops_no_import(
    database_url: str, folder: Path
) -> None:
    (folder / "漂é.mp4").write_bytes((folder.parent / "clip.mp4").read_bytes())
    told = run(database_url, "import", str(folder), encoding="latin-1")
    assert "\\u6f02é.mp4\n" in told
    told = run(database_url, "import", "--json", str(folder), encoding="latin-1")
    files = {json.loads(line)["file"] for line in told.splitlines()}
    assert f"{folder}/漂é.mp4" in files


def test_json_escapes_only_what_does_not_show() -> None:
    value = {"é漂🎉 x": ["\u202e\x85\u200d\x7f\U000e0041\ud800", "a\nb", None, 1.5]}
    text = render_json(value)
    assert text == (
        '{"é漂🎉 x": ["\\u202e\\u0085\\u200d\\u007f\\udb40\\udc41\\ud800", "a\\nb", '
        "null, 1.5]}"
    )
    assert json.loads(text) == value
    assert json.loads(render_json(value, indent=1)) == value
    assert "\n" in render_json(value, indent=1)


COMMANDS = [
    ["list"],
    ["list", "--json"],
    ["stats"],
    ["doctor"],
    ["verify"],
    ["check", "--all", "--json"],
    ["export", "{folder}/new"],
    ["import", "{folder}/clip.mp4"],
    ["rename", "clip.mp4", "new.mp4", "--dry-run"],
    ["delete", "clip.mp4", "--json"],
    ["migrate"],
    ["nginx-config"],
]


@pytest.mark.long
@pytest.mark.parametrize(
    ("redirection", "reason"),
    [
        pytest.param(
            ">/dev/full", "cannot be written (No space left", marks=pytest.mark.long
        ),
        (">&-", "is closed"),
    ],
)
def test_output_that_fails_is_told_in_one_sentence(
    database_url: str, tmp_path: Path, redirection: str, reason: str
) -> None:
    make_clip(tmp_path / "clip.mp4", seconds=1, faststart=False)
    python = [sys.executable, "-m", "server"]
    env = {**os.environ, "DATABASE_URL": database_url}
    subprocess.run([*python, "import", tmp_path], cwd=ROOT, env=env, check=True)
    for command in COMMANDS:
        arguments = [each.format(folder=tmp_path) for each in command]
        done = subprocess.run(
            ["sh", "-c", f'"$@" {redirection}', "sh", *python, *arguments],
            cwd=ROOT,
            env=env,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
        told = done.stderr.splitlines()
        assert done.returncode == 1, (command, told)
        assert told[-1].startswith("bytereel: standard output "), (command, told)
        assert reason in told[-1]
        assert "Traceback" not in done.stderr
        if "delete" in command:
            assert told[0].startswith("deleted  1 clip.mp4")
        if "--dry-run" in command:
            assert told[1:] == []
