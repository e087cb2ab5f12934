"""Take the captions beside imported clips; a faulty one never stops a clip."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.errors import Fault
from server.library.captions.languages import parse_language
from server.library.captions.parse import parse_captions
from server.library.captions.rows import find_late, save_captions
from server.library.captions.sidecars import ClipsByName, Sidecar, read_sidecar
from server.library.files import name_file, show_path
from server.postgres.queries import queries
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

NO_TABLE = "this database keeps no captions: run bytereel migrate"


class ImportedClip(NamedTuple):
    """What became of a clip of the run."""

    path: Path
    video_id: int | None  # None of one that is not in the table
    is_rejected: bool


class TakenCaptions(NamedTuple):
    """What became of a file of captions."""

    file: str
    status: str  # added, changed, exists, rejected or no-clip; in a dry run would-take
    video_id: int | None = None
    language: str | None = None
    cues: int | None = None
    warning: str | None = None
    error: str | None = None

    def render(self) -> str:
        """Return a line about captions that were taken."""
        number = "-" if self.video_id is None else self.video_id
        return f"{self.status}  {number}  {self.file}  (captions, {self.language})"


class Exported(NamedTuple):
    """What the manifest of an export tells of a file of captions."""

    clip: Path
    language: str


class CaptionTaker:
    """Takes captions, each in a transaction of its own."""

    def __init__(
        self,
        connection: Connection,
        clips: Sequence[ImportedClip],
        exported: Mapping[Path, Exported],
        *,
        language: str | None = None,
        dry_run: bool = False,
    ) -> None:
        self._connection, self._dry_run = connection, dry_run
        self._clips = {clip.path: clip for clip in clips}
        self._by_name = ClipsByName(self._clips)
        self._exported, self._language = exported, language
        self._seen: dict[tuple[object, str], str] = {}

    def take(self, sidecars: Iterable[Sidecar]) -> Iterator[TakenCaptions]:
        """Yield what becomes of each, for each of its clips."""
        for sidecar in sidecars:
            shown, file = show_path(sidecar.path), name_file(sidecar.path)
            try:
                yield from self._take(sidecar, shown, file)
            except Fault as fault:
                yield TakenCaptions(file, "rejected", error=str(fault))

    def _take(self, sidecar: Sidecar, shown: str, file: str) -> Iterator[TakenCaptions]:
        with self._connection as connection, connection.cursor() as cursor:
            cursor.execute(queries()["commit_without_waiting"])
            clips, told = self._find(cursor, sidecar)
            if not clips:
                error = f"{shown} is for no clip: name it like its clip, then .en.vtt"
                yield TakenCaptions(file, "no-clip", error=error)
                return
            if all(clip.is_rejected for clip in clips):
                error = f"{shown} waits for its clip, which was rejected"
                yield TakenCaptions(file, "no-clip", error=error)
                return
            captions = parse_captions(read_sidecar(sidecar.path, shown), shown)
            language = self._choose(sidecar, shown, told, captions.language)
            for clip in clips:
                if clip.is_rejected:
                    continue
                self._need_new(clip, language, shown)
                done = TakenCaptions(
                    file, "would-take", clip.video_id, language, len(captions.cues)
                )
                if clip.video_id is None or self._dry_run:
                    yield done
                    continue
                _need_table(cursor, shown)
                late = find_late(cursor, clip.video_id, captions)
                status = save_captions(cursor, clip.video_id, language, captions.vtt)
                yield done._replace(status=status, warning=late and f"{shown}: {late}")

    def _find(
        self, cursor: Cursor, sidecar: Sidecar
    ) -> tuple[list[ImportedClip], str | None]:
        """Return the clips of this run, else of the table, and the language told."""
        if exported := self._exported.get(sidecar.path):
            clip = self._clips.get(exported.clip)
            return [clip] if clip else [], exported.language
        paths, told = self._by_name.find(sidecar)
        if paths:
            return [self._clips[path] for path in paths], told
        names = sidecar.list_names()
        rows = read_rows(cursor, "find_clips_by_file_names", {"names": names})
        ids = {row["filename"]: row["id"] for row in rows}
        for name in names:
            if name in ids:
                is_stem = name.startswith(sidecar.stem)
                told = None if is_stem else sidecar.language
                return [ImportedClip(sidecar.path, ids[name], False)], told
        return [], None

    def _choose(
        self, sidecar: Sidecar, shown: str, told: str | None, named: str | None
    ) -> str:
        """Return the language: that of the name, of the file itself, or asked for."""
        for each in (told, named, self._language):
            if each and (language := parse_language(each)):
                return language
        suffix = sidecar.path.suffix
        raise Fault(
            f"{shown} does not tell its language: name it {sidecar.stem}.en{suffix}, "
            "or add --language en"
        )

    def _need_new(self, clip: ImportedClip, language: str, shown: str) -> None:
        key = (clip.video_id or clip.path, language)
        first = self._seen.setdefault(key, shown)
        if first != shown:
            raise Fault(
                f"{shown} has captions in {language} as {first} has: remove one of them"
            )


def _need_table(cursor: Cursor, shown: str) -> None:
    [keeps] = read_rows(cursor, "keeps_captions")
    if not keeps["writes"]:
        raise Fault(f"{shown} was not taken, for {NO_TABLE}")
