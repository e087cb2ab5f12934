"""Import whole folders: which word each clip is for, and its links."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from server.errors import Fault
from server.library.captions.sidecars import find_sidecars, is_sidecar
from server.library.files import find_files, name_file, show_text
from server.library.imports.copies import mark_copies
from server.library.imports.files import import_paths
from server.library.imports.kept_checks import mark_flaws
from server.library.imports.manifest import read_exports
from server.library.imports.restoring import Restorer
from server.library.imports.summary import ClipLink, Restored, Summary
from server.library.words.naming import word_candidates, word_key
from server.library.words.showing import (
    Showing,
    add_video,
    lock_showing,
    read_showing,
    save_videos,
)
from server.postgres.queries import queries
from server.postgres.refusals import opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from server.library.captions.sidecars import Sidecar
    from server.library.imports.importer import RepairPolicy
    from server.library.imports.manifest import Manifest
    from server.library.imports.rows import Imported

    Words = dict[str, list[str]]

BATCH_WORDS = 100  # linked in one transaction


class FolderOptions(NamedTuple):
    """What is to be done beside importing; a link needs a language."""

    language: str | None = None
    link: bool = False
    jobs: int = 1
    add_words: bool = False  # of an export, that are missing


def import_folder(
    url: str,
    paths: Sequence[Path],
    policy: RepairPolicy,
    options: FolderOptions,
    summary: Summary,
) -> Generator[Imported, None, None]:
    """Yield what became of each file, link those that have a word, fill the summary.

    Close it when it is not read to the end: others are at work behind it.
    """
    files = find_files([path for path in paths if not is_sidecar(path)], summary.texts)
    summary.total = len(files)
    exports = read_exports(paths)
    names = {
        folder / clip.file: clip.filename
        for folder, manifest in exports.items()
        for clip in manifest.clips
    }
    imported = import_paths(
        url, files, policy, jobs=options.jobs, note_results=True, names=names
    )
    rows: Iterator[Imported] = mark_copies(url, imported)
    if policy.fix or policy.transcode:
        rows = mark_flaws(url, rows)
    if options.language is None:
        for done in rows:
            summary.add(done)
            yield done
    else:
        yield from _link_rows(url, files, rows, policy, options, summary)
    if exports:
        summary.restored = _restore(url, exports, files, policy, options, summary)
    if sidecars := find_sidecars(paths):
        _take_captions(url, sidecars, files, exports, policy, options, summary)


def _take_captions(
    url: str,
    sidecars: Sequence[Sidecar],
    files: Sequence[Path],
    exports: Mapping[Path, Manifest],
    policy: RepairPolicy,
    options: FolderOptions,
    summary: Summary,
) -> None:
    """Take the captions of clips, which are in the table now, into the summary."""
    # Here, for most imports have no captions to read.
    from server.library.captions.taking import ImportedClip
    from server.library.imports.captions import take_captions

    rows = {done.file: done for done, _ in summary.rows}
    clips = [
        ImportedClip(path, row.video_id, bool(row.error))
        for path in files
        if (row := rows.get(name_file(path)))
    ]
    summary.captions = take_captions(
        url,
        sidecars,
        clips,
        exports,
        language=options.language,
        dry_run=policy.dry_run,
    )


def _link_rows(
    url: str,
    files: Sequence[Path],
    rows: Iterable[Imported],
    policy: RepairPolicy,
    options: FolderOptions,
    summary: Summary,
) -> Iterator[Imported]:
    """Yield the rows, link those that have a word, fill the summary."""
    language = options.language or ""
    with opening(url) as connection:
        if policy.dry_run:
            connection.set_session(readonly=True)
        words = read_words(connection, language)
        names = map(name_file, files)
        linker = Linker(connection, language, words, names, policy.dry_run)
        for done in rows:
            own = find_words(words, done.file)
            summary.add(done, own)
            if options.link:
                summary.add_links(linker.add(own, done))
            yield done
        summary.add_links(linker.flush())
        summary.bare = sorted(
            set(_list_bare(connection, language)) - summary.list_shown()
        )


def _restore(
    url: str,
    exports: Mapping[Path, Manifest],
    files: Sequence[Path],
    policy: RepairPolicy,
    options: FolderOptions,
    summary: Summary,
) -> Restored:
    """Restore the words and links of exports, whose clips are in the table now."""
    present = set(files)
    ids = {done.file: done.video_id for done, _ in summary.rows if not done.error}
    with opening(url) as connection:
        if policy.dry_run:
            connection.set_session(readonly=True)
        restorer = Restorer(
            connection, add_words=options.add_words, dry_run=policy.dry_run
        )
        for folder, manifest in exports.items():
            paths = {clip.file: folder / clip.file for clip in manifest.clips}
            clips = {
                file: ids[name_file(path)]
                for file, path in paths.items()
                if name_file(path) in ids
            }
            restorer.restored.missing_files += [
                name_file(path) for path in paths.values() if path not in present
            ]
            restorer.restore(manifest, clips)
    return restorer.restored


def read_words(connection: Connection, language: str) -> Words:
    """Return the words of a language by their keys; Fault if it has none."""
    with connection, connection.cursor() as cursor:
        rows = read_rows(cursor, "list_words", {"language": None})
    words: Words = {}
    for row in rows:
        if row["language"] == language:
            words.setdefault(word_key(row["word"]), []).append(row["word"])
    if not words:
        others = ", ".join(sorted({show_text(row["language"]) for row in rows}))
        raise Fault(
            f"there are no words in the language {show_text(language)}: "
            + (f"choose one of {others}" if others else "add definitions first")
        )
    return words


def find_words(words: Words, file: str) -> tuple[str, ...]:
    """Return the word that a clip is for by its name, in each way it is written."""
    for key in word_candidates(file):
        if key in words:
            return tuple(words[key])
    return ()


class Linker:
    """Links the clips of a word when the last of them is done, by order of names.

    So the order is the same however many jobs are at work, and after interruptions.
    """

    def __init__(
        self,
        connection: Connection,
        language: str,
        words: Words,
        files: Iterable[str],
        dry_run: bool,
    ) -> None:
        self._connection, self._language = connection, language
        self._dry_run = dry_run
        self._left = Counter(find_words(words, file) for file in files)
        self._clips: dict[tuple[str, ...], list[Imported]] = {}
        self._ready: dict[str, list[Imported]] = {}

    def add(self, words: tuple[str, ...], done: Imported) -> list[ClipLink]:
        """Take a clip; return what was linked now, perhaps others."""
        if not words:
            return []
        self._left[words] -= 1
        if not done.error:
            self._clips.setdefault(words, []).append(done)
        if not self._left[words] and words in self._clips:
            clips = sorted(self._clips.pop(words), key=_name_order)
            self._ready |= dict.fromkeys(words, clips)
        return self.flush() if len(self._ready) >= BATCH_WORDS else []

    def flush(self) -> list[ClipLink]:
        """Link what is ready, in one transaction; return the links."""
        if not self._ready:
            return []
        with self._connection as connection, connection.cursor() as cursor:
            links = self._link_ready(cursor)
        self._ready = {}
        return links

    def _link_ready(self, cursor: Cursor) -> list[ClipLink]:
        self._forget_gone(cursor)
        asked = {"language": self._language, "words": list(self._ready)}
        cursor.execute(queries()["list_definitions"], asked)
        ids = [number for (number,) in cursor.fetchall()]
        showing = read_showing(cursor, "definition", ids)
        links = {each.id: self._choose_links(each)[0] for each in showing}
        lacking = [
            number
            for number, each in links.items()
            if any(link.is_new for link in each)
        ]
        if lacking and not self._dry_run:
            # Another may have linked meanwhile.
            for each in lock_showing(cursor, "definition", ids=lacking):
                links[each.id], videos = self._choose_links(each)
                save_videos(cursor, each, videos)
        return [link for each in links.values() for link in each]

    def _forget_gone(self, cursor: Cursor) -> None:
        """Leave out clips that somebody has deleted meanwhile."""
        clips = {done.video_id for clips in self._ready.values() for done in clips}
        cursor.execute(queries()["list_present"], {"ids": list(clips - {None})})
        present = {None, *(number for (number,) in cursor.fetchall())}
        for word, done in self._ready.items():
            self._ready[word] = [each for each in done if each.video_id in present]

    def _choose_links(self, showing: Showing) -> tuple[list[ClipLink], list[int]]:
        """Return what is to be said of a definition, and the videos it is to show."""
        word, videos, links = showing.word or "", showing.videos, []
        for done in self._ready[word]:
            before = videos
            if done.video_id is not None:
                videos = add_video(videos, done.video_id)
            is_new = videos != before or done.video_id is None
            links.append(ClipLink(done.file, word, showing.id, is_new))
        return links, videos


def _name_order(done: Imported) -> tuple[str, str]:
    return done.file.rpartition("/")[2], done.file


def _list_bare(connection: Connection, language: str) -> list[str]:
    with connection, connection.cursor() as cursor:
        cursor.execute(queries()["list_words_without"], {"language": language})
        return [word for (word,) in cursor.fetchall()]
