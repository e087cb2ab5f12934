"""What every route shares: errors of one shape, health, the database going away."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from server.app import build_app
from server.serving.listen import answering, bind
from tests.breakable import breakable
from tests.conftest import execute, insert_video
from tests.wire import Wire, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from tests.conftest import Served

DATA = random.Random(9).randbytes(8 << 20)


@asynccontextmanager
async def serving(url: str, *, cache_bytes: int = 64_000_000) -> AsyncIterator[int]:
    with bind("127.0.0.1", 0) as listening:
        async with answering(build_app(url, cache_bytes=cache_bytes), listening):
            yield listening.getsockname()[1]


async def expect_error(wire: Wire, target: str, status: int) -> dict[str, str]:
    """Return the headers of an error after a look at its shape."""
    head, body = await wire.get(target)
    assert head.status == status
    assert head.headers["cache-control"] == "no-store"
    assert head.headers["content-type"] == "application/json; charset=utf-8"
    assert list(json.loads(body)) == ["error"]
    return head.headers


async def test_errors_have_one_shape(served: Served) -> None:
    async with connect(served.port) as wire:
        await expect_error(wire, "/nowhere", 404)
        await expect_error(wire, "/v3/videos/99", 404)
        head = await wire.ask("POST", "/healthz")
        assert (head.status, head.headers["allow"]) == (405, "GET,HEAD")


async def test_health_and_readiness_are_told(served: Served) -> None:
    async with connect(served.port) as wire:
        for target, status in (("/healthz", "alive"), ("/readyz", "ready")):
            head, body = await wire.get(target)
            assert (head.status, json.loads(body)) == (200, {"status": status})
            assert head.headers["cache-control"] == "no-store"


async def test_database_without_videos_is_not_ready(empty_url: str) -> None:
    async with serving(empty_url) as port, connect(port) as wire:
        await expect_error(wire, "/readyz", 503)
        head, _ = await wire.get("/healthz")
        assert head.status == 200


async def test_view_that_fails_is_a_503_without_details(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    execute(
        served.database_url,
        "ALTER TABLE videos RENAME TO kept; CREATE VIEW videos AS SELECT id, filename,"
        " mime_type, substr(video_data, 1 / (id - 1)) AS video_data, created_at"
        " FROM kept",
    )
    insert = "INSERT INTO kept (filename, video_data) VALUES ('a', 'b')"
    execute(served.database_url, insert)
    async with connect(served.port) as wire:
        await expect_error(wire, "/v3/videos/1", 503)
        _head, body = await wire.get("/v3/videos/1")
        assert b"zero" not in body
    [line] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "division by zero" in line.getMessage()
    assert "Traceback" not in caplog.text


async def test_database_away_is_a_503_until_it_is_back(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    target = f"/v3/videos/{number}"
    async with (
        breakable(database_url) as proxy,
        serving(proxy.url, cache_bytes=0) as port,
        connect(port) as wire,
    ):
        head, body = await wire.get(target)
        assert (head.status, body) == (200, DATA)
        proxy.stall()
        proxy.cut()
        headers = await expect_error(wire, target, 503)
        assert int(headers["retry-after"]) > 0
        await expect_error(wire, "/readyz", 503)
        proxy.resume()
        for _ in range(100):
            head, body = await wire.get(target)
            if head.status == 200:
                break
            await asyncio.sleep(0.1)
        assert body == DATA


async def test_database_lost_in_the_middle_ends_the_connection(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    async with (
        breakable(database_url) as proxy,
        serving(proxy.url, cache_bytes=0) as port,
        connect(port) as wire,
    ):

        def lose() -> None:
            proxy.stall()
            proxy.cut()

        proxy.limit, proxy.after_limit = 2 << 20, lose
        head = await wire.ask("GET", f"/v3/videos/{number}")
        assert (head.status, head.length) == (200, len(DATA))
        body = await wire.rest()
        assert 0 < len(body) < len(DATA)
        assert DATA.startswith(body)
    assert "GET /v3/videos/{id} fails: The database is away" in caplog.text


PATHS = ["/v3/videos/{id}", "/v3/videos/{id}.mp4", "/v3/videos/{id}?viewer=x"]
NAMES = ["Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since"]
NAMES += ["If-Unmodified-Since", "Accept-Encoding", "Expect", "Connection"]


def make_request(dice: random.Random, number: int) -> bytes:
    """Return a request that may be right, odd or hostile."""

    def position() -> str:
        return dice.choice(["", str(dice.randrange(300)), "9" * dice.randrange(1, 60)])

    def value() -> str:
        ranges = ",".join(
            f"{position()}-{position()}" for _ in range(dice.randrange(6))
        )
        return dice.choice(
            [
                f"bytes={ranges}",
                f"bytes={ranges}",
                f'"video-{number}"',
                f'W/"video-{number}", "x',
                "Sun, 06 Nov 1994 08:49:37 GMT",
                "*",
                "",
                "100-continue",
                "keep-alive",
                "".join(
                    chr(dice.randrange(32, 256)) for _ in range(dice.randrange(50))
                ),
            ]
        )

    method = dice.choice(["GET"] * 6 + ["HEAD", "OPTIONS", "POST", "BREW", "get"])
    path = dice.choice(
        [p.format(id=number) for p in PATHS] * 4
        + ["/", "/../etc/passwd", "/v3/videos/%00", "/v3/videos/" + "1" * 400, "*"]
    )
    lines = [f"{method} {path} HTTP/1.1", "Host: a", "Connection: close"]
    lines += [f"{dice.choice(NAMES)}: {value()}" for _ in range(dice.randrange(4))]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def test_random_requests_do_no_harm(served: Served) -> None:
    data = DATA[:200]
    number = insert_video(served.database_url, "a.mp4", data)
    dice = random.Random(10)
    for _ in range(1000):
        request = make_request(dice, number)
        async with connect(served.port) as wire:
            await wire.send(request)
            answer = await wire.rest()
        head, _, body = answer.partition(b"\r\n\r\n")
        unknown = request.startswith((b"BREW", b"get"))
        assert head[9:12] < b"500" or (head[9:12] == b"501" and unknown), request
        if head[9:12] == b"206" and b"Content-Range: bytes " in head:
            _, _, where = head.partition(b"Content-Range: bytes ")
            first, last = where.split(b"/")[0].split(b"-")
            if not request.startswith(b"HEAD"):
                assert body == data[int(first) : int(last) + 1], request
    assert served.store.database.counts.in_use == 0
