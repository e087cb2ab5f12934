"""Write the captions of exported clips beside them, where import finds them again."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.captions.rows import read_captions
from server.library.files import show_path
from server.library.imports.manifest import ExportedCaptions
from server.library.keeping.clip_files import PART, explain_unwritable

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg2.extensions import connection as Connection


class CaptionWriter:
    """Writes the captions of one clip after the other into a folder."""

    def __init__(
        self,
        connection: Connection,
        folder: Path,
        written: dict[str, str],
        *,
        dry_run: bool,
    ) -> None:
        """Take the digests of what an earlier export wrote, by the names of files."""
        self._connection, self._folder, self._written = connection, folder, written
        self._dry_run = dry_run
        self._taken: set[str] = set()

    def write(self, video_id: int, clip: str) -> list[ExportedCaptions]:
        """Have the captions of a clip in the folder; clip is the name of its file.

        Fault if something else is there, or a file cannot be written.
        """
        with self._connection as connection, connection.cursor() as cursor:
            kept = read_captions(cursor, [video_id])
        exported = []
        for each in kept:
            data = each.vtt.encode()
            digest = hashlib.sha256(data).hexdigest()
            file = self._name(clip, each.language)
            path = self._folder / file
            try:
                self._write(path, file, data, PART.format(video_id))
            except OSError as error:
                raise explain_unwritable(path, error) from error
            exported.append(ExportedCaptions(each.language, file, digest))
        return exported

    def _name(self, clip: str, language: str) -> str:
        """Return run.en.vtt of run.mp4, or run.mp4.en.vtt where run.mov has that."""
        names = (f"{stem}.{language}.vtt" for stem in (os.path.splitext(clip)[0], clip))
        file = next(name for name in names if name.lower() not in self._taken)
        self._taken.add(file.lower())
        return file

    def _write(self, path: Path, file: str, data: bytes, part_name: str) -> None:
        there = path.read_bytes() if os.path.lexists(path) else None
        if there == data:
            return
        if there is not None:
            digest = hashlib.sha256(there).hexdigest()
            if self._written.get(file) != digest:
                raise Fault(
                    f"{show_path(path)} is there with other captions: move it away, or "
                    "export to another folder"
                )
        if self._dry_run:
            return
        part = self._folder / part_name
        try:
            with part.open("wb") as draft:
                draft.write(data)
                draft.flush()
                os.fsync(draft.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
