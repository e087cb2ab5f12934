"""The pace of players: what they get over time, and who is never held back."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from server.app import build_app
from server.reading.store import CHUNK_BYTES
from server.serving.listen import answering, bind
from server.video.pacing import BURST_SECONDS, Bucket, Pacer
from tests.conftest import execute, insert_video
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import Mapping

RATE = 400_000  # bytes a second of the clip
SECONDS = 60
DATA = random.Random(43).randbytes(RATE * SECONDS)
MULTIPLE = 1.5
PLAYER = {"X-Playback-Session-Id": "7B2F1C64-0B0E-4D4F-9D43-6E1E3F5A90C1"}


def test_player_that_seeks_all_the_time_gets_less_than_twice_what_it_plays() -> None:
    bucket = Bucket(MULTIPLE * RATE, now=0.0)
    now = sent = 0.0
    for seek in range(1, 101):  # every three seconds, with a new answer
        played = 0.0
        began = now
        while now < 3 * seek:
            sent += CHUNK_BYTES
            played += CHUNK_BYTES
            now += max(bucket.take(CHUNK_BYTES, now), 0.001)
            assert played >= RATE * (now - began), "the player stalls"
    assert sent < 2 * RATE * now


def test_session_that_rests_gets_its_burst_again() -> None:
    bucket = Bucket(1000, now=0.0)
    burst = round(1000 * BURST_SECONDS)
    assert bucket.take(burst, 0.0) == 0
    assert bucket.take(500, 0.0) == 0.5
    assert bucket.take(0, 100.0) == 0
    assert bucket.take(burst + 1000, 100.0) == 1.0


AGENT = {"User-Agent": "AppleCoreMedia/1.0.0.22E240 (iPhone; U; CPU OS 18_4)"}


@pytest.mark.parametrize(
    ("whom", "headers", "session"),
    [
        ("session", PLAYER, PLAYER["X-Playback-Session-Id"]),
        ("session", AGENT, None),
        ("session", {}, None),
        ("AppleCoreMedia|ExoPlayer", AGENT, "client"),
        ("AppleCoreMedia", AGENT | PLAYER, PLAYER["X-Playback-Session-Id"]),
        ("AppleCoreMedia", PLAYER, None),
        ("session", PLAYER | {"CF-Ray": "8f-FRA"}, None),
        ("session", PLAYER | {"Via": "1.1 varnish"}, None),
        ("session", PLAYER | {"X-Forwarded-For": "203.0.113.7"}, None),
        ("AppleCoreMedia", AGENT | {"CDN-Loop": "cloudflare"}, None),
    ],
)
def test_players_are_paced_and_edges_never(
    whom: str, headers: Mapping[str, str], session: str | None
) -> None:
    pacer = Pacer(MULTIPLE, whom)
    assert pacer.name_session(CIMultiDict(headers), "client") == session
    assert Pacer(0, whom).name_session(CIMultiDict(headers), "client") is None


def take_for(port: int, number: int, first: int, seconds: float) -> int:
    """Return the bytes that come in a while from a place on, as a seek ends it."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        until = time.monotonic() + seconds
        lines = [f"GET /v3/videos/{number} HTTP/1.1", "Host: a"]
        lines += [f"{name}: {value}" for name, value in PLAYER.items()]
        lines += [f"Range: bytes={first}-", "", ""]
        client.sendall("\r\n".join(lines).encode())
        received = 0
        while (left := until - time.monotonic()) > 0:
            client.settimeout(left)
            with suppress(TimeoutError):
                received += len(client.recv(1 << 20))
        return received


async def test_paced_answers_keep_to_the_pace_over_all_seeks(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA)
    execute(database_url, f"UPDATE videos SET duration_seconds = {SECONDS}")
    app = build_app(database_url, cache_bytes=0, pacer=Pacer(MULTIPLE))
    with bind("127.0.0.1", 0) as listening:
        async with answering(app, listening):
            port = listening.getsockname()[1]
            loop = asyncio.get_running_loop()
            began, seeks, received = loop.time(), 4, 0
            for seek in range(seeks):
                received += await asyncio.to_thread(
                    take_for, port, number, seek * 2_000_000, 0.5
                )
            seconds = loop.time() - began
            most = MULTIPLE * RATE * (BURST_SECONDS + seconds)
            assert MULTIPLE * RATE < received < most + seeks * CHUNK_BYTES * 2
            async with connect(port) as wire:  # an edge
                edge = {**PLAYER, "CDN-Loop": "cloudflare"}
                _, body = await wire.get(f"/v3/videos/{number}", edge)
            assert body == DATA
            assert loop.time() - began - seconds < SECONDS / MULTIPLE - BURST_SECONDS


async def test_clip_of_unknown_length_is_not_held_back(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", DATA[:5_000_000])
    app = build_app(database_url, cache_bytes=0, pacer=Pacer(MULTIPLE))
    with bind("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        async with answering(app, listening), connect(port) as wire:
            _, body = await wire.get(f"/v3/videos/{number}", PLAYER)
    assert body == DATA[:5_000_000]
