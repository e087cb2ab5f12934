"""What is soaked, started: PostgreSQL, a library with words, and the server."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg2

from bench.load.generator import ROOT
from bench.options import tell
from bench.soak.clients import Library
from bench.soak.sampling import list_family, read_own_memory
from bench.stand.paths import open_database
from bench.stand.process import find_port, stop, wait_for
from bench.stand.videos import KIB, MIB, execute, list_assets, load_videos
from server.demo.learners import LEARNERS, add_learners
from server.demo.samples import make_clip
from server.errors import Fault
from server.library.imports.files import import_paths
from server.postgres.plain import connect

if TYPE_CHECKING:
    from contextlib import ExitStack

# Kept whole in memory here, so few; more than the server's cache has room for.
SIZES = [8 * MIB, 3 * MIB, 5 * MIB, *range(48 * KIB, 1248 * KIB, 24 * KIB)]
SESSIONS = """
SELECT count(*)
  FROM pg_stat_activity
 WHERE datname = current_database()
   AND pid <> pg_backend_pid()
"""

_TRACEBACK = re.compile(
    r"Traceback \(most recent call last\):\n(?:[ \t].*\n)*+(.*)", re.MULTILINE
)


class OpenStand(NamedTuple):
    """What runs."""

    url: str  # of the database
    port: int
    pid: int  # of the server
    library: Library
    tasks: Path  # where the server tells of its tasks
    tracebacks: list[str]  # of its log, each its last line; known once it has stopped

    @property
    def origin(self) -> str:
        """Return where the server answers."""
        return f"http://127.0.0.1:{self.port}"


def open_stand(stack: ExitStack, workers: int, seed: int) -> OpenStand:
    """Start all; the stack stops it."""
    temporary = tempfile.TemporaryDirectory(prefix="bytereel-soak-")
    folder = Path(stack.enter_context(temporary))
    folder.chmod(0o755)  # for root PostgreSQL runs as somebody else
    tell("starting PostgreSQL, loading videos")
    url = stack.enter_context(open_database(folder))
    library = load(url, folder, seed)
    tasks = folder / "tasks"
    tasks.mkdir()
    port = find_port()
    command = [sys.executable, "-m", "bench.soak.watched", "serve", f"--port={port}"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BYTEREEL_")}
    log = folder / "server.log"
    with log.open("w") as written:
        server = subprocess.Popen(
            [*command, f"--workers={workers}"],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            text=True,
            cwd=ROOT,
            env=environment
            | {
                "DATABASE_URL": url,
                "BYTEREEL_ADMIN_TOKEN": library.token,
                "BENCH_TASKS": f"{tasks}",
            },
            start_new_session=True,
        )
    tracebacks: list[str] = []
    stack.callback(
        lambda: tracebacks.extend(find_tracebacks(log.read_text("utf-8", "replace")))
    )
    stack.callback(stop, server)
    wait_for(server, port, log)
    return OpenStand(url, port, server.pid, library, tasks, tracebacks)


def find_tracebacks(text: str) -> list[str]:
    """Return what each traceback of a log ends with; show the log's last lines."""
    found = _TRACEBACK.findall(text)
    if found:
        tell("the server's log ends with:")
        tell("\n".join(text.splitlines()[-30:]))
    return found


def load(url: str, folder: Path, seed: int) -> Library:
    """Put videos, words and a clip that plays into the database."""
    assets = list_assets(load_videos(url, folder, SIZES, seed))
    clip, other = folder / "soak.mp4", folder / "shown.mp4"
    make_clip(clip, seconds=1.0, width=320, height=180)
    make_clip(other, seconds=2.0, width=320, height=180, hue=90)
    (shown,) = import_paths(url, [other])
    if shown.video_id is None:
        raise Fault(shown.error or "the clip was not imported")
    add_learners(url)
    execute(url, "VACUUM (ANALYZE) videos")
    learner = LEARNERS[0].user_id
    return Library(assets, clip, shown.video_id, learner, secrets.token_urlsafe(24))


def measure_database(url: str) -> dict[str, float]:
    """Return sessions and memory of PostgreSQL, nothing while it is away."""
    with suppress(psycopg2.Error, Fault), closing(connect(url)) as database:
        with database.cursor() as cursor:
            cursor.execute(SESSIONS)
            ((sessions,),) = cursor.fetchall()
        backends = list_family(find_parent(database.info.backend_pid))
        own = sum(map(read_own_memory, backends))
        return {"sessions": sessions, "PostgreSQL MiB": own} if own else {}
    return {}


def find_parent(pid: int) -> int:
    """Return a process's parent; itself if it runs elsewhere."""
    with suppress(OSError):
        rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
        return int(rest.split()[1])
    return pid
