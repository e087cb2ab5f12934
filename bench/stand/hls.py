"""A clip that HLS plays, and the files that the server makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.load.job import Asset
from server.demo.samples import make_clip
from server.hls.index import find_index
from server.hls.layout import plan_layout
from server.hls.playlists import render_media
from server.library.imports.files import import_paths

if TYPE_CHECKING:
    from pathlib import Path

    from server.hls.layout import Layout

HLS = ("segments", "playlists")
"""Names of libraries: the virtual file of the clip, and its media playlist."""

SECONDS = 20
BIT_RATE = 1_000_000


def load_hls(url: str, folder: Path, library: str) -> list[Asset]:
    """Put a clip into the table; return what can be asked for, one of HLS."""
    clip = folder / f"{library}-clip.mp4"
    make_clip(clip, seconds=SECONDS, width=320, height=180, fps=10, bit_rate=BIT_RATE)
    (row,) = import_paths(url, [clip])
    data, made = clip.read_bytes(), folder / library
    layout = read_layout(data)
    if library == "playlists":
        body = render_media(layout, "hls1.mp4").encode()
        name, tag = "hls1.m3u8", ""
    else:
        body = join(data, layout)
        name, tag = "hls1.mp4", f'"video-{row.video_id}-hls1"'
    made.write_bytes(body)
    return [Asset(f"/v3/videos/{row.video_id}/{name}", len(body), f"{made}", tag)]


def read_layout(data: bytes) -> Layout:
    """Return the layout of a file."""
    finder = find_index(len(data))
    try:
        span = next(finder)
        while True:
            span = finder.send(data[span.start : span.stop])
    except StopIteration as found:
        index: range = found.value
    return plan_layout(data[index.start : index.stop], len(data))


def join(data: bytes, layout: Layout) -> bytes:
    """Return the virtual file."""
    return b"".join(
        piece if isinstance(piece, bytes) else data[piece.start : piece.stop]
        for piece in layout.iter_pieces(0, layout.size - 1)
    )
