"""What is kept of videos: shared while it is made, bounded in bytes, read once."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import pytest

from server.app import build_app
from server.demo.samples import make_clip
from server.hls import layouts as module
from server.hls.files import Files
from server.hls.layout import Unfit
from server.hls.layouts import BUSY, LAYOUTS, Layouts
from server.hls.playlists import Variant
from server.postgres.budget import begin_budget
from server.postgres.pool import StatementTimeout
from server.reading.store import VideoChanged
from server.serving.listen import answering, bind
from tests.conftest import execute, insert_video
from tests.waiting import until
from tests.wire import connect

if TYPE_CHECKING:
    from pathlib import Path

    from server.model import Video
    from tests.conftest import Served
    from tests.wire import Head

pytestmark = pytest.mark.long


@pytest.fixture
def clip(tmp_path: Path) -> bytes:
    make_clip(tmp_path / "clip.mp4", seconds=4, faststart=True, bit_rate=500_000)
    return (tmp_path / "clip.mp4").read_bytes()


async def find(served: Served, number: int) -> Video:
    video, _ = await served.store.find(number, 0, 0)
    assert video is not None
    return video


@pytest.mark.parametrize("short_bytes", [32 * 1024, 0], ids=["here", "in a thread"])
async def test_all_who_ask_share_one(
    served: Served, clip: bytes, short_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHORT_BYTES", short_bytes)
    video = await find(served, insert_video(served.database_url, "a.mp4", clip))
    layouts = Layouts()
    assert layouts.recall(video) is None
    all_made = await asyncio.gather(
        *(layouts.find(served.store, video) for _ in range(20))
    )
    assert layouts.made == 1
    assert all(made is layouts.recall(video) for made in all_made)
    before = served.store.reader.bytes_read
    assert await layouts.find(served.store, video) is all_made[0]
    assert served.store.reader.bytes_read == before
    await layouts.close()


async def test_least_used_leave_when_there_are_too_many(
    served: Served, clip: bytes
) -> None:
    videos = [
        await find(served, insert_video(served.database_url, f"{n}.mp4", clip))
        for n in range(4)
    ]
    probe = Layouts()
    made = await probe.find(served.store, videos[0])
    assert isinstance(made, Files)
    assert probe.held_bytes == made.weight > len(made.media.plain.body)
    layouts = Layouts(made.weight * 3)
    for video in videos[:3]:
        await layouts.find(served.store, video)
    layouts.recall(videos[0])
    await layouts.find(served.store, videos[3])
    kept = [layouts.recall(video) is not None for video in videos]
    assert kept == [True, False, True, True]
    assert (layouts.evictions, layouts.held_bytes) == (1, made.weight * 3)


async def test_one_that_is_too_large_is_kept_alone(served: Served, clip: bytes) -> None:
    layouts = Layouts(1)
    for name in ("a.mp4", "b.mp4"):
        number = insert_video(served.database_url, name, clip)
        video = await find(served, number)
        await layouts.find(served.store, video)
        assert layouts.recall(video) is not None
    assert layouts.evictions == 1


async def test_what_masters_tell_outlives_the_files(
    served: Served, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "VARIANTS", 2)
    videos = [
        await find(served, insert_video(served.database_url, f"{n}.mp4", data))
        for n, data in enumerate((clip, b"no video" * 20, clip))
    ]
    layouts = Layouts(1)  # of which it keeps one
    first, unfit = [await layouts.describe(served.store, each) for each in videos[:2]]
    assert isinstance(first, Variant)
    assert isinstance(unfit, Unfit)
    assert layouts.recall(videos[0]) is None
    assert await layouts.describe(served.store, videos[0]) is first
    assert layouts.made == 2
    await layouts.describe(served.store, videos[2])  # in place of the first
    await layouts.describe(served.store, videos[0])
    assert layouts.made == 4


async def test_unfit_video_is_remembered(served: Served) -> None:
    number = insert_video(served.database_url, "a.mp4", b"no video" * 20)
    video = await find(served, number)
    layouts = Layouts()
    made = await layouts.find(served.store, video)
    assert isinstance(made, Unfit)
    assert made.__traceback__ is None
    assert await layouts.find(served.store, video) is made
    assert layouts.made == 1


async def test_changed_video_is_made_anew(served: Served, clip: bytes) -> None:
    number = insert_video(served.database_url, "a.mp4", clip)
    video = await find(served, number)
    layouts = Layouts()
    execute(served.database_url, f"DELETE FROM videos WHERE id = {number}")
    with pytest.raises(VideoChanged):
        await layouts.find(served.store, video)
    assert layouts.recall(video) is None
    with pytest.raises(VideoChanged):  # it is tried again
        await layouts.find(served.store, video)


async def test_what_is_being_made_ends_with_the_server(
    served: Served, clip: bytes
) -> None:
    video = await find(served, insert_video(served.database_url, "a.mp4", clip))
    layouts = Layouts()
    waiting = asyncio.create_task(layouts.find(served.store, video))
    await asyncio.sleep(0)
    await layouts.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_making_that_takes_long_is_told(
    database_url: str, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHORT_BYTES", 0)
    path = f"/v3/videos/{insert_video(database_url, 'a.mp4', clip)}"
    app, busy = build_app(database_url, answer_seconds=2.0), threading.Event()

    async def ask(name: str) -> tuple[Head, bytes]:
        async with connect(listening.getsockname()[1]) as wire:
            return await wire.get(f"{path}{name}")

    with bind("127.0.0.1", 0) as listening:
        async with answering(app, listening):
            assert (await ask(""))[0].status == 200
            app[LAYOUTS]._thread.submit(busy.wait)
            try:
                names = ("/hls1.m3u8", "/hls1.mp4", "/master.m3u8")
                answers = await asyncio.gather(*map(ask, names))
            finally:
                busy.set()
            for head, body in answers:
                assert (head.status, json.loads(body)["error"]) == (503, BUSY)
                assert head.headers["retry-after"] == "1"
            await until(lambda: app[LAYOUTS].made)
            assert [(await ask(name))[0].status for name in names] == [200] * 3


async def test_database_that_is_slow_is_no_making(served: Served, clip: bytes) -> None:
    video = await find(served, insert_video(served.database_url, "a.mp4", clip))
    layouts = Layouts()
    with closing(psycopg2.connect(served.database_url)) as other:
        other.cursor().execute("LOCK videos IN ACCESS EXCLUSIVE MODE")
        begin_budget(0.3)
        with pytest.raises(StatementTimeout):
            await layouts.find(served.store, video)
    await layouts.close()
