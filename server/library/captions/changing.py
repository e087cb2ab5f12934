"""Change, list and read the captions of one clip, for the command."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.errors import Fault
from server.library.captions.languages import name_language, parse_language
from server.library.captions.parse import parse_captions
from server.library.captions.rows import (
    KeptCaptions,
    ListedCaptions,
    delete_captions,
    find_late,
    list_captions,
    read_captions,
    save_captions,
)
from server.library.captions.sidecars import read_name, read_sidecar
from server.library.files import show_path, show_text
from server.library.report import count_noun, render_rows
from server.library.words.link import find_video
from server.postgres.refusals import opening

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class ChangedCaptions(NamedTuple):
    """What became of captions."""

    status: str  # added, changed, exists or removed
    video_id: int
    filename: str | None
    language: str
    cues: int | None = None
    warning: str | None = None

    def render(self) -> str:
        """Return a line about it."""
        cues = "" if self.cues is None else f"  {count_noun(self.cues, 'cue')}"
        name = show_text(self.filename or "")
        label = name_language(self.language)
        shown = self.language if label == self.language else f"{label}, {self.language}"
        return f"{self.status}  {self.video_id} {name}  {shown}{cues}"


def caption_clip(
    url: str, video: str, file: Path, language: str | None
) -> ChangedCaptions:
    """Give a video the captions in a file, in place of those in that language.

    Without a language it is that of the file. Fault without the video or a language,
    and for a file that cannot be taken.
    """
    shown = show_path(file)
    captions = parse_captions(read_sidecar(file, shown), shown)
    told = (
        language or read_name(file).language or parse_language(captions.language or "")
    )
    if told is None:
        raise Fault(f"{shown} does not tell its language: add --language en")
    with opening(url) as connection, connection, connection.cursor() as cursor:
        video_id, filename = find_video(cursor, video)
        late = find_late(cursor, video_id, captions)
        status = save_captions(cursor, video_id, told, captions.vtt)
    return ChangedCaptions(status, video_id, filename, told, len(captions.cues), late)


def list_clip(url: str, video: str) -> list[ListedCaptions]:
    """Return what there is of a video; Fault without it."""
    with opening(url) as connection, connection, connection.cursor() as cursor:
        video_id, _ = find_video(cursor, video)
        return list_captions(cursor, video_id)


def render_listed(listed: Sequence[ListedCaptions]) -> list[str]:
    """Return a table of languages."""
    if not listed:
        return ["# this video has no captions"]
    return render_rows([each._asdict() for each in listed], len(listed))


def read_clip(url: str, video: str, language: str | None) -> KeptCaptions:
    """Return the captions of a video in a language, or the only ones; Fault else."""
    with opening(url) as connection, connection, connection.cursor() as cursor:
        video_id, _ = find_video(cursor, video)
        kept = {each.language: each for each in read_captions(cursor, [video_id])}
    return kept[_choose(video_id, [*kept], language)]


def remove_clip(url: str, video: str, language: str | None) -> ChangedCaptions:
    """Remove the captions of a video in a language, or the only ones; Fault else."""
    with opening(url) as connection, connection, connection.cursor() as cursor:
        video_id, filename = find_video(cursor, video)
        known = [each.language for each in list_captions(cursor, video_id)]
        chosen = _choose(video_id, known, language)
        delete_captions(cursor, video_id, chosen)
    return ChangedCaptions("removed", video_id, filename, chosen)


def _choose(video_id: int, known: Sequence[str], language: str | None) -> str:
    if not known:
        raise Fault(f"video {video_id} has no captions: see bytereel caption --help")
    if language is None and len(known) == 1:
        return known[0]
    there = ", ".join(known)
    if language is None:
        raise Fault(f"video {video_id} has captions in {there}: add --language")
    if language not in known:
        raise Fault(
            f"video {video_id} has no captions in {language}: give one of {there}"
        )
    return language
