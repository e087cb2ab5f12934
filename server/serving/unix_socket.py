"""Listen on a unix socket: a file by which programs of this machine find the server."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from server.errors import Fault
from server.library.files import show_path
from server.serving.listening import BACKLOG, Listening

PREFIX = "unix:"
PATH_BYTES = 98  # of 107 in unix(7); a new file has a dot and our process id behind
MODE = 0o666  # of the file; who may enter its folder decides who may connect
_REMEDY = "choose another --socket"


def bind_unix(text: str, *, shared: bool = False) -> Listening:
    """Return a listening socket for unix:PATH; publish() gives it that name.

    A file that a dead server left is replaced, and so is that of a living one if
    shared. Raises Fault when the path cannot be had.
    """
    path = Path(os.path.abspath(text.removeprefix(PREFIX)))
    if len(os.fsencode(path)) > PATH_BYTES:
        raise Fault(
            f"the path {show_path(path)} has {len(os.fsencode(path))} bytes, and that "
            f"of a socket may have {PATH_BYTES}",
            "choose a shorter --socket",
        )
    try:
        _check(path, shared=shared)
        return Listening(_open(f"{path}.{os.getpid()}"), path=path)
    except OSError as error:
        raise Fault(
            f"cannot listen on {show_path(path)} ({error.strerror})", _REMEDY
        ) from error


def _check(path: Path, *, shared: bool) -> None:
    """Raise Fault when what is there may not be replaced."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Fault(f"{show_path(path)} is there already and is no socket", _REMEDY)
    if not shared and _answers(path):
        raise Fault(
            f"another server listens on {show_path(path)}",
            "stop it, or replace it with --share-port yes",
        )


def _answers(path: Path) -> bool:
    """Report whether some process listens there."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
        except OSError as error:
            return error.errno != errno.ECONNREFUSED
    return True


def _open(name: str) -> socket.socket:
    with suppress(FileNotFoundError):
        os.unlink(name)  # of a process that was killed and had our id
    opened = socket.socket(socket.AF_UNIX)
    try:
        opened.bind(name)
        os.chmod(name, MODE)
        opened.listen(BACKLOG)
    except BaseException:
        opened.close()
        with suppress(FileNotFoundError):  # it was not even bound
            os.unlink(name)
        raise
    return opened
