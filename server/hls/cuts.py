"""Playlists of a part of a video: slices of the whole playlist, compressed if asked."""

from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from server.hls.coding import accepts_gzip
from server.hls.files import GZIP, GZIP_BYTES, PLAYLIST_WEIGHT, Text
from server.video.handler import CODING
from server.video.plan import copy_is_fresh, plan_representation, precondition_holds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.hls.files import Playlist
    from server.video.plan import Plan, Representation

LIMIT_BYTES = 4_000_000  # compressed: the larger parts of 200 films of an hour
LONG_BYTES = 16 * 1024  # of a playlist whose compression a thread serves better
_LEVEL = 1  # five times as fast as the best, for a size 15 % larger


@dataclass(frozen=True, slots=True)
class Cut:
    """The playlist of some segments, which is put together when it is sent."""

    known: Representation
    pieces: tuple[memoryview, ...]

    def render(self) -> bytes:
        """Return the playlist."""
        return b"".join(self.pieces)

    def spread(self, span: range) -> tuple[bytes]:
        """Return the bytes of a range."""
        return (self.render()[span.start : span.stop],)

    def represent_packed(self, size: int) -> Representation:
        """Return what is told of it, compressed to so many bytes."""
        etag = f'{self.known.etag[:-1]}-gzip"'
        return replace(self.known, size=size, etag=etag, about=GZIP)


def cut_playlist(whole: Playlist, segments: range) -> Cut:
    """Return the playlist of these segments, of which there is at least one.

    Its entity tag follows from that of the whole playlist: nothing is rendered.
    """
    known, body = whole.plain
    borders, view = whole.borders, memoryview(body)
    first, after = segments.start, segments.stop
    pieces = (
        view[: borders[0]],
        view[borders[first] : borders[after]],
        view[borders[-1] :],
    )
    etag = f'{known.etag[:-1]}-{first}-{after}"'
    return Cut(replace(known, size=sum(map(len, pieces)), etag=etag), pieces)


class Cuts:
    """Compresses cut playlists and keeps those used last, bounded in bytes."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self.made = 0
        self._kept: OrderedDict[tuple[str, int | None], Text] = OrderedDict()
        self._turn = asyncio.Lock()  # of the long ones: one leaves the rest a processor

    async def plan(
        self, method: str, asked: Mapping[str, str], cut: Cut, boundary: str
    ) -> Plan:
        """Choose the answer to a GET or HEAD of a cut playlist.

        What needs no body is answered before anything is compressed.
        """
        accepted = accepts_gzip(asked.get(CODING, ""))
        if cut.known.size < GZIP_BYTES or not accepted:
            plan = plan_representation(method, asked, cut.known, boundary)
            return plan._replace(spread=cut.spread)
        known = cut.represent_packed(0)
        if not precondition_holds(asked, known) or copy_is_fresh(asked, known):
            return plan_representation(method, asked, known, boundary)
        if method == "HEAD":  # may leave the length out (RFC 9110, 9.3.2)
            return plan_representation(method, asked, known, boundary)._replace(own={})
        text = await self.pack(cut)
        plan = plan_representation(method, asked, text.known, boundary)
        return plan._replace(spread=text.spread)

    async def pack(self, cut: Cut) -> Text:
        """Return a cut playlist, compressed."""
        text = self._recall(cut)
        if text is None and cut.known.size <= LONG_BYTES:
            text = self._keep(cut, _compress(cut))
        if text is None:
            async with self._turn:
                text = self._recall(cut)  # another may have asked for the same
                if text is None:
                    body = await asyncio.to_thread(_compress, cut)
                    text = self._keep(cut, body)
        return text

    def _recall(self, cut: Cut) -> Text | None:
        key = _identify(cut)
        text = self._kept.get(key)
        if text is not None:
            self._kept.move_to_end(key)
        return text

    def _keep(self, cut: Cut, body: bytes) -> Text:
        self.made += 1
        text = Text(cut.represent_packed(len(body)), body)
        self._kept[_identify(cut)] = text
        self.held_bytes += _weigh(text)
        while self.held_bytes > self.limit_bytes:
            _, least = self._kept.popitem(last=False)
            self.held_bytes -= _weigh(least)
        return text


def _identify(cut: Cut) -> tuple[str, int | None]:
    """Return what tells a cut from others: its tag follows from video and text."""
    return cut.known.etag, cut.known.modified


def _weigh(text: Text) -> int:
    return len(text.body) + PLAYLIST_WEIGHT


def _compress(cut: Cut) -> bytes:
    return gzip.compress(cut.render(), _LEVEL, mtime=0)
