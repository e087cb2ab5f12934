"""Several importers at work: groups of files in, what became of each out, in order."""

from __future__ import annotations

import os
import sys
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager, suppress
from queue import SimpleQueue
from threading import Condition
from typing import TYPE_CHECKING, Any

import psycopg2

from server.library.imports.rows import note_results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from tqdm import tqdm

    from server.library.ffmpeg.sandbox import Sandbox
    from server.library.imports.importer import File, Importer, ImportFile
    from server.library.imports.rows import Imported, Inventory

WINDOW = 1000  # groups that may be done while all wait for one before them
# PostgreSQL takes three times a file's size, so not all importers may have a large one.
MOST_BYTES = 256 << 20  # under way together; a larger file goes alone
# FFmpeg's side keeps a little of every file, so it begins anew now and then.
RENEW_FILES = 100
_TICK_SECONDS = 0.1


class StoppedError(Exception):
    """The work has ended before this was done."""


class ImporterPool:
    """Threads, each with an importer of its own; the first failure stops all."""

    def __init__(
        self,
        open_importer: Callable[[], Importer],
        import_one: ImportFile,
        jobs: int,
        *,
        note_results: bool = False,
    ) -> None:
        self._open_importer, self._import, self._jobs = open_importer, import_one, jobs
        self._note_results = note_results
        self._pool = ThreadPoolExecutor(jobs)
        self._importers: list[Importer] = []
        self._free: SimpleQueue[Importer] = SimpleQueue()
        self._used: Counter[Sandbox] = Counter()  # files since it began
        self._change = Condition()  # guards what follows
        self._under_way = 0  # bytes
        self._done = 0  # bytes
        self._stopped = False
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._leave)
            for _ in range(self._jobs):
                self._importers.append(self._open_importer())
                self._free.put(self._importers[-1])
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
        self._pool.shutdown(cancel_futures=True)
        for importer in self._importers:
            with closing(importer.connection):
                importer.sandbox.close()

    def work(
        self, orders: Iterable[tuple[list[File], Inventory]], bar: tqdm[Any]
    ) -> Iterator[Imported]:
        """Yield what became of each file; after a failure what was done, then raise."""
        waiting: deque[Future[list[Imported]]] = deque()
        try:
            for group, inventory in orders:
                waiting.append(self._pool.submit(self._import_group, group, inventory))
                while waiting and (waiting[0].done() or len(waiting) > WINDOW):
                    yield from self._take(waiting, bar)
            while waiting:
                yield from self._take(waiting, bar)
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            self._stop()
            self._pool.shutdown(cancel_futures=True)
            for future in waiting:
                if not future.cancelled() and future.exception() is None:
                    yield from future.result()
            if isinstance(error, StoppedError) and self._failure:
                raise self._failure from None
            raise

    def _take(
        self, waiting: deque[Future[list[Imported]]], bar: tqdm[Any]
    ) -> list[Imported]:
        """Return the first group's results, and let the bar grow until then."""
        while not wait([waiting[0]], _TICK_SECONDS).done:
            bar.update(self._done - bar.n)
        bar.update(self._done - bar.n)
        done = waiting[0].result()
        waiting.popleft()
        return done

    def _stop(self) -> None:
        """Let nothing be begun any more, and end what takes time."""
        with self._change:
            self._stopped = True
            self._change.notify_all()
        for importer in self._importers:
            with suppress(psycopg2.Error):  # closed
                importer.connection.cancel()
            with suppress(OSError):  # gone meanwhile
                if number := importer.sandbox.process_id:
                    os.kill(number, 9)

    def _import_group(self, group: list[File], inventory: Inventory) -> list[Imported]:
        importer = self._free.get()
        try:
            return [self._import_file(importer, file, inventory) for file in group]
        except BaseException as error:
            with self._change:
                if self._stopped:  # which may be all that is wrong
                    raise StoppedError from error
                self._failure = error
            self._stop()
            raise
        finally:
            self._used[importer.sandbox] += len(group)
            if self._used[importer.sandbox] >= RENEW_FILES:
                self._used[importer.sandbox] = 0
                importer.sandbox.close()
            self._free.put(importer)

    def _import_file(
        self, importer: Importer, file: File, inventory: Inventory
    ) -> Imported:
        told = 0

        def tell(size: int) -> None:
            nonlocal told
            told += size
            self._add(size)

        with self._room(file.size):
            done = self._import(importer, file, inventory, tell)
        if done.error and self._stopped:  # perhaps because its sandbox was ended
            raise StoppedError
        if self._note_results and inventory.keeps_results:
            note_results(importer.connection, [done])
        with suppress(StoppedError):  # it is in the table all the same
            self._add(file.size - told)
        return done

    def _add(self, size: int) -> None:
        with self._change:
            if self._stopped:
                raise StoppedError
            self._done += size

    @contextmanager
    def _room(self, size: int) -> Iterator[None]:
        """Wait for room for so many bytes more; StoppedError if the work ends."""
        size = min(size, MOST_BYTES)
        with self._change:
            self._change.wait_for(
                lambda: self._stopped or self._under_way + size <= MOST_BYTES
            )
            if self._stopped:
                raise StoppedError
            self._under_way += size
        try:
            yield
        finally:
            with self._change:
                self._under_way -= size
                self._change.notify_all()


@contextmanager
def silence_psycopg2() -> Iterator[None]:
    """Keep psycopg2 from printing a traceback of its own if the server closes down."""
    before = sys.excepthook
    sys.excepthook = lambda *_: None
    try:
        yield
    finally:
        sys.excepthook = before
