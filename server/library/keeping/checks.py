"""Check all clips of the library, several at once, and keep what is found of each."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from json import dumps
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from tqdm import tqdm

from server.errors import Fault
from server.library.clips.check import FAULT, RULES_VERSION, Flaw, Limits, read_flaws
from server.library.clips.checking import check_media
from server.library.clips.stored import open_video
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import show_text
from server.library.keeping.tables import describe_tables, need_checks
from server.postgres.plain import connect, first_line
from server.postgres.queries import queries
from server.postgres.refusals import explain, is_damage, opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from psycopg2.extensions import connection as Connection

AHEAD = 100  # clips that may be done, or wait, behind the one that is told next
# FFmpeg's side keeps a little of every clip, so it begins anew now and then.
RENEW_CLIPS = 100
_NOT_CHECKED = "not-checked"  # the flaw of a clip when bytereel itself failed


class StoredClip(NamedTuple):
    """A video of the table, and what is known of it."""

    id: int
    filename: str
    size: int  # bytes
    known: list[Flaw] | None  # None if it has to be checked

    @property
    def shown(self) -> str:
        """Return its name in a sentence."""
        return f"video {self.id} ({show_text(self.filename)})"


class CheckedClip(NamedTuple):
    """What is wrong with a video, and whether that was known before."""

    clip: StoredClip
    flaws: list[Flaw]
    was_known: bool = False


class StoppedError(Exception):
    """The work has ended before this was done."""


def name_rules(limits: Limits) -> str:
    """Return what tells whether a clip was checked by these rules and limits."""
    seconds, megabytes, height, fps = limits
    return f"{RULES_VERSION}: {seconds:g} s, {megabytes:g} MB, {height}p, {fps:g} fps"


def check_library(
    url: str,
    limits: Limits,
    *,
    jobs: int = 1,
    again: bool = False,
    progress: bool | None = None,
) -> Iterator[CheckedClip]:
    """Yield what is wrong with each clip, the lowest id first, and keep it.

    A clip that these rules have checked is not read, unless again. What was found stays
    when the work is interrupted. Fault if nothing can be kept, or the database goes
    away. The progress bar shows on a terminal; True and False decide otherwise.
    """
    with opening(url) as connection, connection, connection.cursor() as cursor:
        tables = describe_tables(cursor)
        need_checks(tables)
        if not tables.keeps_checks:
            raise Fault(
                "what is found cannot be kept in the table of checks: use the URL of "
                "the primary, and a role that may write to it"
            )
        cursor.execute(queries()["allow_long_statements"])
        cursor.execute(queries()["forget_checks"])
        rows = read_rows(cursor, "list_checkable", {"rules": name_rules(limits)})
    clips = [
        StoredClip(
            row["id"],
            row["filename"],
            row["size"],
            None if again or row["flaws"] is None else read_flaws(row["flaws"]),
        )
        for row in rows
    ]
    left = [clip.size for clip in clips if clip.known is None]
    with (
        CheckerPool(url, limits, max(min(jobs, len(left)), 1)) as pool,
        tqdm(
            total=sum(left),
            unit="B",
            unit_scale=True,
            disable=None if progress is None else not progress,
        ) as bar,
    ):
        for done in pool.work(clips):
            if not done.was_known:
                bar.update(done.clip.size)
                bar.clear()  # the caller may print
            yield done


class CheckerPool:
    """Threads, each with a connection and a sandbox; the first failure stops all."""

    def __init__(self, url: str, limits: Limits, jobs: int) -> None:
        self._url, self._limits, self._jobs = url, limits, jobs
        self._threads = ThreadPoolExecutor(jobs)
        self._checkers: list[_Checker] = []
        self._free: SimpleQueue[_Checker] = SimpleQueue()
        self._is_stopped = False
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._leave)
            for _ in range(self._jobs):
                self._checkers.append(_Checker(self._url, self._limits))
                self._free.put(self._checkers[-1])
            stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind:
            self._stop()
        self._leave()

    def _leave(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        for checker in self._checkers:
            checker.close()

    def work(self, clips: list[StoredClip]) -> Iterator[CheckedClip]:
        """Yield what is found of each clip, in order; clips that are gone are left out.

        What was known comes in its turn.
        """
        waiting: deque[Future[CheckedClip | None]] = deque()
        try:
            for clip in clips:
                waiting.append(self._begin(clip))
                while waiting and (waiting[0].done() or len(waiting) > AHEAD):
                    yield from _take(waiting)
            while waiting:
                yield from _take(waiting)
        except StoppedError:
            if self._failure:
                raise self._failure from None
            raise

    def _begin(self, clip: StoredClip) -> Future[CheckedClip | None]:
        if clip.known is None:
            return self._threads.submit(self._check, clip)
        known: Future[CheckedClip | None] = Future()
        known.set_result(CheckedClip(clip, clip.known, was_known=True))
        return known

    def _check(self, clip: StoredClip) -> CheckedClip | None:
        checker = self._free.get()
        try:
            flaws = checker.find_flaws(clip)
            if self._is_stopped:  # perhaps its sandbox was ended
                raise StoppedError
            return CheckedClip(clip, flaws) if checker.save(clip, flaws) else None
        except BaseException as error:
            if not self._is_stopped:
                self._failure, self._is_stopped = error, True
            raise
        finally:
            self._free.put(checker)

    def _stop(self) -> None:
        """End what takes time."""
        self._is_stopped = True
        for checker in self._checkers:
            checker.stop()


def _take(waiting: deque[Future[CheckedClip | None]]) -> Iterator[CheckedClip]:
    """Yield the first, once it is done, unless its clip is gone."""
    result = waiting[0].result()
    waiting.popleft()
    if result is not None:
        yield result


class _Checker:
    """Checks one clip after the other, and keeps what it finds."""

    def __init__(self, url: str, limits: Limits) -> None:
        self._limits, self._rules = limits, name_rules(limits)
        self._connection: Connection = connect(url)
        self._connection.autocommit = True
        self._sandbox = Sandbox()
        self._count = 0

    def find_flaws(self, clip: StoredClip) -> list[Flaw]:
        """Return what is wrong with a clip, all of whose samples are looked at."""
        self._count += 1
        if self._count % RENEW_CLIPS == 0:
            self._sandbox.close()
        try:
            media = open_video(self._connection, clip.id, clip.size)
            return check_media(media, self._sandbox, self._limits).flaws
        except psycopg2.Error as error:
            if self._connection.closed or not is_damage(error):
                raise explain(self._connection, error) from error
            sentence = f"cannot be read ({first_line(error)})"
            return [Flaw("unreadable", FAULT, sentence, "see bytereel verify")]

    def save(self, clip: StoredClip, flaws: list[Flaw]) -> bool:
        """Keep what is wrong; report whether the clip is still there."""
        if any(flaw.code == _NOT_CHECKED for flaw in flaws):
            return True  # it was not checked, so it stays to be
        told = dumps([flaw._asdict() for flaw in flaws])
        values = {"id": clip.id, "rules": self._rules, "flaws": told}
        try:
            with self._connection.cursor() as cursor:
                return bool(read_rows(cursor, "save_check", values))
        except psycopg2.Error as error:
            raise explain(self._connection, error) from error

    def stop(self) -> None:
        """Have what it does fail."""
        with suppress(psycopg2.Error):  # closed
            self._connection.cancel()
        with suppress(OSError):  # gone meanwhile
            if number := self._sandbox.process_id:
                os.kill(number, 9)

    def close(self) -> None:
        """Let go of what it holds."""
        with closing(self._connection):
            self._sandbox.close()
