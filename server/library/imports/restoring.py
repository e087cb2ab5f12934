"""Bring back the words and links of an export, once its clips are in the table."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, NamedTuple

from server.library.imports.summary import Restored
from server.library.words.showing import (
    add_video,
    lock_showing,
    read_showing,
    save_videos,
)
from server.postgres.queries import queries
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from server.library.imports.manifest import (
        ExportedClip,
        ExportedDefinition,
        ExportedQuestion,
        Manifest,
    )
    from server.postgres.rows import Row

    Key = tuple[str, str | None, str | None]
    Clips = Mapping[str, int | None]  # ids by the names of files; None in a dry run

BATCH_WORDS = 200  # restored in one transaction


class _Wanted(NamedTuple):
    """What something is to show; id is None of what a dry run would add."""

    kind: str  # definition or question
    id: int | None
    files: list[str]


class Restorer:
    """Restores manifests, and counts what it does.

    Links go after those that are there. Words that are not there are named, or added.
    """

    def __init__(
        self, connection: Connection, *, add_words: bool = False, dry_run: bool = False
    ) -> None:
        self._connection = connection
        self._add_words, self._dry_run = add_words, dry_run
        self.restored = Restored()

    def restore(self, manifest: Manifest, clips: Clips) -> None:
        """Restore what shows these clips; psycopg2.Error as it comes."""
        if not self._dry_run:
            self._note_sources(manifest.clips, clips)
        for batch in _list_batches(manifest.definitions):
            with self._connection as connection, connection.cursor() as cursor:
                cursor.execute(queries()["allow_long_statements"])
                self._link(cursor, list(self._find(cursor, batch)), clips)

    def _note_sources(self, exported: Iterable[ExportedClip], clips: Clips) -> None:
        """Note what clips were repaired from, so that the originals are known again."""
        with self._connection as connection, connection.cursor() as cursor:
            [keeps] = read_rows(cursor, "describe_inventory")
            for clip in exported:
                if clip.sha256 and clip.source_sha256 and keeps["keeps_source"]:
                    values = {
                        "filename": clip.filename,
                        "sha256": bytes.fromhex(clip.sha256),
                        "source_sha256": bytes.fromhex(clip.source_sha256),
                    }
                    if clips.get(clip.file) is not None:
                        cursor.execute(queries()["save_source"], values)

    def _find(
        self, cursor: Cursor, batch: list[list[ExportedDefinition]]
    ) -> Iterator[_Wanted]:
        """Yield what is to show clips, added if need be."""
        keys = [_key(group[0]) for group in batch]
        values = {
            "words": [word for word, _, _ in keys],
            "learning": [learning for _, learning, _ in keys],
            "native": [native for _, _, native in keys],
        }
        present: dict[Key, list[Row]] = {}
        for row in read_rows(cursor, "list_same_words", values):
            key = (row["word"], row["learning_language"], row["native_language"])
            present.setdefault(key, []).append(row)
        pairs = [
            pair
            for key, group in zip(keys, batch, strict=True)
            for pair in match_definitions(group, present.get(key, []))
        ]
        found = {number for _, number in pairs if number is not None}
        asked: dict[int, list[Row]] = {}
        for row in read_rows(cursor, "list_asked", {"ids": list(found)}):
            asked.setdefault(row["definition_id"], []).append(row)
        for exported, number in pairs:
            yield from self._want(cursor, exported, number, asked)

    def _want(
        self,
        cursor: Cursor,
        exported: ExportedDefinition,
        number: int | None,
        asked: dict[int, list[Row]],
    ) -> Iterator[_Wanted]:
        if number is None:
            if not self._add_words:
                self.restored.missing_words.append(_describe(exported))
                return
            self.restored.words_added += 1
            number = self._add_definition(cursor, exported)
        yield _Wanted("definition", number, exported.clips)
        rows = asked.get(number or 0, [])
        for question, known in match_questions(exported.questions, rows):
            if known is None:
                if not self._add_words:
                    text = f"{question.question_text} ({_describe(exported)})"
                    self.restored.missing_questions.append(text)
                    continue
                self.restored.questions_added += 1
                known = self._add_question(cursor, number, question)
            yield _Wanted("question", known, question.clips)

    def _add_definition(
        self, cursor: Cursor, exported: ExportedDefinition
    ) -> int | None:
        if self._dry_run:
            return None
        values = {
            "word": exported.word,
            "text": exported.definition_text,
            "learning": exported.learning_language,
            "native": exported.native_language,
            "filename": None,
        }
        [row] = read_rows(cursor, "add_definition", values)
        return int(row["id"])

    def _add_question(
        self, cursor: Cursor, definition: int | None, question: ExportedQuestion
    ) -> int | None:
        if self._dry_run:
            return None
        values = {
            "definition_id": definition,
            "text": question.question_text,
            "choices": dumps(question.choices, ensure_ascii=False),
            "correct_answer": question.correct_answer,
            "filename": None,
        }
        [row] = read_rows(cursor, "add_question", values)
        return int(row["id"])

    def _link(self, cursor: Cursor, wanted: list[_Wanted], clips: Clips) -> None:
        for kind in ("definition", "question"):
            files = {each.id: each.files for each in wanted if each.kind == kind}
            lacking = []
            ids = [number for number in files if number is not None]
            for showing in read_showing(cursor, kind, ids):
                _, added = _add_clips(showing.videos, files[showing.id], clips)
                known = sum(file in clips for file in files[showing.id])
                self.restored.links += added
                self.restored.links_before += known - added
                if added:
                    lacking.append(showing.id)
            if lacking and not self._dry_run:
                # Another may have linked meanwhile.
                for showing in lock_showing(cursor, kind, ids=lacking):
                    videos, _ = _add_clips(showing.videos, files[showing.id], clips)
                    save_videos(cursor, showing, videos)
        self.restored.links += sum(
            file in clips for each in wanted if each.id is None for file in each.files
        )


def _add_clips(
    videos: list[int], files: Sequence[str], clips: Clips
) -> tuple[list[int], int]:
    """Return the videos with those of files behind them, and how many are new."""
    added = 0
    for file in files:
        if file not in clips:
            continue
        video = clips[file]
        before = videos
        if video is not None:
            videos = add_video(videos, video)
        added += videos != before or video is None
    return videos, added


def _key(definition: ExportedDefinition) -> Key:
    return (
        definition.word,
        definition.learning_language,
        definition.native_language,
    )


def _list_batches(
    definitions: Iterable[ExportedDefinition],
) -> Iterator[list[list[ExportedDefinition]]]:
    """Yield the definitions in batches, those of a word and its languages together."""
    groups: dict[Key, list[ExportedDefinition]] = {}
    for each in definitions:
        groups.setdefault(_key(each), []).append(each)
    words = list(groups.values())
    for start in range(0, len(words), BATCH_WORDS):
        yield words[start : start + BATCH_WORDS]


def match_definitions(
    exported: Sequence[ExportedDefinition], rows: Sequence[Row]
) -> list[tuple[ExportedDefinition, int | None]]:
    """Return the definitions of one word, each with the id of its row if there is one.

    The text tells them apart; a word that has one only here and there may have another
    text meanwhile.
    """
    if len(exported) == len(rows) == 1:
        return [(exported[0], rows[0]["id"])]
    left = list(rows)
    pairs: list[tuple[ExportedDefinition, int | None]] = []
    for each in exported:
        same = [row for row in left if row["definition_text"] == each.definition_text]
        if same:
            left.remove(same[0])
        pairs.append((each, same[0]["id"] if same else None))
    return pairs


def match_questions(
    exported: Sequence[ExportedQuestion], rows: Sequence[Row]
) -> list[tuple[ExportedQuestion, int | None]]:
    """Return the questions, each with the id of its row if there is one."""
    left = list(rows)
    pairs: list[tuple[ExportedQuestion, int | None]] = []
    for each in exported:
        same = [row for row in left if _is_same(each, row)]
        if same:
            left.remove(same[0])
        pairs.append((each, same[0]["id"] if same else None))
    return pairs


def _is_same(question: ExportedQuestion, row: Row) -> bool:
    names = ("question_text", "choices", "correct_answer")
    return all(row[name] == getattr(question, name) for name in names)


def _describe(definition: ExportedDefinition) -> str:
    languages = [definition.learning_language, definition.native_language]
    known = " for ".join(each for each in languages if each is not None)
    return f"{definition.word} ({known})" if known else definition.word
