"""`serve --workers`: real processes, told apart by what /proc says of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.command import ROOT, Server, run, serving
from tests.conftest import insert_video
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BYTES = 6_000_000
ESTABLISHED = "01"  # proc_pid_net(5)


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))


def count_connections(pid: int, port: int) -> int:
    """Return how many connections to the port the process has accepted."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = fields = line.split()
        if state == ESTABLISHED and int(local.partition(":")[2], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    folder = Path(f"/proc/{pid}/fd")
    return sum(os.readlink(entry) in inodes for entry in folder.iterdir())


def connect(port: int) -> HTTPConnection:
    """Return a connection of its own that has had an answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=15)
    connection.request("GET", "/readyz")
    with connection.getresponse() as answer:
        assert json.load(answer) == {"status": "ready"}
    return connection


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass
    return False


@contextmanager
def downloading(port: int, video: int) -> Iterator[Callable[[], int]]:
    """Yield what reads the rest of a download, of which little was taken so far."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        client.settimeout(15)
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET /v3/videos/%d HTTP/1.0\r\n\r\n" % video)
        with client.makefile("rb") as stream:
            while stream.readline().strip():
                pass

            def read_rest() -> int:
                most = len(stream.read(BYTES - 150_000))
                time.sleep(0.3)  # all is in buffers by now, which are easily forgotten
                return most + len(stream.read())

            yield read_rest


@pytest.mark.long
def test_connections_are_spread_over_the_workers(database_url: str) -> None:
    with serving(database_url, "--workers", "3", "--connections", "3") as server:
        workers = server.workers
        assert len(workers) == 3
        connections = [connect(server.port) for _ in range(60)]
        counts = [count_connections(pid, server.port) for pid in workers]
        for connection in connections:
            connection.close()
    assert sum(counts) == 60
    assert min(counts) > 0


@pytest.mark.long
def test_killed_worker_is_replaced_and_nobody_refused(database_url: str) -> None:
    with serving(database_url, "--workers", "2") as server:
        killed, stays = server.workers
        for _ in range(2):  # the second has just started, so its successor is delayed
            kill(killed)
            for _ in range(30):
                connect(server.port).close()
            assert stays in server.workers
            (killed,) = server.workers - {stays}


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "count"), [(signal.SIGTERM, 1), (signal.SIGTERM, 2), (signal.SIGINT, 2)]
)
def test_stop_lets_a_download_finish(
    database_url: str, number: signal.Signals, count: int
) -> None:
    video = insert_video(database_url, "run_person.mp4", bytes(BYTES))
    with serving(database_url, "--workers", str(count)) as server:
        workers = server.workers
        with downloading(server.port, video) as read_rest:
            server.process.send_signal(number)
            wait_until(lambda: is_refused(server.port))
            assert read_rest() == BYTES
        assert server.process.wait(15) == 0
        assert not any(map(is_alive, workers))


@pytest.mark.long
def test_stop_of_every_process_lets_a_download_finish(database_url: str) -> None:
    """As systemd stops a unit: the workers are then told twice."""
    video = insert_video(database_url, "run_person.mp4", bytes(BYTES))
    with serving(database_url, "--workers", "2") as server:
        with downloading(server.port, video) as read_rest:
            for pid in (*server.workers, server.process.pid):
                os.kill(pid, signal.SIGTERM)
            wait_until(lambda: is_refused(server.port))
            time.sleep(0.5)  # by now the supervisor has told them, too
            assert read_rest() == BYTES
        assert server.process.wait(15) == 0


@pytest.mark.long
@pytest.mark.parametrize("count", [1, 2])
def test_worker_that_is_told_to_stop_is_replaced_while_it_finishes(
    database_url: str, count: int
) -> None:
    video = insert_video(database_url, "run_person.mp4", bytes(BYTES))
    with serving(database_url, "--workers", str(count)) as server:
        old = server.workers
        with ExitStack() as downloads:
            rests = [downloads.enter_context(downloading(server.port, video))]
            while not all(count_connections(pid, server.port) for pid in old):
                rests.append(downloads.enter_context(downloading(server.port, video)))
            for pid in old:
                os.kill(pid, signal.SIGTERM)
            wait_until(lambda: len(server.workers - old) == count, 4)
            assert all(map(is_alive, old))
            for _ in range(20):
                connect(server.port).close()
            assert [read_rest() for read_rest in rests] == [BYTES] * len(rests)
        wait_until(lambda: not server.workers & old)
        connect(server.port).close()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0


LEAVES = """
    signal.signal(signal.SIGTERM, lambda *_: leaving())
    ready()
    while True:
        time.sleep(99)
"""


@pytest.mark.long
def test_workers_told_to_stop_again_and_again_stay_few() -> None:
    with start(LEAVES) as process:
        read_ready(process)
        seen = set()
        until = time.monotonic() + 5
        while time.monotonic() < until:
            workers = list_workers(process)
            seen |= workers
            assert len(workers) <= 4
            for pid in workers:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            time.sleep(0.1)
        assert process.poll() is None
        assert len(seen) > 4
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


def test_what_workers_tell_at_the_end_does_not_end_their_parent() -> None:
    work = """
    def end(*_):
        time.sleep(0.2)  # by then the parent has told all
        os.kill(os.getppid(), signal.SIGSTOP)  # so that it learns everything at once
        leaving()
        os._exit(0)
    signal.signal(signal.SIGTERM, end)
    ready()
    time.sleep(99)
"""
    script = SCRIPT.format(work=work).replace("STOP_SECONDS = 0.3", "STOP_SECONDS = 9")
    with run_script(f"import os\n{script}") as process:
        read_ready(process)
        workers = list_workers(process)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not any(map(is_alive, workers)))
        process.send_signal(signal.SIGCONT)
        assert process.wait(15) == 0


@pytest.mark.long
def test_reload_replaces_all_and_lets_a_download_finish(database_url: str) -> None:
    video = insert_video(database_url, "run_person.mp4", bytes(BYTES))
    with serving(database_url, "--workers", "2") as server:
        old = server.workers
        with downloading(server.port, video) as read_rest:
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: len(server.workers - old) == 2)
            wait_until(lambda: sum(map(is_alive, old)) == 1)
            for _ in range(20):
                connect(server.port).close()
            assert read_rest() == BYTES
        wait_until(lambda: not server.workers & old)
        connect(server.port).close()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0


@pytest.mark.long
def test_workers_keep_their_port_and_go_with_their_parent(database_url: str) -> None:
    with serving(database_url, "--workers", "2") as server:
        arguments = ("--workers", "2", "--port", str(server.port))
        text = run("serve", *arguments, url=database_url, status=1)
        assert text.startswith(f"bytereel: port {server.port}")
        assert text.count("\n") == 1
        workers = server.workers
        server.process.kill()
        wait_until(lambda: not any(map(is_alive, workers)))
        assert is_refused(server.port)


@pytest.mark.long
def test_workers_share_the_embedded_database(data_dir: Path) -> None:
    with serving("", "--workers", "2", "--data-dir", str(data_dir)) as server:
        os.kill(min(server.workers), signal.SIGKILL)
        connect(server.port).close()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
    assert not any(data_dir.rglob("postmaster.pid"))


SCRIPT = """
import asyncio, signal, sys, time
from server.serving import heartbeat, workers
from server.errors import Fault
from server.serving.listen import bind
from server.serving.listening import Listening, share

def work(listening, ready, leaving):
    {work}

workers.STOP_SECONDS = 0.3
heartbeat.BEAT_SECONDS, heartbeat.TURN_SECONDS = 0.05, 0.1
workers.TURN_SECONDS, heartbeat.HANG_SECONDS = 0.1, 1
sockets = share(Listening(bind("127.0.0.1", 0)), 2)
try:
    workers.Workers(work, sockets).supervise(lambda: print("ready", flush=True))
except Fault as fault:
    sys.exit(str(fault))
"""


BEATING = """
    async def turn():
        ready()
        {turning}
    asyncio.run(turn())
"""


HANGS_ONCE = """
import mmap
from server.serving import heartbeat

heartbeat.START_SECONDS = 1
started = mmap.mmap(-1, 1)

def begin(ready):
    if not started[0]:
        started[0] = 1
        time.sleep(99)
    ready()
"""


def start(work: str) -> subprocess.Popen[str]:
    return run_script(SCRIPT.format(work=work))


def run_script(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(
    ("work", "words"),
    [
        ("raise Fault('the reason')", "bytereel: the reason\n"),
        ("raise ValueError('the reason')", "ValueError: the reason\n"),
    ],
)
def test_failure_at_the_start_ends_all(work: str, words: str) -> None:
    with start(work) as process:
        text, _ = process.communicate(timeout=15)
    assert process.returncode == 1
    assert words in text
    assert "ready" not in text.splitlines()
    assert text.endswith(
        "a worker ended before it could answer: see the messages above\n"
    )


def test_hanging_worker_is_killed() -> None:
    work = "signal.signal(signal.SIGTERM, signal.SIG_IGN); ready(); time.sleep(99)"
    with start(work) as process:
        read_ready(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


def read_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def read_until(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert line in process.stdout


def test_second_signal_ends_all_at_once() -> None:
    ignores = "signal.signal(signal.SIGTERM, signal.SIG_IGN); workers.STOP_SECONDS = 99"
    with start(f"{ignores}; ready(); time.sleep(99)") as process:
        read_ready(process)
        workers = list_workers(process)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 128 + signal.SIGINT
        wait_until(lambda: not any(map(is_alive, workers)))


def list_workers(process: subprocess.Popen[str]) -> set[int]:
    return Server(process, []).workers


@pytest.mark.long
def test_many_reloads_leave_one_worker_a_slot(database_url: str) -> None:
    with serving(database_url, "--workers", "2") as server:
        old = server.workers
        for _ in range(20):
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.05)
        wait_until(lambda: len(server.workers) == 2 and not server.workers & old)
        wait_until(lambda: is_steady(server))
        connections = [connect(server.port) for _ in range(40)]
        counts = [count_connections(pid, server.port) for pid in server.workers]
        for connection in connections:
            connection.close()
        assert len(counts) == 2
        assert min(counts) > 0


def is_steady(server: Server) -> bool:
    """Report whether there are two workers, the same for a while."""
    before = server.workers
    time.sleep(1)
    return len(before) == 2 and server.workers == before


@pytest.mark.long
def test_stopped_worker_is_replaced() -> None:
    with start(BEATING.format(turning="await asyncio.sleep(99)")) as process:
        read_ready(process)
        stopped, stays = list_workers(process)
        os.kill(stopped, signal.SIGSTOP)
        wait_until(lambda: stopped not in list_workers(process))
        wait_until(lambda: len(list_workers(process)) == 2)
        assert stays in list_workers(process)
        process.send_signal(signal.SIGTERM)


@pytest.mark.long
def test_loop_that_stands_still_is_replaced() -> None:
    turning = "await asyncio.sleep(0.2); time.sleep(99)"
    with start(BEATING.format(turning=turning)) as process:
        read_ready(process)
        workers = list_workers(process)
        wait_until(lambda: not list_workers(process) & workers)
        process.send_signal(signal.SIGTERM)


def test_worker_that_hangs_before_all_answer_is_replaced() -> None:
    turning = "await asyncio.sleep(99)"
    work = BEATING.format(turning=turning).replace("ready()", "begin(ready)")
    with run_script(HANGS_ONCE + SCRIPT.format(work=work)) as process:
        read_until(process, "ready\n")
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


@pytest.mark.long
def test_nobody_hangs_because_all_stood_still() -> None:
    with start(BEATING.format(turning="await asyncio.sleep(99)")) as process:
        read_ready(process)
        workers = list_workers(process)
        everybody = [process.pid, *workers]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3)
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
        time.sleep(2)
        assert list_workers(process) == workers
        process.send_signal(signal.SIGTERM)


LATER = """
import os
real, failing = os.fork, []

def fork():
    if failing and failing.pop():
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return real()

def begin():
    failing[:] = [True, True]
    print("ready", flush=True)

os.fork = fork
"""


@pytest.mark.long
def test_worker_that_cannot_be_started_is_started_later() -> None:
    script = SCRIPT.replace('lambda: print("ready", flush=True)', "begin")
    script = script.format(work="ready(); time.sleep(99)")
    with run_script(LATER + script) as process:
        read_ready(process)
        killed, stays = list_workers(process)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: list_workers(process) == {stays})
        wait_until(lambda: len(list_workers(process)) == 2)
        process.send_signal(signal.SIGTERM)
        text, _ = process.communicate(timeout=15)
    assert text.count("cannot start a worker (Resource temp") == 2
    assert "Traceback" not in text
