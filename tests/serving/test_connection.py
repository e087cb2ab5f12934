"""A connection without the private names of aiohttp, and in the demo."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import aiohttp

from server.app import build_app
from server.serving import aiohttp_private, connection
from server.serving.listen import answering, bind
from server.video.watch import Watch
from tests.conftest import insert_video, serve_database
from tests.wire import connect

if TYPE_CHECKING:
    import pytest

DATA = bytes(range(256)) * 1000
ASKED = {"Range": "bytes=300-399"}


def count_taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list that grows with each request: was it taken from aiohttp?"""
    seen: list[bool] = []
    original = connection.Connection._take

    def take(self: connection.Connection, data: bytes) -> bool:
        seen.append(original(self, data))
        return seen[-1]

    monkeypatch.setattr(connection.Connection, "_take", take)
    return seen


async def test_aiohttp_that_lacks_a_name_answers_all_the_same(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert aiohttp_private.MISSING == []
    missing = aiohttp_private.find_missing(("_waiter", "_gone"))
    assert missing == ["_gone"]
    monkeypatch.setattr(aiohttp_private, "MISSING", missing)
    taken = count_taken(monkeypatch)
    number = insert_video(database_url, "a.mp4", DATA)
    with caplog.at_level(logging.WARNING):
        async with (
            serve_database(database_url, cache_bytes=1_000_000) as served,
            connect(served.port) as wire,
        ):
            for _ in range(3):
                head, body = await wire.get(f"/v3/videos/{number}", ASKED)
                assert (head.status, body) == (206, DATA[300:400])
    assert taken == [False] * 3
    (record,) = caplog.records
    assert record.getMessage() == (
        f"aiohttp {aiohttp.__version__} lacks _gone, so short answers take longer: "
        "install the version that bytereel asks for"
    )


async def test_demo_takes_the_short_way_but_for_who_looks_on(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = count_taken(monkeypatch)
    watch = Watch()
    app = build_app(database_url, watch=watch)
    target = f"/v3/videos/{insert_video(database_url, 'a.mp4', DATA)}.mp4"
    news = watch.subscribe("somebody")
    assert news is not None
    with bind("127.0.0.1", 0) as listening:
        async with (
            answering(app, listening),
            connect(listening.getsockname()[1]) as wire,
        ):
            for query in ("", "", "?viewer=somebody"):
                head, body = await wire.get(target + query, ASKED)
                assert (head.status, body) == (206, DATA[300:400])
            *_, last = await news.take()
    assert taken == [False, True, False]
    assert (last.start, last.stop, last.state) == (300, 400, "complete")
