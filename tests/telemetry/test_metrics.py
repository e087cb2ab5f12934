"""The scrape against the load that was sent, to the request."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import socket
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.app import build_app
from server.routes import ROUTES
from server.serving.connection import Connection
from server.serving.listen import answering, bind
from server.telemetry.exposition import SCRAPES
from server.telemetry.metrics import BOUNDS, VIDEO, Metrics
from server.telemetry.publishing import list_labels
from tests.command import serving
from tests.conftest import insert_video
from tests.wire import connect

if TYPE_CHECKING:
    from tests.conftest import Served

SIZE = 2 << 20
DATA = random.Random(41).randbytes(SIZE)

Samples = dict[tuple[str, ...], float]


def read_samples(text: str) -> Samples:
    """Return {(name, label values in the order of their names…): value}."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scrape(port: int) -> Samples:
    async with connect(port) as wire:
        head, body = await wire.get("/metrics")
    assert head.status == 200
    return read_samples(body.decode())


ASKED = [
    ({"Range": "bytes=0-99"}, "closed", 100),
    ({"Range": f"bytes={SIZE - 1000}-"}, "open", 1000),
    ({"Range": "bytes=-500"}, "suffix", 500),
    ({"Range": "bytes=0-9,100-199,5000-5999"}, "several", None),
    ({"Range": f"bytes={SIZE}-"}, "unsatisfiable", None),
    ({"Range": "pages=1-2"}, "ignored", SIZE),
    ({}, "whole", SIZE),
    ({"If-None-Match": "*"}, "none", 0),
]


async def test_scrape_is_the_load_that_was_sent(
    served: Served, uncached: Served
) -> None:
    number = insert_video(served.database_url, "a.mp4", DATA)
    times = 3
    for server in (served, uncached):
        sent = 0
        async with connect(server.port) as wire:
            for headers, _, length in ASKED * times:
                _, body = await wire.get(f"/v3/videos/{number}", headers)
                assert length is None or len(body) == length
                sent += len(body)
            await wire.get("/v3/videos/999")
            await wire.ask("HEAD", f"/v3/videos/{number}.mp4")
            await wire.get("/healthz")
            await wire.get("/nowhere")
        seen = await scrape(server.port)
        for _, kind, _ in ASKED:
            expected = times + (kind == "none")  # the 404
            assert seen["bytereel_ranges_total", kind] == expected, kind
        assert seen["bytereel_requests_total", VIDEO, "2xx"] == 6 * times + 1
        assert seen["bytereel_requests_total", VIDEO, "3xx"] == times
        assert seen["bytereel_requests_total", VIDEO, "4xx"] == times + 1
        assert seen["bytereel_requests_total", "/healthz", "2xx"] == 1
        assert seen["bytereel_requests_total", "other", "4xx"] == 1
        not_found = len(b'{"error": "Video not found"}')
        assert seen["bytereel_sent_bytes_total", VIDEO] == sent + not_found
        assert seen["bytereel_request_seconds_count", VIDEO] == 8 * times + 2
        assert (
            seen["bytereel_first_byte_seconds_bucket", "+Inf", VIDEO] == 8 * times + 2
        )
        assert seen["bytereel_request_seconds_sum", VIDEO] > 0
        assert seen[("bytereel_videos",)] == 1
        assert seen[("bytereel_video_bytes",)] == SIZE
        assert seen[("bytereel_table_bytes",)] > SIZE
        assert seen["bytereel_query_seconds_count", "read_videos"] >= 1
        assert seen[("bytereel_workers",)] == 1
        held = server.store.cache.held_bytes
        assert seen[("bytereel_cache_bytes",)] == held


@pytest.mark.long
async def test_answers_that_are_left_are_counted(
    uncached: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(self: Connection, transport: asyncio.BaseTransport) -> None:
        # Otherwise the kernel takes a short answer whole, whoever leaves it.
        wire = transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        original(self, transport)

    original = Connection.connection_made
    monkeypatch.setattr(Connection, "connection_made", make)
    number = insert_video(uncached.database_url, "a.mp4", DATA * 8)
    for span in ("", "Range: bytes=0-300000\r\n"):
        for _ in range(3):
            client = socket.create_connection(("127.0.0.1", uncached.port))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            asked = f"GET /v3/videos/{number} HTTP/1.1\r\nHost: a\r\n{span}\r\n"
            await asyncio.to_thread(client.sendall, asked.encode())
            await asyncio.to_thread(client.recv, 1000)
            await asyncio.sleep(0.05)
            client.close()
    for _ in range(100):
        seen = await scrape(uncached.port)
        if seen.get(("bytereel_aborted_total", VIDEO)) == 6:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(seen)


@pytest.mark.long
def test_scrape_of_any_worker_tells_of_all(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    with serving(database_url, "--workers", "2") as server:
        for _ in range(40):  # a connection each, which the kernel spreads
            request = Request(
                f"{server.address}v3/videos/{number}",
                headers={"Range": "bytes=0-9"},
            )
            with urlopen(request) as answer:
                assert answer.read() == DATA[:10]
        for _ in range(4):
            with urlopen(f"{server.address}metrics") as answer:
                seen = read_samples(answer.read().decode())
            assert seen["bytereel_requests_total", VIDEO, "2xx"] == 40
            assert seen["bytereel_ranges_total", "closed"] == 40
            assert seen[("bytereel_workers",)] == 2


def test_numbers_outlive_their_process() -> None:
    metrics = Metrics(["/a"], ["one"], processes=2)
    metrics.claim()
    metrics.note_short(206, 10, "bytes=0-9", 0.001)
    metrics.publish({"cache_hits": 5}, {"cache_bytes": 7}, {"one": (2, 30)})
    metrics.publish({"cache_hits": 6}, {"cache_bytes": 8}, {"one": (3, 40)})
    totals = metrics.read()
    assert totals["ranges", "closed"] == 1
    assert totals["counters", "cache_hits"] == 6
    assert totals["gauges", "cache_bytes"] == 8
    assert totals["queries", "one", "times"] == 3
    assert totals["queries", "one", "microseconds"] == 40


def test_numbers_of_several_processes_need_no_file() -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        metrics = Metrics(["/a"], processes=2)
        assert [count_in_fork(metrics) for _ in range(3)] == [0, 0, 0]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert metrics.read()["ranges", "closed"] == 3


def count_in_fork(metrics: Metrics) -> int:
    """Count an answer in a process of its own; return how that ended."""
    if (pid := os.fork()) == 0:
        status = 1
        try:
            metrics.claim()
            metrics.note_short(206, 10, "bytes=0-9", 0.001)
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1]


@pytest.mark.parametrize("routes", [[VIDEO, "/a"], ["/a", VIDEO], ["/a"]])
def test_short_answers_count_for_videos_wherever_these_stand(routes: list[str]) -> None:
    metrics = Metrics(routes)
    before = metrics.read()
    metrics.note(VIDEO, 206, 5, (0.2, 0.4))
    metrics.note("/a", 503, 7, (0.2, 0.4))
    for _ in range(3):
        metrics.note_short(206, 10, "bytes=0-9", 0.001)
    grown = metrics.read().since(before)
    assert grown["requests", VIDEO, "2xx"] == 4
    assert grown["requests", "/a", "5xx"] == grown["counters", "unavailable"] == 1
    assert (grown["sent_bytes", VIDEO], grown["sent_bytes", "/a"]) == (35, 7)
    for name, slow in (("first_byte", 0.2), ("duration", 0.4)):
        counts, microseconds = grown.histogram(name, VIDEO)
        assert len(counts) == len(BOUNDS) + 1
        assert counts[BOUNDS.index(0.001)] == 3
        assert sum(counts) == 4
        assert microseconds == 3000 + slow * 1e6


def test_the_route_of_videos_is_one_of_the_routes() -> None:
    assert VIDEO in list_labels(ROUTES)


@pytest.mark.parametrize("accept", ["application/openmetrics-text", "text/plain"])
async def test_format_is_the_one_asked_for(served: Served, accept: str) -> None:
    async with connect(served.port) as wire:
        head, body = await wire.get("/metrics", {"Accept": accept})
    assert head.headers["content-type"].startswith(accept)
    assert body.endswith(b"# EOF\n") == (accept != "text/plain")


async def test_who_asks_meanwhile_shares_one_answer(database_url: str) -> None:
    made: list[object] = []

    def encode(registry: object) -> bytes:
        made.append(registry)
        return str(len(made)).encode()

    app = build_app(database_url)
    with bind("127.0.0.1", 0) as listening:
        async with answering(app, listening):
            for number in (b"1", b"2"):
                asked = [app[SCRAPES].ask(app, encode, "text") for _ in range(9)]
                assert await asyncio.gather(*asked) == [number] * 9
