"""A private folder for what was uploaded and is not in the table yet."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from server.library.temporary import LOCK, temporary_folder

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from io import BufferedReader
    from pathlib import Path

UPLOADS_MAX = 20
KEPT_SECONDS = 3600.0
SILENT_SECONDS = 300.0  # who sends nothing for so long was given up before
_PREFIX = "bytereel-uploads-"
_ID = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)


class Upload(NamedTuple):
    """What was uploaded, whole."""

    id: str
    filename: str
    bytes: int
    sha256: str  # hexadecimal


class PartialUpload:
    """What is being uploaded: written, counted and digested piece by piece."""

    def __init__(self, folder: Path) -> None:
        self.id = secrets.token_urlsafe(24)
        self.path = folder / f"{self.id}.part"
        self.bytes = 0
        self._digest = hashlib.sha256()
        self._file = self.path.open("xb", buffering=0)

    def write(self, piece: bytes) -> None:
        """Add a piece; OSError when the disk is full."""
        self._digest.update(piece)
        self.bytes += len(piece)
        rest = memoryview(piece)
        while rest:
            rest = rest[self._file.write(rest) :]

    def finish(self, filename: str) -> Upload:
        """Close the file; return what it has become."""
        self._file.close()
        return Upload(self.id, filename, self.bytes, self._digest.hexdigest())

    def discard(self) -> None:
        """Leave nothing, unless it was kept."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class Spool:
    """The uploads of one server in a folder that all its workers share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self) -> PartialUpload:
        """Return a new upload; OSError if there is no room for it."""
        return PartialUpload(self._folder)

    def keep(self, part: PartialUpload, filename: str) -> Upload:
        """Return an upload that came to its end; the oldest make room for it."""
        upload = part.finish(filename)
        part.path.rename(self._file(upload.id))
        note = self._note(upload.id)
        draft = note.with_suffix(".draft")
        try:
            draft.write_text(json.dumps(upload))
            draft.rename(note)  # with it the upload is there
        except BaseException:
            draft.unlink(missing_ok=True)
            self.drop(upload.id)
            raise
        for old in self._list_kept()[:-UPLOADS_MAX]:
            self.drop(old.stem)
        return upload

    def find(self, number: str) -> Upload | None:
        """Return an upload, or None if there is none of this id any more."""
        if not _ID.fullmatch(number):
            return None
        try:
            return Upload(*json.loads(self._note(number).read_text()))
        except FileNotFoundError:
            return None

    def open(self, upload: Upload) -> BufferedReader:
        """Open its bytes, which stay until they are closed; FileNotFoundError."""
        return self._file(upload.id).open("rb")

    def drop(self, number: str) -> None:
        """Forget an upload."""
        self._note(number).unlink(missing_ok=True)
        self._file(number).unlink(missing_ok=True)

    def sweep(self, now: float) -> None:
        """Drop what nobody saved in time, and what dead workers left half-way."""
        for path in (self._folder, self._folder / LOCK):
            with suppress(FileNotFoundError):
                os.utime(path)  # whoever cleans up among old files leaves them be
        kept = self._list_kept()
        for note in kept:
            if _measure_age(note, now) > KEPT_SECONDS:
                self.drop(note.stem)
        known = {note.stem for note in kept} | {LOCK}
        for path in self._folder.iterdir():
            if path.stem not in known and _measure_age(path, now) > SILENT_SECONDS:
                path.unlink(missing_ok=True)

    def _list_kept(self) -> list[Path]:
        """Return the notes about uploads, the oldest first."""
        notes = self._folder.glob("*.json")
        return sorted(notes, key=lambda note: _measure_age(note, 0.0), reverse=True)

    def _note(self, number: str) -> Path:
        return self._folder / f"{number}.json"

    def _file(self, number: str) -> Path:
        return self._folder / f"{number}.bytes"


def _measure_age(path: Path, now: float) -> float:
    """Return the seconds since a file was written; endless if it has gone."""
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def opening_spool() -> AbstractContextManager[Path]:
    """Return a new folder that only we may enter; what the killed left goes first."""
    return temporary_folder(_PREFIX)


SPOOL: web.AppKey[Spool] = web.AppKey("spool")
