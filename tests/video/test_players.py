"""Players that seek by themselves: FFmpeg's libraries over HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import av
import pytest

from server.demo.samples import make_clip
from server.library.imports.files import import_paths

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Served


@pytest.mark.long
@pytest.mark.parametrize("faststart", [True, False], ids=["faststart", "moov at end"])
async def test_ffmpeg_seeks_over_http(
    served: Served, tmp_path: Path, faststart: bool
) -> None:
    path = tmp_path / "clip.mp4"
    make_clip(path, seconds=8, faststart=faststart, bit_rate=2_000_000)
    (row,) = import_paths(served.database_url, [path])
    assert row.status == "imported"

    def decode() -> list[float]:
        url = f"http://127.0.0.1:{served.port}/v3/videos/{row.video_id}.mp4"
        with av.open(url, options={"seekable": "1"}) as container:
            stream = container.streams.video[0]
            seen = []
            for second in (6, 1, 4):
                assert stream.time_base is not None
                container.seek(int(second / stream.time_base), stream=stream)
                frame = next(container.decode(stream))
                assert frame.time is not None
                seen.append(frame.time)
            return seen

    seen = await asyncio.to_thread(decode)
    for wanted, got in zip((6, 1, 4), seen, strict=True):
        assert wanted - 2.1 <= got <= wanted  # the key frame before
