"""Playlists of a part: slices of the whole one, compressed once and only if asked."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

import pytest

from server.hls.cuts import LONG_BYTES, Cuts, cut_playlist
from server.hls.files import MEDIA_FILE, Playlist, build_playlist
from server.hls.playlists import render_iframes, render_media
from server.model import Video
from tests.hls.test_playlists import parse
from tests.hls.virtual import plan
from tests.hls.written import WRITTEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.hls.layout import Layout

VIDEO = Video(7, "a.mp4", "video/mp4", 1_000_000, 1_700_000_000)
PACKED = {"Accept-Encoding": "gzip"}
COUNT = 600


def lengthen(layout: Layout) -> Layout:
    """Return a layout of many segments, of which only playlists can be made."""
    return replace(
        layout,
        times=type(layout.times)("d", (2.0 * each for each in range(COUNT + 1))),
        starts=type(layout.starts)(
            "Q", accumulate(range(900, 900 + COUNT), initial=layout.init_size)
        ),
        pictures=type(layout.pictures)("I", range(100, 100 + COUNT)),
    )


FILM = lengthen(plan(WRITTEN["pictures out of order"]))
WHOLE = build_playlist(VIDEO, render_media(FILM, MEDIA_FILE))
LONG, SHORT = range(3, COUNT), range(5, 15)


@pytest.mark.parametrize("render", [render_media, render_iframes])
@pytest.mark.parametrize(
    "segments", [range(1), range(4, 9), range(COUNT - 1, COUNT), range(COUNT)]
)
def test_cut_has_the_lines_of_its_segments(
    render: Callable[[Layout, str], str], segments: range
) -> None:
    whole = build_playlist(VIDEO, render(FILM, MEDIA_FILE))
    cut = cut_playlist(whole, segments)
    text = cut.render()
    head, lines = parse(whole.plain.body.decode())
    assert parse(text.decode()) == (head, lines[segments.start : segments.stop])
    assert cut.known.size == len(text)
    assert cut.spread(range(5, 50)) == (text[5:50],)


def test_tags_of_cuts_differ() -> None:
    other = build_playlist(VIDEO, render_iframes(FILM, MEDIA_FILE))
    parts = [range(1), range(2), range(1, 2), range(1, 12), range(11, 12)]
    cuts = [cut_playlist(whole, each) for whole in (WHOLE, other) for each in parts]
    tags = {each.known.etag for each in cuts}
    tags |= {each.represent_packed(1).etag for each in cuts}
    tags |= {WHOLE.plain.known.etag, other.plain.known.etag}
    assert len(tags) == 2 * len(cuts) + 2


@pytest.mark.parametrize("segments", [LONG, SHORT])
async def test_who_asks_for_the_same_shares_it(segments: range) -> None:
    cuts, cut = Cuts(), cut_playlist(WHOLE, segments)
    assert (cut.known.size > LONG_BYTES) == (segments is LONG)
    plans = await asyncio.gather(
        *(cuts.plan("GET", PACKED, cut_playlist(WHOLE, segments), "b") for _ in "abc")
    )
    assert cuts.made == 1
    for each in plans:
        (body,) = each.pieces()
        assert isinstance(body, bytes)
        assert gzip.decompress(body) == cut.render()
        assert each.own["Content-Length"] == str(len(body))
        assert "Content-Encoding: gzip\r\n" in each.shared


async def test_nothing_is_compressed_for_who_takes_no_body() -> None:
    cuts, cut = Cuts(), cut_playlist(WHOLE, LONG)
    tag = cut.represent_packed(0).etag
    for method, asked, status in (
        ("GET", {**PACKED, "If-None-Match": tag}, 304),
        ("GET", {**PACKED, "If-Match": cut.known.etag}, 412),
        ("HEAD", PACKED, 200),
        ("HEAD", {}, 200),
        ("GET", {}, 200),
    ):
        plan = await cuts.plan(method, asked, cut, "b")
        assert plan.status == status
        assert ("Content-Length" in plan.own) == (status == 412 or asked == {})
    assert cuts.made == 0
    assert (await cuts.plan("GET", PACKED, cut, "b")).shared.count(tag) == 1


async def test_part_of_a_compressed_cut_is_sent() -> None:
    cuts, cut = Cuts(), cut_playlist(WHOLE, SHORT)
    whole = b"".join(map(bytes, (await cuts.plan("GET", PACKED, cut, "b")).pieces()))
    plan = await cuts.plan("GET", {**PACKED, "Range": "bytes=3-9"}, cut, "b")
    assert (plan.status, list(plan.pieces())) == (206, [whole[3:10]])


async def test_memory_is_bounded() -> None:
    def cut(number: int) -> Playlist:
        return WHOLE._replace(plain=WHOLE.plain._replace(known=known[number]))

    known = [replace(WHOLE.plain.known, etag=f'"{each}"') for each in range(9)]
    probe = Cuts()
    await probe.pack(cut_playlist(WHOLE, SHORT))
    one = probe.held_bytes
    assert one > 1_000
    cuts = Cuts(one * 3)
    for number in (0, 1, 2, 0, 3, 4, 0):
        await cuts.pack(cut_playlist(cut(number), SHORT))
        assert cuts.held_bytes <= one * 3
    assert cuts.made == 5  # the first stayed, since it was used
    tiny = Cuts(1)
    await tiny.pack(cut_playlist(WHOLE, SHORT))
    assert tiny.held_bytes == 0
