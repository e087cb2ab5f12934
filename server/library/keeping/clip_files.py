"""Write clips from the table into files: each appears whole, or not at all."""

from __future__ import annotations

import hashlib
import io
import os
from contextlib import redirect_stderr, suppress
from typing import TYPE_CHECKING, NamedTuple

import psycopg2

from server.errors import Fault
from server.library.files import show_path
from server.library.upkeep.verify import SLICE_BYTES, Hasher
from server.postgres.plain import first_line
from server.postgres.queries import queries
from server.postgres.refusals import is_damage
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psycopg2.extensions import connection as Connection

    from server.library.imports.manifest import ExportedClip

PART = ".bytereel-{}.part"  # what is not whole yet; of the id of its clip


class ExportedFile(NamedTuple):
    """What became of a clip."""

    status: str  # exported, exists, failed, or gone from the table; or would-export
    video_id: int
    filename: str
    file: str  # in the folder
    bytes: int
    error: str | None = None


class ClipWriter:
    """Writes one clip after the other into a folder."""

    def __init__(
        self,
        connection: Connection,
        folder: Path,
        written: dict[str, str | None],
        progress: Callable[[int], object],
        *,
        dry_run: bool,
    ) -> None:
        self._connection, self._folder, self._written = connection, folder, written
        self._progress, self._dry_run = progress, dry_run

    def write(self, video_id: int, clip: ExportedClip) -> tuple[ExportedFile, str]:
        """Have the file of a clip in the folder; return its digest too.

        Fault if something else is there, or the file cannot be written.
        """
        path = self._folder / clip.file
        done = ExportedFile(
            "exported", video_id, clip.filename, clip.file, clip.bytes or 0
        )
        try:
            there = _digest(path)
            if there is not None and there == clip.sha256:
                return done._replace(status="exists"), there
            if there is not None and clip.sha256:
                self._need_ours(path, clip.file, there)
            if self._dry_run:
                return done._replace(status="would-export"), ""
            return self._write(path, video_id, clip, done, there)
        except OSError as error:
            raise explain_unwritable(path, error) from error

    def _write(
        self,
        path: Path,
        video_id: int,
        clip: ExportedClip,
        done: ExportedFile,
        there: str | None,
    ) -> tuple[ExportedFile, str]:
        part = self._folder / PART.format(video_id)
        try:
            try:
                digest, size = self._copy(part, video_id)
            except psycopg2.Error as error:
                if not is_damage(error) or self._connection.closed:
                    raise
                return _fail(done, f"cannot be read ({first_line(error)})"), ""
            if size != clip.bytes and not self._is_present(video_id):
                return done._replace(status="gone"), ""
            if digest != (clip.sha256 or digest) or size != clip.bytes:
                return _fail(done, "has other bytes than at its import"), ""
            if there == digest:
                return done._replace(status="exists"), digest
            if there is not None:
                self._need_ours(path, clip.file, there)
            part.replace(path)
            return done, digest
        finally:
            part.unlink(missing_ok=True)

    def _copy(self, part: Path, video_id: int) -> tuple[str, int]:
        """Write the bytes of a video; return their digest and how many there are."""
        with part.open("wb") as file:
            hasher = Hasher(self._progress, file.write)
            with self._connection as connection, connection.cursor() as cursor:
                cursor.execute(queries()["prepare_reading"])
                values = {"id": video_id, "step": SLICE_BYTES}
                copy = cursor.mogrify(queries()["copy_slices"], values).decode()
                # psycopg2 prints a traceback of its own if the server closes down.
                with redirect_stderr(io.StringIO()):
                    cursor.copy_expert(copy, hasher)
            file.flush()
            os.fsync(file.fileno())
            return hasher.sha256.hexdigest(), file.tell()

    def _is_present(self, video_id: int) -> bool:
        with self._connection as connection, connection.cursor() as cursor:
            return bool(read_rows(cursor, "list_present", {"ids": [video_id]}))

    def _need_ours(self, path: Path, file: str, there: str) -> None:
        if self._written.get(file) != there:
            raise Fault(
                f"{show_path(path)} is there with other bytes: move it away, or export "
                "to another folder"
            )


def _fail(done: ExportedFile, error: str) -> ExportedFile:
    return done._replace(status="failed", error=f"{error}: see bytereel verify")


def _digest(path: Path) -> str | None:
    """Return the digest of what is at a path, None if there is nothing."""
    with suppress(FileNotFoundError, NotADirectoryError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return None


def explain_unwritable(path: Path, error: OSError) -> Fault:
    """Return that a file cannot be written."""
    return Fault(
        f"{show_path(path)} cannot be written ({error.strerror}): fix that, then run "
        "the same command again, which goes on from there"
    )
