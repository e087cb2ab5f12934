"""Make one level: encode it in the sandbox, look at it, keep it or say why not."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg2

from server.errors import Fault
from server.library.clips.check import FAULT, Limits
from server.library.clips.checking import check_media
from server.library.clips.repair import Media, open_media
from server.library.clips.stored import open_video
from server.library.ffmpeg.sandbox import OverrunError, SandboxFault, explain_bug
from server.library.files import show_text
from server.library.imports.rows import (
    build_row,
    digest_file,
    explain_refusal,
    insert_file,
    transaction,
)
from server.library.levels import queue
from server.library.levels.figures import describe
from server.library.levels.ladder import (
    FPS_MAX,
    explain_large,
    explain_needless,
    limit_bit_rate,
    limit_bytes,
)
from server.library.levels.lease import keeping
from server.library.mp4.movie import read_movie
from server.library.temporary import check_room, temporary_folder
from server.postgres.plain import connect

if TYPE_CHECKING:
    import io

    from psycopg2.extensions import connection as Connection

    from server.library.ffmpeg.sandbox import Sandbox
    from server.library.levels.ladder import Figures
    from server.library.levels.lease import Lease
    from server.library.levels.queue import Claim
    from server.library.mp4.movie import Movie

MOST_ATTEMPTS = 20  # of encoders that end before a level does
_LEAST_SECONDS = 600  # of computing
_FACTOR = 30  # seconds of computing for one of a clip
_DRIFT_SECONDS = 0.5
_NO_LIMITS = Limits(1e6, 1e6, 1 << 16, 1e4)  # the original had its own


class Encoded(NamedTuple):
    """What became of an encoding."""

    status: str  # ready, failed, not-kept or lost
    video_id: int  # of the original
    filename: str
    height: int  # pixels of the shorter side
    original_bytes: int
    level_id: int | None = None
    bytes: int | None = None
    reason: str | None = None


class NoLevel(Exception):
    """There will be no level."""

    def __init__(self, reason: str, state: str = queue.FAILED) -> None:
        super().__init__(reason)
        self.reason, self.state = reason, state


class Encoder(NamedTuple):
    """What encoding one level after the other needs."""

    url: str
    connection: Connection
    sandbox: Sandbox

    def encode(self, claim: Claim) -> Encoded:
        """Make a level; what is no fault of the clip gives it back to the queue.

        That is Fault for a database or folder that takes nothing more, psycopg2.Error,
        and the end of this process.
        """
        try:
            return self._try(claim)
        except BaseException:
            with (
                suppress(psycopg2.Error, Fault),
                closing(connect(self.url)) as connection,  # ours may be lost
            ):
                queue.put_back(connection, claim)
            raise

    def _try(self, claim: Claim) -> Encoded:
        try:
            return self._encode_and_keep(claim)
        except NoLevel as told:
            state, reason = told.state, told.reason
        except SandboxFault as fault:
            state, reason = queue.FAILED, str(fault)
        except (Fault, psycopg2.Error, OSError):
            raise
        except Exception as error:  # of ours: the next one is made all the same
            state, reason = queue.FAILED, str(explain_bug(error))
        if not queue.end(self.connection, claim, state, reason):
            state, reason = queue.LOST, _LOST
        return _tell(claim, state)._replace(reason=reason)

    def _encode_and_keep(self, claim: Claim) -> Encoded:
        if claim.attempts > MOST_ATTEMPTS:
            raise NoLevel(f"its encoder ended {MOST_ATTEMPTS} times before it")
        with temporary_folder() as folder:
            path = Path(folder, "level.mp4")
            with keeping(self.url, claim, self.sandbox.kill) as lease:
                try:
                    movie = self._write(claim, path, lease)
                except OverrunError:
                    if lease.is_lost:
                        return _tell(claim, queue.LOST)._replace(reason=_LOST)
                    raise NoLevel(_OVERRUN) from None
                except NoLevel:
                    check_room(folder.parent)  # which may be all that is wrong
                    raise
            with path.open("rb") as file:
                return self._keep(claim, file, movie)

    def _write(self, claim: Claim, path: Path, lease: Lease) -> Movie:
        """Write the level, and return what its boxes say; NoLevel, OverrunError."""
        with closing(connect(self.url)) as reading:
            reading.autocommit = True
            media = _follow(open_video(reading, claim.video_id, claim.size), lease)
            original = read_movie(*media)
            if original is None or original.malformed or not original.has_index:
                raise NoLevel("it is no MP4 that can be read: see bytereel check")
            figures = describe(original)
            if figures is None:
                raise NoLevel("it has no pictures")
            queue.save_original(self.connection, claim.video_id, figures)
            if needless := explain_needless(figures, claim.height):
                raise NoLevel(needless, queue.NOT_KEPT)
            self._run(claim, media, path, figures, original.seconds)
        return self._check(path, original)

    def _run(
        self,
        claim: Claim,
        media: Media,
        path: Path,
        figures: Figures,
        seconds: float,
    ) -> None:
        scale = claim.height / figures.shorter
        most = limit_bit_rate(
            round(figures.width * scale),
            round(figures.height * scale),
            figures.frame_rate,
        )
        reason, is_large = self.sandbox.run(
            "encode_level",
            *media,
            max(_LEAST_SECONDS, round(_FACTOR * seconds)),
            target=str(path),
            limit=(limit_bytes(claim.size), claim.height, FPS_MAX),
            most_bit_rate=most,
        )
        if is_large:
            raise NoLevel(explain_large(), queue.NOT_KEPT)
        if reason:
            raise NoLevel(reason)

    def _check(self, path: Path, original: Movie) -> Movie:
        """Return what the boxes of a level say; NoLevel if it is not to be kept."""
        with path.open("rb") as file:
            report = check_media(open_media(file), self.sandbox, _NO_LIMITS)
        for flaw in report.flaws:
            if flaw.severity == FAULT:
                raise NoLevel(f"what came of it {flaw.sentence}")
        movie = report.movie
        if movie is None:  # for the types: what has no boxes has a fault
            raise NoLevel("what came of it is no video")
        if abs(movie.seconds - original.seconds) > _DRIFT_SECONDS:
            raise NoLevel(
                f"what came of it lasts {movie.seconds:.1f} s instead of "
                f"{original.seconds:.1f}"
            )
        return movie

    def _keep(self, claim: Claim, file: io.BufferedReader, movie: Movie) -> Encoded:
        """Keep a level in one transaction; who deletes its original waits for it."""
        figures, shown = describe(movie), show_text(claim.level_name)
        if figures is None:
            raise NoLevel("what came of it has no pictures")
        row = build_row(claim.level_name, movie, digest_file(file))
        try:
            with transaction(self.connection) as cursor:
                if not queue.hold(cursor, claim):
                    return _tell(claim, queue.LOST)._replace(reason=_LOST)
                level_id = insert_file(cursor, row, file, shown, _ignore).video_id
                assert level_id is not None
                queue.save_level(cursor, claim, level_id, figures)
        except psycopg2.Error as error:
            reason = explain_refusal(self.connection, error, shown)
            raise NoLevel(reason) from error
        return _tell(claim, queue.READY)._replace(level_id=level_id, bytes=row.size)


_LOST = "it was cancelled, deleted, or taken by another encoder"
_OVERRUN = "FFmpeg fails, or needs more time or memory than it gets"


def _tell(claim: Claim, status: str) -> Encoded:
    return Encoded(status, claim.video_id, claim.filename, claim.height, claim.size)


def _ignore(_: int) -> None:
    """Take no note of how far it is."""


def _follow(media: Media, lease: Lease) -> Media:
    """Return the same bytes; how far they were read is the progress."""

    def read(start: int, length: int) -> bytes:
        lease.progress = max(lease.progress, min((start + length) / media.size, 1.0))
        return media.read(start, length)

    return Media(read, media.size)
