"""Tell pages which bytes are being sent; without such a page nothing is kept."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import NamedTuple

from aiohttp import web

VIEWERS_MAX = 32
PENDING_MAX = 256
ASKED_MAX = 200  # characters of a Range header that are shown


class Piece(NamedTuple):
    """How far one run of bytes of one HTTP answer has got: start up to stop.

    Each piece replaces an older one with the same answer and start, so a page that
    takes them slowly misses steps but never bytes.
    """

    answer: int
    video: int
    size: int  # bytes of the whole video
    status: int
    asked: str  # the Range header, "" without one
    start: int = 0
    stop: int = 0
    state: str = "sending"  # then complete or aborted


class News:
    """What one page has still to be told."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[int, int], Piece] = {}
        self._come = asyncio.Event()
        self.over = False

    def put(self, piece: Piece) -> None:
        """Keep piece until it is taken; of too many the oldest is lost."""
        self._pieces[piece.answer, piece.start] = piece
        if len(self._pieces) > PENDING_MAX:
            del self._pieces[next(iter(self._pieces))]
        self._come.set()

    async def take(self) -> list[Piece]:
        """Wait for news and return it; what was put before the end still comes."""
        await self._come.wait()
        pieces = list(self._pieces.values())
        self._pieces.clear()
        if not self.over:
            self._come.clear()
        return pieces

    def finish(self) -> None:
        """Let take() return at once from now on."""
        self.over = True
        self._come.set()


class Watch:
    """The pages that look, by the token each of them made up for itself."""

    def __init__(self) -> None:
        self._news: dict[str, News] = {}
        self._numbers = count(1)

    def subscribe(self, viewer: str) -> News | None:
        """Return the news for viewer from now on; None when there are too many."""
        older = self._news.pop(viewer, None)
        if older is not None:  # the page has come back before we saw it leave
            older.finish()
        if len(self._news) >= VIEWERS_MAX:
            return None
        self._news[viewer] = News()
        return self._news[viewer]

    def leave(self, viewer: str, news: News) -> None:
        """Forget a page, unless it has come back meanwhile."""
        if self._news.get(viewer) is news:
            del self._news[viewer]

    def close(self) -> None:
        """End every page's news, so that the server can stop."""
        for news in self._news.values():
            news.finish()

    def begin(
        self, viewer: str, video_id: int, size: int, status: int, asked: str
    ) -> WatchedAnswer | None:
        """Announce an HTTP answer; None when nobody watches that viewer."""
        if viewer not in self._news:
            return None
        number = next(self._numbers)
        return WatchedAnswer(
            self, viewer, Piece(number, video_id, size, status, asked[:ASKED_MAX])
        )

    def tell(self, viewer: str, piece: Piece) -> None:
        """Pass a piece on to the page, if it is still there."""
        news = self._news.get(viewer)
        if news is not None:
            news.put(piece)


class WatchedAnswer:
    """One HTTP answer under watch."""

    def __init__(self, watch: Watch, viewer: str, piece: Piece) -> None:
        self._watch, self._viewer, self._piece = watch, viewer, piece
        watch.tell(viewer, piece)

    def sent(self, span: range) -> None:
        """Tell that the bytes of span have gone out."""
        start = span.start if span.start != self._piece.stop else self._piece.start
        self._piece = self._piece._replace(start=start, stop=span.stop)
        self._watch.tell(self._viewer, self._piece)

    def end(self, complete: bool) -> None:
        """Tell that no more bytes follow."""
        state = "complete" if complete else "aborted"
        self._piece = self._piece._replace(state=state)
        self._watch.tell(self._viewer, self._piece)


WATCH: web.AppKey[Watch | None] = web.AppKey("watch")


async def close_watch(app: web.Application) -> None:
    """End the live streams when the application stops; else they would hold it up."""
    watch = app[WATCH]
    if watch is not None:
        watch.close()
