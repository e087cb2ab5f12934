"""The queue of levels to be made, in the database; each statement is a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.postgres.queries import queries
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from server.library.levels.ladder import Figures

LEASE_SECONDS = 20
QUEUED, ENCODING, READY = "queued", "encoding", "ready"
FAILED, CANCELLED, NOT_KEPT = "failed", "cancelled", "not-kept"
STATES = (QUEUED, ENCODING, READY, FAILED, CANCELLED, NOT_KEPT)
RESULTS = (READY, FAILED, NOT_KEPT)
LOST = "lost"  # no state: the encoding was cancelled, or it is another encoder's


class Claim(NamedTuple):
    """An encoding that an encoder has taken."""

    id: int
    video_id: int  # of the original
    height: int  # pixels of the shorter side
    claim: int  # how often it was taken
    attempts: int
    filename: str
    size: int  # bytes of the original

    @property
    def level_name(self) -> str:
        """Return the file name that the level gets: no other has it."""
        ending = f".{self.video_id}-{self.height}p.mp4"
        stem = self.filename.rpartition(".")[0] or self.filename
        return stem[: 255 - len(ending)] + ending


def queue(
    cursor: Cursor, heights: Sequence[int], ids: Sequence[int] | None = None
) -> int:
    """Ask for levels of some videos or of all; return how many are new."""
    return _count(cursor, "queue_encodings", ids, heights=list(heights))


def queue_again(cursor: Cursor, ids: Sequence[int] | None = None) -> int:
    """Ask anew for what failed, was not kept or was cancelled; return how many."""
    return _count(cursor, "queue_again", ids)


def cancel(cursor: Cursor, ids: Sequence[int] | None = None) -> int:
    """Take from the queue what is not made yet; return how many."""
    return _count(cursor, "cancel_encodings", ids)


def _count(
    cursor: Cursor, query: str, ids: Sequence[int] | None, **values: object
) -> int:
    asked = {"ids": None if ids is None else list(ids), **values}
    return len(read_rows(cursor, query, asked))


def claim_next(connection: Connection) -> Claim | None:
    """Take the next encoding, if there is one that nobody has."""
    with connection, connection.cursor() as cursor:
        asked = {"seconds": LEASE_SECONDS}
        rows = read_rows(cursor, "claim_encoding", asked)
    return Claim(**rows[0]) if rows else None


def is_empty(connection: Connection) -> bool:
    """Report whether nothing is to be made, nor being made by anyone."""
    with connection, connection.cursor() as cursor:
        [row] = read_rows(cursor, "count_open")
    return not row["count"]


def renew(connection: Connection, claim: Claim, progress: float) -> bool:
    """Keep an encoding; report whether it is still ours."""
    values = claim._asdict() | {"progress": progress, "seconds": LEASE_SECONDS}
    with connection, connection.cursor() as cursor:
        return bool(read_rows(cursor, "renew_lease", values))


def put_back(connection: Connection, claim: Claim) -> None:
    """Give an encoding back."""
    with connection, connection.cursor() as cursor:
        cursor.execute(queries()["put_back"], claim._asdict())


def end(connection: Connection, claim: Claim, state: str, reason: str) -> bool:
    """Note why there is no level; report whether the encoding was still ours."""
    values = claim._asdict() | {"state": state, "reason": reason}
    with connection, connection.cursor() as cursor:
        is_ours = bool(read_rows(cursor, "end_encoding", values))
        if is_ours:
            note_result(cursor, state)
    return is_ours


def note_result(cursor: Cursor, result: str) -> None:
    """Count what became of an encoding."""
    cursor.execute(queries()["note_encoding_result"], {"result": result})


def save_original(connection: Connection, video_id: int, figures: Figures) -> None:
    """Keep what is known of the video that a level is made of."""
    values = figures._asdict() | {"video_id": video_id}
    with connection, connection.cursor() as cursor:
        cursor.execute(queries()["save_original"], values)


def hold(cursor: Cursor, claim: Claim) -> bool:
    """Lock an encoding and its original until the end of the transaction.

    Report whether it is still ours.
    """
    cursor.execute(queries()["hold_original"], claim._asdict())
    return bool(read_rows(cursor, "hold_encoding", claim._asdict()))


def save_level(cursor: Cursor, claim: Claim, level_id: int, figures: Figures) -> None:
    """Make a video that was just kept a level."""
    values = claim._asdict() | figures._asdict() | {"level_id": level_id}
    cursor.execute(queries()["save_level"], values)
    note_result(cursor, READY)
