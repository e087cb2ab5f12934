"""A unix socket: what may stand where its file belongs, and what it is told."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from server.errors import Fault
from server.serving.unix_socket import PATH_BYTES, bind_unix
from tests.command import run, starting

if TYPE_CHECKING:
    from pathlib import Path

    from server.serving.listening import Listening


def ask(path: Path, text: bytes) -> bytes:
    """Return what a server answers before it closes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(15)
        client.connect(str(path))
        client.sendall(text)
        with client.makefile("rb") as stream:
            return stream.read()


def bind(path: Path, *, shared: bool = False) -> Listening:
    listening = bind_unix(f"unix:{path}", shared=shared)
    listening.publish()
    return listening


def is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@pytest.mark.long
def test_server_answers_and_leaves_no_file(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "s"
    where = f"unix:{path}"
    arguments = ("--socket", where, "--access-log", "json")
    with starting(database_url, "serve", *arguments) as server:
        assert server.lines == [f"bytereel is at {where} (Ctrl-C stops it)\n"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        forwarded = b"X-Forwarded-For: 6.6.6.6, 192.0.2.7"
        answer = ask(path, b"GET /readyz HTTP/1.0\r\n" + forwarded + b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.0 200 OK")
        assert server.process.stdout is not None
        assert json.loads(server.process.stdout.readline())["client"] == "192.0.2.7"
        text = run("serve", "--socket", where, url=database_url, status=1)
        assert text == (
            f"bytereel: another server listens on {path}: stop it, or replace it with "
            "--share-port yes\n"
        )
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0
    assert list(tmp_path.iterdir()) == []


def test_file_of_a_dead_server_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bind(path).close()  # as if killed
    assert path.exists()
    assert not is_listening(path)
    with bind(path):
        assert is_listening(path)


def test_newer_server_keeps_its_file_when_the_older_stops(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with bind(path) as older, bind(path, shared=True) as newer:
        older.stop()
        assert is_listening(path)
        newer.stop()
        assert not path.exists()


def test_server_that_never_answered_leaves_the_older_ones_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with bind(path):
        with bind_unix(str(path), shared=True) as newer:
            newer.stop()
        assert [*tmp_path.iterdir()] == [path]
        assert is_listening(path)


def test_second_stop_leaves_what_came_after_the_first(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with bind(path) as older:
        older.stop()
        (tmp_path / "new").write_text("of another server")
        os.rename(tmp_path / "new", path)
        older._status = path.stat()  # file systems give a free inode to the next file
        older.stop()
        assert path.exists()


@pytest.mark.parametrize("step", ["chmod", "listen"])
def test_socket_that_fails_half_way_leaves_no_file(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if step == "chmod":
        monkeypatch.setattr(os, "chmod", fail)
    else:
        kind = type("Deaf", (socket.socket,), {"listen": fail})
        monkeypatch.setattr(socket, "socket", kind)
    with pytest.raises(Fault, match="Operation not permitted"):
        bind_unix(f"unix:{tmp_path / 's'}")
    assert list(tmp_path.iterdir()) == []


def test_start_that_fails_leaves_no_file(database_url: str, tmp_path: Path) -> None:
    where = ("--socket", f"unix:{tmp_path / 's'}", "--access-log", "json")
    log = ("--access-log-file", "/nonexistent/log")
    text = run("serve", *where, *log, url=database_url, status=1)
    assert "choose another --access-log-file" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("file", "is there already and is no socket: choose another --socket"),
        ("none/s", "(No such file or directory): choose another --socket"),
        ("n" * 200, f"of a socket may have {PATH_BYTES}: choose a shorter --socket"),
    ],
)
def test_path_that_cannot_be_had_gets_a_sentence(
    name: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(Fault) as failed:
        bind(tmp_path / name)
    assert str(tmp_path / name) in str(failed.value)
    assert str(failed.value).endswith(said)
    assert (tmp_path / "file").read_text() == "kept"


def test_longest_path_can_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 4_194_304)  # proc_sys_kernel(5)
    folder = tmp_path / "f"
    folder = folder.with_name("f" * (PATH_BYTES - len(str(tmp_path)) - 3))
    folder.mkdir()
    with bind(folder / "s"):
        assert is_listening(folder / "s")
