"""Work the queue, one level after the other, while no other process wants to."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.clips.selftest import check_ffmpeg
from server.library.ffmpeg.child import end_with_parent, wait_for_others
from server.library.ffmpeg.memory import measure_budget, share_budget
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import show_text
from server.library.levels import queue
from server.library.levels.encode import Encoder
from server.library.levels.processes import DATABASE_URL
from server.postgres.refusals import opening

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from server.library.levels.encode import Encoded

POLL_SECONDS = 1.0
AWAY_SECONDS = 5.0

_log = logging.getLogger(__name__)


def work(
    url: str, *, watch: bool = False, encoders: int = 1
) -> Generator[Encoded, None, None]:
    """Yield what became of each encoding, until none is left, not even with others.

    watch stays, and outlasts a database that is away; else that is a Fault. encoders
    are those that share the memory of this machine.
    """
    memory = share_budget(measure_budget(), encoders)
    troubled = False
    with Sandbox(memory, idle=True) as sandbox:
        check_ffmpeg(sandbox)
        while True:
            try:
                for done in _work_connected(url, sandbox, watch=watch):
                    troubled = False
                    yield done
                return
            except Fault as fault:
                if not watch:
                    raise
                if not troubled:
                    _log.warning("%s; trying again until then", fault)
                troubled = True
            time.sleep(AWAY_SECONDS)


def _work_connected(url: str, sandbox: Sandbox, *, watch: bool) -> Iterator[Encoded]:
    """Yield as work does; Fault once the database or a folder takes no more."""
    with opening(url) as connection:
        encoder = Encoder(url, connection, sandbox)
        while True:
            if claim := queue.claim_next(connection):
                yield encoder.encode(claim)
            elif not watch and queue.is_empty(connection):
                return
            else:
                time.sleep(POLL_SECONDS)


@contextmanager
def ending_at_signal() -> Iterator[None]:
    """Let SIGTERM end this as Ctrl-C does: what is being made goes back."""

    def end(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one is enough
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def explain(done: Encoded) -> str:
    """Return a line on what became of an encoding."""
    what = f"{show_text(done.filename)} (video {done.video_id}) at {done.height}"
    if done.bytes is None:
        return f"{what}: {done.status}, for {done.reason}"
    part = done.bytes / max(done.original_bytes, 1)
    return f"{what}: video {done.level_id}, {done.bytes:,} bytes, {part:.0%}"


def main() -> None:
    """Work for a server until it ends.

    The arguments are its process id and how many encoders there are; the URL of the
    database is in the environment, where others cannot see it.
    """
    parent, encoders = int(sys.argv[1]), int(sys.argv[2])
    url = os.environ[DATABASE_URL]
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())  # its supervisor blocks some
    with ending_at_signal():
        end_with_parent(signal.SIGTERM)
        if os.getppid() != parent:
            return
        wait_for_others()
        for done in work(url, watch=True, encoders=encoders):
            if done.status == queue.FAILED:
                _log.warning("%s", explain(done))


if __name__ == "__main__":
    main()
