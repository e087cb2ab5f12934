"""Who takes part, as data, and how one is started and stopped."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, NamedTuple

from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
START_SECONDS = 20
STOP_SECONDS = 15
RANGES = ("ranges64", "ranges256")
UVICORN = (
    "{python} -m uvicorn --port {port} --loop uvloop --http httptools"
    " --no-access-log --log-level warning"
)
SERVE = "{python} -m server serve --port {port}"


class Contender(NamedTuple):
    """One server, or the loop that reads without serving."""

    name: str
    what: str
    command: str  # {python}, {port} and {folder} are filled in
    needs: tuple[str, ...] = ()  # modules, programs
    workloads: tuple[str, ...] = (*RANGES, "download")
    whole: bool = False  # knows no ranges: sends the whole video
    speaks: bool = True  # HTTP; otherwise ids on standard input


class Running(NamedTuple):
    """A contender that has been started."""

    contender: Contender
    process: subprocess.Popen[str]
    port: int


CONTENDERS = (
    Contender("bytereel", "every chunk from PostgreSQL", f"{SERVE} --cache-mb 0"),
    Contender(
        "cached",
        "bytereel with 64 MB of chunks in memory",
        f"{SERVE} --cache-mb 64",
        workloads=RANGES,
    ),
    Contender(
        "nginx",
        "the file from disk, sendfile, one worker",
        "nginx -p {folder} -c {folder}/nginx.conf",
        ("program:nginx",),
    ),
    Contender(
        "aiohttp-file",
        "aiohttp FileResponse, uvloop",
        "{python} -m bench.peers.aiohttp_file {port}",
        ("aiohttp", "uvloop"),
    ),
    Contender(
        "starlette-file",
        "Starlette FileResponse, uvicorn, uvloop, httptools",
        f"{UVICORN} bench.peers.starlette_file:app",
        ("starlette", "uvicorn", "uvloop", "httptools"),
    ),
    Contender(
        "fastapi-asyncpg",
        "the same table, pool of 8, 256 KiB chunks, uvicorn, uvloop, httptools",
        f"{UVICORN} bench.peers.fastapi_asyncpg:app",
        ("fastapi", "asyncpg", "uvicorn", "uvloop", "httptools"),
    ),
    Contender(
        "flask-plan",
        "the plan's handler, gunicorn with 2 workers",
        "{python} -m gunicorn --workers 2 --bind 127.0.0.1:{port}"
        " --log-level warning bench.peers.flask_plan:app",
        ("flask", "gunicorn", "psycopg2"),
        ("ranges64",),
        whole=True,
    ),
    Contender(
        "asyncpg-loop",
        "asyncpg reads 256 KiB chunks and sends them nowhere",
        "{python} -m bench.peers.asyncpg_loop",
        ("asyncpg", "uvloop"),
        ("download",),
        speaks=False,
    ),
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
    names = {"python": sys.executable, "port": port, "folder": folder}
    if contender.name == "nginx":
        template = Template((ROOT / "bench/peers/nginx.conf").read_text())
        (folder / "nginx.conf").write_text(template.substitute(names))
    log = folder / f"{contender.name}.log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BYTEREEL_")}
    environment |= {"DATABASE_URL": database_url, "BENCH_FOLDER": f"{folder}"}
    with log.open("w") as written, on_core(core):
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
    try:
        if contender.speaks:
            wait_for(process, port, log)
        yield Running(contender, process, port)
    finally:
        stop(process)


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Have what is started inside run on this core only."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def find_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def wait_for(process: subprocess.Popen[str], port: int, log: Path) -> None:
    """Return when it accepts connections.

    Raises Fault with its last words when it ends or takes too long.
    """
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    said = (log.read_text(errors="replace").splitlines() or ["it said nothing"])[-1]
    command = process.args
    raise Fault(f"{command!r} did not start ({said}): mend that, or leave it out.")


def stop(process: subprocess.Popen[str]) -> None:
    """Stop it and all that it started."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
