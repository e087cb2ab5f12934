"""What an import came to, for a person and for programs. No I/O."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import asdict, dataclass, field
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

from server.library.files import name_file, show_text, tell_texts
from server.library.output import render_json
from server.library.report import MOST_ROWS, count_noun, show_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from server.library.captions.taking import TakenCaptions
    from server.library.imports.rows import Imported

_COLUMNS = (
    *("file", "status", "video_id", "bytes", "duration_seconds", "repaired"),
    *("warnings", "error", "word", "linked", "linked_before"),
)


class ClipLink(NamedTuple):
    """A clip and a definition that shows it."""

    file: str
    word: str
    definition: int
    is_new: bool


@dataclass
class Restored:
    """What became of the words and links of exports."""

    links: int = 0
    links_before: int = 0
    words_added: int = 0  # definitions
    questions_added: int = 0
    missing_words: list[str] = field(default_factory=list)
    missing_questions: list[str] = field(default_factory=list)
    missing_files: list[str] = field(default_factory=list)

    def render(self, would: str) -> list[str]:
        """Return lines for a person; of long lists the beginning."""
        lines = [
            f"{count_noun(self.links, 'link')} of the export "
            f"{would or _was(self.links)}restored, "
            f"{self.links_before:,} {_was(self.links_before)}there"
        ]
        if self.words_added or self.questions_added:
            lines.append(
                f"{count_noun(self.words_added, 'definition')} and "
                f"{count_noun(self.questions_added, 'question')} "
                f"{would or 'were '}added"
            )
        way = "{are} not here (--add-words adds them)"
        lines += _render_list("word", f" of the export {way}", self.missing_words)
        lines += _render_list(
            "question", f" of the export {way}", self.missing_questions
        )
        return lines + _render_list(
            "file", " of the export {are} gone", self.missing_files
        )


class Summary:
    """The results of a run, as they come."""

    def __init__(self, language: str | None = None, *, dry_run: bool = False) -> None:
        self.language, self.dry_run = language, dry_run
        self.total = 0  # files there are
        self.texts: list[Path] = []  # of folders, that are named as videos are
        self.rows: list[tuple[Imported, tuple[str, ...]]] = []
        self.bare: list[str] = []  # words of which nothing shows a clip
        self.restored: Restored | None = None  # if there were exports
        self.captions: list[TakenCaptions] = []
        self.seconds = 0.0
        self._links: dict[str, list[ClipLink]] = {}

    def add(self, done: Imported, words: tuple[str, ...] = ()) -> None:
        """Take what became of a file, and the word it is for by its name."""
        self.rows.append((done, words))

    def add_links(self, links: Iterable[ClipLink]) -> None:
        """Take what is linked."""
        for link in links:
            self._links.setdefault(link.file, []).append(link)

    def list_shown(self) -> set[str]:
        """Return the words that have a clip in this run."""
        return {word for done, words in self.rows if not done.error for word in words}

    def count(self) -> dict[str, int]:
        """Return the numbers."""
        statuses = Counter(done.status for done, _ in self.rows)
        links = [link for each in self._links.values() for link in each]
        return {
            "files": len(self.rows),
            "imported": statuses["imported"] + statuses["would-import"],
            "repaired": sum(bool(done.repaired) for done, _ in self.rows),
            "exists": statuses["exists"],
            "rejected": statuses["rejected"],
            "bytes": sum(done.bytes or 0 for done, _ in self.rows),
            "linked": sum(link.is_new for link in links),
            "linked_before": sum(not link.is_new for link in links),
        }

    def render(self) -> list[str]:
        """Return lines for a person; of long lists the beginning."""
        count = self.count()
        minutes, seconds = divmod(round(self.seconds), 60)
        would = "would be " if self.dry_run else ""
        repaired = f" ({count['repaired']:,} repaired)" if count["repaired"] else ""
        lines = [
            f"{count_noun(count['files'], 'file')}, {show_bytes(count['bytes'])} in "
            f"{minutes}:{seconds:02}: {count['imported']:,} {would}imported{repaired}, "
            f"{count['exists']:,} existed, {count['rejected']:,} {would}rejected"
        ]
        if self._links:
            lines.append(
                f"{count_noun(count['linked'], 'link')} to definitions "
                f"{would or _was(count['linked'])}made, {count['linked_before']:,} "
                f"{_was(count['linked_before'])}there"
            )
        if self.texts:
            lines.append(tell_texts(self.texts))
        lines += _render_list("", "rejected", self._list_errors())
        if self.captions:
            lines.append(self._render_captions())
        if self.language is not None:
            lines += _render_list("clip", " without a word", self._list_wordless())
            lines += _render_list("word", " without a clip", self.bare)
        return lines + (self.restored.render(would) if self.restored else [])

    def _render_captions(self) -> str:
        found = Counter(each.status for each in self.captions)
        told = ", ".join(f"{count:,} {status}" for status, count in found.items())
        return f"{count_noun(len(self.captions), 'file')} of captions: {told}"

    def _list_errors(self) -> list[str]:
        return [done.error for done, _ in self.rows if done.error]

    def _list_wordless(self) -> list[str]:
        if self.language is None:
            return []
        return [done.file for done, words in self.rows if not (words or done.error)]

    def render_json(self) -> str:
        """Return all of it as one object."""
        told = {
            "dry_run": self.dry_run,
            "language": self.language,
            "seconds": round(self.seconds, 1),
            "counts": self.count(),
            "files": [
                {**done.told(), **self._tell_links(done, words)}
                for done, words in self.rows
            ],
            "left_out": [name_file(path) for path in self.texts],
            "clips_without_word": self._list_wordless(),
            "words_without_clip": self.bare,
            **({"restored": asdict(self.restored)} if self.restored else {}),
            **(
                {"captions": [each._asdict() for each in self.captions]}
                if self.captions
                else {}
            ),
        }
        return render_json(told, indent=1) + "\n"

    def _tell_links(self, done: Imported, words: tuple[str, ...]) -> dict[str, object]:
        if self.language is None:
            return {}
        links = self._links.get(done.file, [])
        return {
            "word": words[0] if words else None,
            "linked": [link.definition for link in links if link.is_new],
            "linked_before": [link.definition for link in links if not link.is_new],
        }

    def render_csv(self) -> str:
        """Return a row a file, and one a word without a clip."""
        text = StringIO()
        table = csv.DictWriter(text, _COLUMNS, extrasaction="ignore")
        table.writeheader()
        for done, words in self.rows:
            told = {**done.told(), **self._tell_links(done, words)}
            table.writerow({name: _flatten(value) for name, value in told.items()})
        table.writerows({"status": "no-clip", "word": word} for word in self.bare)
        return text.getvalue()


def _flatten(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _was(count: int) -> str:
    return "was " if count == 1 else "were "


def _render_list(noun: str, rest: str, texts: Sequence[str]) -> list[str]:
    """Return how many of a noun there are, {are} in the rest by that, and which."""
    if not texts:
        return []
    count = len(texts)
    told = count_noun(count, noun) if noun else f"{count:,} "
    lines = [f"{told}{rest.replace('{are}', 'is' if count == 1 else 'are')}:"]
    lines += [f"  {show_text(text)}" for text in texts[:MOST_ROWS]]
    if len(texts) > MOST_ROWS:
        lines.append(f"  … and {len(texts) - MOST_ROWS:,} more (all with --report)")
    return lines
