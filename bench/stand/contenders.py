"""Who takes part, as data, and how one is started and stopped."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, NamedTuple

from bench.stand.edge import Edge, running_edge
from bench.stand.process import find_port, on_core, stop, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
UVICORN = (
    "{python} -m uvicorn --port {port} --loop uvloop --http httptools"
    " --no-access-log --log-level warning"
)
SERVE = "{python} -m server serve --port {port}"


CACHE_MB = 16  # the server's own default, and a tenth of bench.stand.videos' library


class Contender(NamedTuple):
    """One server, or the loop that reads without serving: a path, or a peer."""

    name: str
    what: str
    command: str  # {python}, {port} and {folder} are filled in
    needs: tuple[str, ...] = ()  # modules, programs
    peer: bool = False
    edge: bool = False  # nginx stands in front
    pinned: bool = True  # to one core
    whole: bool = False  # knows no ranges: sends the whole video
    speaks: bool = True  # HTTP; otherwise ids on standard input


class Running(NamedTuple):
    """A contender that has been started."""

    contender: Contender
    process: subprocess.Popen[str]
    port: int  # to ask at
    origin_port: int = 0  # of the server itself
    edge: Edge | None = None
    counter: Path | None = None  # of requests that reached the origin

    def count_origin(self) -> int | None:
        """Return how many requests have reached the origin; None if uncounted."""
        if self.counter is None:
            return None
        count: int
        (count,) = struct.unpack("=Q", self.counter.read_bytes())
        return count


COUNTED = SERVE.replace("-m server", "-m bench.peers.counted {counter}")

CONTENDERS = (
    Contender("origin", "every chunk from PostgreSQL", f"{SERVE} --cache-mb 0"),
    Contender(
        "memory",
        f"{CACHE_MB} MB of chunks in the server's memory",
        f"{SERVE} --cache-mb {CACHE_MB}",
    ),
    Contender(
        "edge",
        "nginx as we ship it in front of origin: what it has",
        f"{COUNTED} --cache-mb 0",
        ("program:nginx",),
        edge=True,
    ),
    Contender(
        "edge-cold",
        "the same: what it does not have yet",
        f"{COUNTED} --cache-mb 0",
        ("program:nginx",),
        edge=True,
    ),
    Contender(
        "one-worker",
        "memory, on all cores that the load generator is on, too",
        f"{SERVE} --cache-mb {CACHE_MB}",
        pinned=False,
    ),
    Contender(
        "two-workers",
        "the same with --workers 2",
        f"{SERVE} --cache-mb {CACHE_MB} --workers 2",
        pinned=False,
    ),
    Contender(
        "nginx",
        "the file from disk, sendfile, one worker",
        "nginx -p {folder} -c {folder}/nginx.conf",
        ("program:nginx",),
        peer=True,
    ),
    Contender(
        "aiohttp-file",
        "aiohttp FileResponse, uvloop",
        "{python} -m bench.peers.aiohttp_file {port}",
        ("aiohttp", "uvloop"),
        peer=True,
    ),
    Contender(
        "starlette-file",
        "Starlette FileResponse, uvicorn, uvloop, httptools",
        f"{UVICORN} bench.peers.starlette_file:app",
        ("starlette", "uvicorn", "uvloop", "httptools"),
        peer=True,
    ),
    Contender(
        "fastapi-asyncpg",
        "the same table, pool of 8, 256 KiB chunks, uvicorn, uvloop, httptools",
        f"{UVICORN} bench.peers.fastapi_asyncpg:app",
        ("fastapi", "asyncpg", "uvicorn", "uvloop", "httptools"),
        peer=True,
    ),
    Contender(
        "flask-plan",
        "the plan's handler, gunicorn with 2 workers",
        "{python} -m gunicorn --workers 2 --bind 127.0.0.1:{port}"
        " --log-level warning bench.peers.flask_plan:app",
        ("flask", "gunicorn", "psycopg2"),
        peer=True,
        whole=True,
    ),
    Contender(
        "asyncpg-loop",
        "asyncpg reads 256 KiB chunks and sends them nowhere",
        "{python} -m bench.peers.asyncpg_loop",
        ("asyncpg", "uvloop"),
        peer=True,
        speaks=False,
    ),
)

YARDSTICK = Contender(
    "yardstick",
    "64 KiB from memory, no more",
    "{python} -m bench.peers.yardstick {port}",
)


def find_missing(contender: Contender) -> str:
    """Return why it can't take part, with the remedy; '' if it can."""
    for need in contender.needs:
        kind, _, name = need.rpartition(":")
        if kind == "program" and shutil.which(name) is None:
            return f"{name} is not installed (apt install {name})"
        if not kind and find_spec(name) is None:
            return f"{name} is not installed (pip install -e '.[peers]')"
    return ""


@contextmanager
def running(
    contender: Contender, folder: Path, database_url: str, core: int | None = None
) -> Iterator[Running]:
    """Run it on a free port, all its processes on one core; it answers when yielded.

    folder holds the videos as v3/videos/ID, and takes what it writes.
    """
    port = find_port()
    counter = folder / f"{contender.name}-{port}.count"
    names = {
        "python": sys.executable,
        "port": port,
        "folder": folder,
        "counter": counter,
    }
    if contender.name == "nginx":
        template = Template((ROOT / "bench/peers/nginx.conf").read_text())
        (folder / "nginx.conf").write_text(template.substitute(names))
    counter.write_bytes(bytes(8))
    log = folder / f"{contender.name}-{port}.log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BYTEREEL_")}
    environment |= {"DATABASE_URL": database_url, "BENCH_FOLDER": f"{folder}"}
    with log.open("w") as written, on_core(core if contender.pinned else None):
        process = subprocess.Popen(
            [part.format_map(names) for part in contender.command.split(" ")],
            stdin=subprocess.PIPE,
            stdout=written if contender.speaks else subprocess.PIPE,
            stderr=written,
            text=True,
            cwd=ROOT,
            env=environment,
            start_new_session=True,  # Ctrl-C is ours; we stop it then
        )
    with ExitStack() as stack:
        stack.callback(stop, process)
        if contender.speaks:
            wait_for(process, port, log)
        if contender.edge:
            place = folder / f"{contender.name}-{port}"
            edge = stack.enter_context(running_edge(place, port, CACHE_MB, core))
            yield Running(contender, process, edge.port, port, edge, counter)
        else:
            yield Running(contender, process, port, port)
