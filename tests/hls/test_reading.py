"""Of a row, HLS reads the index once, and then the bytes that are sent."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from server.demo.samples import make_clip
from server.hls.reading import read_index
from tests.conftest import insert_video, serve_database
from tests.hls.virtual import find_moov, plan
from tests.wire import connect

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Served

pytestmark = pytest.mark.long

HEAD_BYTES = 16  # that are read of each box on the way to the index
CHUNKS_BYTES = 3 * 65_536  # that may be read beside what is needed


@pytest.fixture(scope="module", params=[True, False], ids=["start", "end"])
def clip(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> bytes:
    """Return a clip of five segments; its index is where the id says."""
    path: Path = tmp_path_factory.mktemp("hls") / "clip.mp4"
    make_clip(path, seconds=10, faststart=request.param, bit_rate=1_500_000)
    return path.read_bytes()


@pytest.mark.parametrize("cache_bytes", [16_000_000, 0])
async def test_index_is_that_of_the_file(
    database_url: str, clip: bytes, cache_bytes: int
) -> None:
    async with serve_database(database_url, cache_bytes=cache_bytes) as served:
        number = insert_video(database_url, "a.mp4", clip)
        video, _ = await served.store.find(number, 0, 0)
        assert video is not None
        assert await read_index(served.store, video) == find_moov(clip)


async def test_nothing_is_read_that_is_not_needed(
    uncached: Served, clip: bytes
) -> None:
    layout, reader = plan(clip), uncached.store.reader
    number = insert_video(uncached.database_url, "a.mp4", clip)
    async with connect(uncached.port) as wire:
        head, _ = await wire.get(f"/v3/videos/{number}/hls1.m3u8")
        assert head.status == 200
        assert reader.bytes_read <= len(find_moov(clip)) + 5 * HEAD_BYTES
        for first, after in pairwise(layout.starts):
            before = reader.bytes_read
            asked = {"Range": f"bytes={first}-{after - 1}"}
            head, _ = await wire.get(f"/v3/videos/{number}/hls1.mp4", asked)
            assert head.status == 206
            pieces = layout.pieces(first, after - 1)
            spans = [len(piece) for piece in pieces if isinstance(piece, range)]
            assert reader.bytes_read - before == sum(spans)


async def test_first_segment_reads_little_of_the_file(
    served: Served, clip: bytes
) -> None:
    layout, reader = plan(clip), served.store.reader
    number = insert_video(served.database_url, "a.mp4", clip)
    async with connect(served.port) as wire:
        await wire.get(f"/v3/videos/{number}/hls1.m3u8")
        asked = {"Range": f"bytes=0-{layout.starts[1] - 1}"}
        await wire.get(f"/v3/videos/{number}/hls1.mp4", asked)
    needed = len(find_moov(clip)) + layout.starts[1]
    assert reader.bytes_read < needed + CHUNKS_BYTES < len(clip)
