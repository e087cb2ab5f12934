"""A PostgreSQL of our own to break, with known videos and a role for the server."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

from server.postgres import migrations
from tests.breakable import HANG_SECONDS, Postgres
from tests.conftest import insert_video

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (40_000, 700_000, 3_000_000)
ROLE = "streamer"
MAX_CONNECTIONS = 40
SETUP = f"""
    CREATE ROLE {ROLE} LOGIN;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE};
"""
READ_ONLY = (
    "ALTER DATABASE postgres SET default_transaction_read_only = on",
    "SET transaction_read_only = off;"
    " ALTER DATABASE postgres RESET default_transaction_read_only",
)
"""Statements that make it take no writes, and take them again."""


class Victim(Postgres):
    """The server; its children are broken with it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "data")
        self.run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        with open(self.data / "postgresql.conf", "a") as settings:
            settings.write(f"max_connections = {MAX_CONNECTIONS}\n")
            settings.write("shared_buffers = 32MB\n")
        self.start()
        migrations.apply(self.url)
        self.videos = self._insert_videos()
        self.ask(SETUP)

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[Victim]:
        """Yield one in folder, which its account may write to."""
        victim = cls(folder)
        try:
            yield victim
        finally:
            victim.stop(signal.SIGQUIT)

    def _insert_videos(self) -> dict[int, bytes]:
        rng = random.Random(16)
        data = [rng.randbytes(size) for size in SIZES]
        return {
            insert_video(self.url, f"clip_{number}.mp4", each): each
            for number, each in enumerate(data)
        }

    def start(self) -> None:
        """Start it, also where a killed one's children are still about to end."""
        until = time.monotonic() + HANG_SECONDS
        while True:
            try:
                return super().start()
            except AssertionError:
                if time.monotonic() > until:
                    raise

    @property
    def pids(self) -> list[int]:
        """Return the postmaster and its children."""
        assert self.process is not None
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [pid, *map(int, children.split())]

    def signal_all(self, number: signal.Signals) -> None:
        for pid in self.pids:
            with suppress(ProcessLookupError):  # a session may just have ended
                os.kill(pid, number)

    def find_backend(self) -> int:
        """Return a process that serves our server."""
        query = f"SELECT max(pid) FROM pg_stat_activity WHERE usename = '{ROLE}'"
        return int(self.ask(query))

    def disconnect(self) -> None:
        """End all sessions of our server."""
        self.ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            f" WHERE usename = '{ROLE}'"
        )

    @property
    def role_url(self) -> str:
        """Return its URL for a server."""
        return self.url.replace("postgres@", f"{ROLE}@")

    def connect(self, user: str) -> psycopg2.extensions.connection:
        return psycopg2.connect(self.url.replace("postgres@", f"{user}@"))

    def ensure_well(self) -> None:
        """Start it if a fault ended it; fail if one left more behind."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        with closing(self.connect(ROLE)) as one, one.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM videos")
            assert cursor.fetchone() == (len(SIZES),)
