"""Captions in the table: keep them, list them, take them away."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg2.errors import ForeignKeyViolation

from server.errors import Fault
from server.postgres.queries import queries
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import cursor as Cursor

    from server.library.captions.parse import Captions

_SLACK_SECONDS = 1.0  # the length of a clip is known in whole seconds


class ListedCaptions(NamedTuple):
    """The captions of a video in one language: a row of describe_captions."""

    language: str
    cues: int
    bytes: int
    updated_at: str  # of UTC, in ISO 8601


class KeptCaptions(NamedTuple):
    """A row of read_captions."""

    video_id: int
    language: str
    vtt: str


def save_captions(cursor: Cursor, video_id: int, language: str, vtt: str) -> str:
    """Keep captions that were cleaned; return added, changed or exists.

    Fault if the video is gone.
    """
    values = {"video_id": video_id, "language": language, "vtt": vtt}
    try:
        rows = read_rows(cursor, "save_captions", values)
    except ForeignKeyViolation:
        raise Fault(f"there is no video {video_id}: see bytereel list") from None
    if not rows:
        return "exists"
    return "added" if rows[0]["is_new"] else "changed"


def delete_captions(cursor: Cursor, video_id: int, language: str) -> bool:
    """Delete captions; return whether there were any."""
    values = {"video_id": video_id, "language": language}
    return bool(read_rows(cursor, "delete_captions", values))


def list_captions(cursor: Cursor, video_id: int) -> list[ListedCaptions]:
    """Return what there is of a video, by languages."""
    rows = read_rows(cursor, "describe_captions", {"video_id": video_id})
    return [ListedCaptions(**row) for row in rows]


def read_captions(cursor: Cursor, ids: Sequence[int] | None) -> list[KeptCaptions]:
    """Return the captions of these videos, or of all; none where there is no table."""
    [keeps] = read_rows(cursor, "keeps_captions")
    if not keeps["reads"]:
        return []
    rows = read_rows(cursor, "read_captions", {"ids": None if ids is None else [*ids]})
    return [KeptCaptions(**row) for row in rows]


def keep_all(cursor: Cursor, captions: Sequence[KeptCaptions], video_id: int) -> None:
    """Give a video the captions that another one had, where it has none."""
    present = (
        {each.language for each in list_captions(cursor, video_id)}
        if captions
        else set()
    )
    for each in captions:
        if each.language not in present:
            save_captions(cursor, video_id, each.language, each.vtt)


def find_late(cursor: Cursor, video_id: int, captions: Captions) -> str | None:
    """Return a warning if cues begin after the clip's end, as far as that is known."""
    cursor.execute(queries()["read_duration"], {"video_id": video_id})
    for (seconds,) in cursor.fetchall():
        if seconds is None:
            return None
        end = (seconds + _SLACK_SECONDS) * 1000
        late = sum(cue.start >= end for cue in captions.cues)
        if late:
            return (
                f"{late} of {len(captions.cues)} cues begin after the end of the clip "
                f"at {seconds:g} s: see that the captions are of this clip"
            )
    return None
