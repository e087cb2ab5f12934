"""Folders for temporary files: gone at the end, or when the next run begins.

Each has a lock that its process holds, so that only what the killed left is removed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.files import show_path

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = "lock"
PREFIX = "bytereel-work-"
_YOUNG_SECONDS = 60.0  # a folder without a lock may only just be made
_FULL = (errno.ENOSPC, errno.EDQUOT)
_ROOM_BYTES = 1 << 16  # FFmpeg writes half as many at a time
_REMEDY = "free some space, or set TMPDIR to another folder"


class FolderFull(Fault):
    """The disk or quota of the folder for temporary files is used up."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"the folder {show_path(folder)} for temporary files is full "
            f"({error.strerror})",
            _REMEDY,
        )


@contextmanager
def temporary_folder(prefix: str = PREFIX) -> Iterator[Path]:
    """Yield a new folder that only we may enter, and remove it at the end.

    The first of a process removes those of this prefix that the killed have left.
    FolderFull if there is no room for it or, later on, for what is written into it;
    Fault if it cannot be made for another reason.
    """
    parent = find_parent()
    try:
        _remove_abandoned_once(parent, prefix)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    except OSError as error:
        if error.errno in _FULL:
            raise FolderFull(parent, error) from error
        raise Fault(
            f"cannot create a folder in {show_path(parent)} ({error.strerror})", _REMEDY
        ) from error
    try:
        with _locking(folder):
            yield folder
    except OSError as error:
        if error.errno in _FULL:
            raise FolderFull(parent, error) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_parent() -> Path:
    """Return where temporary folders are made; FolderFull if TMPDIR names a full one.

    Python passes over such a one in silence, for the next that it knows.
    """
    chosen = Path(os.environ.get("TMPDIR") or os.curdir)
    try:
        parent = Path(tempfile.gettempdir())
    except FileNotFoundError:
        check_room(chosen)
        raise Fault("no folder takes temporary files", _REMEDY) from None
    if "TMPDIR" in os.environ and chosen.is_dir() and not chosen.samefile(parent):
        check_room(chosen)
    return parent


def check_room(folder: Path) -> None:
    """Raise FolderFull if nothing more can be written into a folder."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_ROOM_BYTES))
    except OSError as error:
        if error.errno in _FULL:
            raise FolderFull(folder, error) from error


@contextmanager
def _locking(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; child processes that are forked hold it too."""
    draft = folder / f"new-{LOCK}"
    with draft.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        draft.rename(folder / LOCK)  # only now others may try it
        yield


@cache
def _remove_abandoned_once(parent: Path, prefix: str) -> None:
    remove_abandoned(parent, prefix)


def remove_abandoned(parent: Path, prefix: str = PREFIX) -> None:
    """Remove our folders whose lock nobody holds: their process was killed."""
    for folder in parent.glob(f"{prefix}*"):
        with suppress(OSError):  # somebody holds it, or was faster
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                _remove_unlocked(folder, found.st_mtime)


def _remove_unlocked(folder: Path, modified: float) -> None:
    """Remove a folder; OSError if somebody holds its lock, or it is new."""
    is_young = time.time() - modified < _YOUNG_SECONDS
    with (folder / LOCK).open("rb" if is_young else "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
