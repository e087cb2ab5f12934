"""The simulated edges beside real nginx caches, asked the same in the same order.

nginx looks every ten seconds only whether its cache has grown too large: nothing for a
real one, but an age for these small ones. So they are made to look after each view.
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.options import tell
from bench.plan.simulate import (
    Audience,
    Day,
    Edge,
    View,
    list_slices,
    list_views,
    run_day,
)
from bench.results import MIB
from bench.stand.contenders import CONTENDERS, find_missing, running
from bench.stand.edge import running_edge
from bench.stand.paths import Stand
from bench.stand.videos import load_videos
from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.stand.contenders import Contender
    from bench.stand.edge import Edge as RealEdge
    from bench.stand.videos import Loaded

EDGES = 2
EDGE_MB = 24  # of each cache: a quarter of the library
SIZES = MIB // 2, 7 * MIB // 2  # of clips: from, to
AUDIENCE = Audience(40, 48, EDGES, 10, 2 * MIB, EDGE_MB * MIB, 0.9, 1, 0)
ANSWER_SECONDS = 60
VIEWS_A_SECOND = 15  # about
SHRINK_SECONDS = 2


class Compared(NamedTuple):
    """The same day twice."""

    views: int
    thought: Day
    seen: int  # requests that reached the real origin


def rehearse(seed: int) -> Compared:
    """Have nginx and the simulation see the same views. Raises Fault without nginx."""
    if missing := find_missing(find_counted()):
        raise Fault(f"plan --check needs a real edge: {missing}")
    sizes = list_sizes(seed, AUDIENCE.clips)
    views = list(list_views(AUDIENCE, random.Random(seed)))
    size = sum(sizes) / MIB
    tell(
        f"{len(views)} views of {len(sizes)} clips ({size:.0f} MiB) through {EDGES}"
        f" nginx caches of {EDGE_MB} MB each: about {len(views) / VIEWS_A_SECOND:.0f} s"
    )
    edges = [Edge(EDGE_MB * MIB) for _ in range(EDGES)]
    thought = run_day(edges, views, list(map(list_slices, sizes)))
    return Compared(len(views), thought, ask_nginx(views, sizes, seed))


def list_sizes(seed: int, clips: int) -> list[int]:
    """Return the bytes of each clip."""
    source = random.Random(seed)
    return [source.randint(*SIZES) for _ in range(clips)]


def find_counted() -> Contender:
    """Return the origin that counts its requests, without an edge of its own."""
    (edge,) = (one for one in CONTENDERS if one.name == "edge")
    return edge._replace(edge=False)


def ask_nginx(views: Sequence[View], sizes: Sequence[int], seed: int) -> int:
    """Return how many requests reach the origin through real edges."""
    with ExitStack() as stack:
        stand = Stand(stack, seed, tell)
        folder, url = stand.folder, stand.url
        videos = load_videos(url, folder, sizes, seed)
        started = stack.enter_context(running(find_counted(), folder, url))
        counter = folder / f"{started.contender.name}-{started.port}.count"
        origin = started._replace(counter=counter)
        edges = [
            stack.enter_context(
                running_edge(folder / f"edge-{n}", origin.port, EDGE_MB)
            )
            for n in range(EDGES)
        ]
        for view in views:
            watch(edges[view.edge], videos[view.clip])
            shrink(edges[view.edge])
        return origin.count_origin() or 0


def watch(edge: RealEdge, video: Loaded) -> None:
    """Download a clip. Raises Fault when other bytes come than were loaded."""
    with closing(HTTPConnection("127.0.0.1", edge.port, ANSWER_SECONDS)) as asked:
        asked.request("GET", f"/v3/videos/{video.id}")
        if asked.getresponse().read() != video.path.read_bytes():
            raise Fault(f"the edge sends wrong bytes of video {video.id}: see its log")


def shrink(edge: RealEdge) -> None:
    """Have nginx drop what is too much: its cache manager looks when it begins."""
    until = time.monotonic() + SHRINK_SECONDS
    if find_used(edge) < EDGE_MB * MIB:
        return
    for pid in list_managers(edge.process.pid):
        os.kill(pid, signal.SIGTERM)  # nginx starts another one
    while find_used(edge) >= EDGE_MB * MIB and time.monotonic() < until:
        time.sleep(0.005)


def list_managers(nginx: int) -> Iterator[int]:
    """Yield the cache manager among an nginx's processes."""
    children = Path(f"/proc/{nginx}/task/{nginx}/children").read_text()
    for pid in map(int, children.split()):
        with suppress(OSError):  # it has just ended
            if b"cache manager" in Path(f"/proc/{pid}/cmdline").read_bytes():
                yield pid


def find_used(edge: RealEdge) -> int:
    """Return the bytes of disk that the cache takes."""
    files = (path for path in (edge.folder / "cache").rglob("*") if path.is_file())
    return sum(path.stat().st_blocks * 512 for path in files)


def render_compared(one: Compared) -> str:
    """Return a sentence."""
    asked, misses = one.thought.asked, one.thought.origin_requests
    real, thought = 1 - one.seen / asked, one.thought.hit_ratio
    return (
        f"{one.views} views, {asked:,} slices. To the origin: {one.seen:,} by nginx,"
        f" {misses:,} by the simulation, {misses / one.seen - 1:+.1%}. Hit ratio:"
        f" {real:.1%} by nginx, {thought:.1%} by the simulation,"
        f" {100 * (thought - real):+.1f} points."
    )
