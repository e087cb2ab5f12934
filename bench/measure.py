"""Requests and bytes in a stretch of time, and the processor time they took."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench.contenders import ROOT
from server.connect import connect
from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.contenders import Running
    from bench.videos import Loaded

CONNECTIONS = 16
STALL_SECONDS = 60
RECEIVE_BYTES = 2**20
TICKS = os.sysconf("SC_CLK_TCK")  # a second, in /proc/PID/stat
GIB = 2**30


class Seen(NamedTuple):
    """What the load generator saw."""

    requests: int
    bytes: int
    seconds: float


class Sample(NamedTuple):
    """One round."""

    seen: Seen
    server: float  # CPU seconds
    database: float | None  # CPU seconds; None where its processes are not ours to see
    load: float  # the generator's share of its core


class Row(NamedTuple):
    """One contender's line."""

    rate: float
    spread: float  # half the distance of best and worst round, as a part of the rate
    server: float  # CPU seconds a GiB
    database: float | None
    load: float


def measure(
    started: Running, video: Loaded, length: int | None, seconds: int, postmaster: int
) -> Sample:
    """Measure one stretch; random ranges of length, or whole downloads without."""
    trees = [started.process.pid, postmaster]
    before, begun = [cpu_seconds(pid) for pid in trees], os.times()
    if not started.contender.speaks:
        seen = count_loop(started, video, seconds)
    elif length is None:
        seen = count_downloads(started, video, seconds)
    else:
        seen = count_ranges(started, video, length, seconds)
    ended = os.times()
    server, database = (
        cpu_seconds(pid) - then for pid, then in zip(trees, before, strict=True)
    )
    load = sum(ended[:4]) - sum(begun[:4])  # wrk is our child
    known = database if postmaster else None
    return Sample(seen, server, known, load / seen.seconds)


def count_ranges(started: Running, video: Loaded, length: int, seconds: int) -> Seen:
    """Run wrk. Raises Fault when an answer failed, or brought less than asked."""
    url = f"http://127.0.0.1:{started.port}/v3/videos/{video.id}"
    command = f"wrk -t1 -c{CONNECTIONS} -d{seconds}s --timeout={STALL_SECONDS}"
    script = ROOT / "bench/ranges.lua"
    seed = time.time_ns() % 2**31
    done = subprocess.run(
        [*command.split(" "), "-s", f"{script}", url, "--"]
        + [f"{number}" for number in (video.size, length, seed)],
        capture_output=True,
        text=True,
        check=True,
    )
    seen, bad = parse_wrk(done.stdout)
    if bad or seen.bytes < seen.requests * length:
        raise Fault(
            f"{started.contender.name} failed under load: {bad} of {seen.requests}"
            f" answers bad, {seen.bytes} bytes for ranges of {length}."
        )
    return seen


def parse_wrk(text: str) -> tuple[Seen, int]:
    """Return what ranges.lua printed at the end, and the number of bad answers."""
    found = re.search(r"^RESULT (\d+) (\d+) (\d+) (\d+)$", text, re.MULTILINE)
    if found is None:
        raise Fault(f"wrk said something else than expected: {text!r}")
    requests, size, microseconds, bad = map(int, found.groups())
    return Seen(requests, size, microseconds / 1e6), bad


def count_downloads(started: Running, video: Loaded, seconds: float) -> Seen:
    """Download the whole video, over and over until the time is up."""
    begun, requests = time.perf_counter(), 0
    buffer = memoryview(bytearray(RECEIVE_BYTES))
    with socket.create_connection(("127.0.0.1", started.port), STALL_SECONDS) as wire:
        while requests == 0 or time.perf_counter() - begun < seconds:
            download(wire, video, buffer)
            requests += 1
    return Seen(requests, requests * video.size, time.perf_counter() - begun)


def download(wire: socket.socket, video: Loaded, buffer: memoryview) -> None:
    """Receive one whole video and drop it. Raises Fault when it comes short."""
    request = f"GET /v3/videos/{video.id} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    wire.sendall(request.encode())
    head = b""
    while b"\r\n\r\n" not in head:
        piece = wire.recv(4096)
        head += piece or b"\r\n\r\n"
    head, _, body = head.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    left = video.size - len(body)
    if b" 200 " not in head[:14] or length is None or int(length[1]) != video.size:
        raise Fault(f"Video {video.id} came with another head than expected: {head!r}")
    while left:
        received = wire.recv_into(buffer, min(left, len(buffer)))
        if not received:
            raise Fault(f"A download of video {video.id} lacks {left} bytes.")
        left -= received


def count_loop(started: Running, video: Loaded, seconds: float) -> Seen:
    """Have the loop read the whole video until it has read for so long."""
    process, requests, spent = started.process, 0, 0.0
    assert process.stdin is not None
    assert process.stdout is not None
    while spent < seconds:
        print(video.id, file=process.stdin, flush=True)
        size, _, took = process.stdout.readline().partition(" ")
        if size != f"{video.size}":
            raise Fault(f"{started.contender.name} read {size or 'no'} bytes.")
        requests, spent = requests + 1, spent + float(took)
    return Seen(requests, requests * video.size, spent)


def cpu_seconds(pid: int) -> float:
    """Return what a process and all its descendants used; 0 for process 0.

    The ended ones count in the parent that waited for them (proc_pid_stat(5)).
    """
    return sum(map(used_ticks, list_tree(pid))) / TICKS if pid else 0.0


def list_tree(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = tasks.read_text().split()
        except OSError:  # it has just ended
            continue
        for child in children:
            yield from list_tree(int(child))


def used_ticks(pid: int) -> int:
    """Return utime, stime, cutime and cstime together."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # it has just ended
        return 0
    return sum(map(int, text.rpartition(")")[2].split()[11:15]))


def find_postmaster(url: str) -> int:
    """Return PostgreSQL's process, or 0 when it runs elsewhere."""
    with closing(connect(url)) as connection:
        host = connection.info.host or "/"
        backend = Path(f"/proc/{connection.info.backend_pid}/stat")
        if not host.startswith(("/", "localhost", "127.")) or not backend.exists():
            return 0
        name, _, rest = backend.read_text().rpartition(")")
    return int(rest.split()[1]) if "(postgres" in name else 0


def rate(seen: Seen, length: int | None) -> float:
    """Return requests a second, or MiB a second of whole downloads."""
    return (seen.requests if length else seen.bytes / 2**20) / seen.seconds


def summarize(samples: Sequence[Sample], length: int | None) -> Row:
    """Return the medians over the rounds."""
    rates = [rate(sample.seen, length) for sample in samples]
    middle = median(rates)
    database = [
        sample.database * GIB / sample.seen.bytes
        for sample in samples
        if sample.database is not None
    ]
    return Row(
        middle,
        (max(rates) - min(rates)) / 2 / middle,
        median(sample.server * GIB / sample.seen.bytes for sample in samples),
        median(database) if database else None,
        median(sample.load for sample in samples),
    )


def compare(
    ours: Sequence[Sample], theirs: Sequence[Sample], length: int | None
) -> float:
    """Return how many times as fast ours is: the median over pairs of one round."""
    pairs = zip(ours, theirs, strict=True)
    return median(rate(a.seen, length) / rate(b.seen, length) for a, b in pairs)
