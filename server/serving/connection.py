"""One client's connection: aiohttp's, with a short way for short answers."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from aiohttp import web

from server.api.errors import build_error_response
from server.api.troubles import NO_MEMORY
from server.hls.files import Files, plan_file
from server.postgres.pool import DatabaseAway, StatementTimeout
from server.serving.aiohttp_private import awaits_request, is_answering
from server.serving.timed import TimedConnection
from server.telemetry.cmcd import find_cmcd
from server.telemetry.log_lines import Outcome
from server.telemetry.metrics import OTHER, VIDEO
from server.video.gather import gather
from server.video.handler import BOUNDARY
from server.video.head import render_head
from server.video.plan import plan_video
from server.video.short import parse_short, read_request

if TYPE_CHECKING:
    from server.hls.layouts import Layouts
    from server.model import Video
    from server.reading.store import Store
    from server.serving.clients import Clients
    from server.telemetry.access_log import AccessLog
    from server.telemetry.metrics import Metrics
    from server.video.gather import Gathered
    from server.video.plan import Plan
    from server.video.short import Short

BAD_REQUEST = "Bad request: this is no HTTP/1.1 (RFC 9112), or a header is too long."


class Connection(TimedConnection):
    """Answers short requests itself, and errors before any handler in their one shape.

    The short way parses, plans, gathers and writes as the handler does, but without
    aiohttp's parser, router and task. It needs what aiohttp_private has.
    """

    __slots__ = (
        *("_failed", "_gathered", "_layouts", "_log", "_stalled", "_store", "_taken"),
        *("_timer", "_waited", "draining", "heard"),
    )

    def __init__(
        self,
        server: web.Server,
        store: Store | None,
        layouts: Layouts,
        clients: Clients,
        metrics: Metrics,
        log: AccessLog,
    ) -> None:
        """Take a store to answer from, or none, and what hears of each answer."""
        super().__init__(server, clients, metrics)
        self._store = store
        self._layouts = layouts
        self._log = log
        self._stalled = False
        self.draining = False
        self.heard = 0.0  # when bytes came last, by monotonic; only while draining
        self._taken = b""  # a request that is being read for, unknown to aiohttp
        self._gathered: Gathered | None = None  # of what is taken
        self._timer: asyncio.TimerHandle | None = None
        self._waited = 0.0  # seconds, for what was then handed over
        self._failed: DatabaseAway | None = None  # why it was

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell who waits for the end."""
        taken, self._taken = self._taken, b""
        super().connection_lost(exc)
        if self._stalled and not taken and not is_answering(self):
            self._metrics.note_abort(VIDEO)  # a short one; others tell by themselves
        self._forget_taken()
        self._set_stalled(False)

    def pause_writing(self) -> None:
        """Note that the client is slower than we are."""
        super().pause_writing()
        self._set_stalled(True)

    def resume_writing(self) -> None:
        """Note that the kernel has taken all."""
        super().resume_writing()
        self._set_stalled(False)

    def _set_stalled(self, stalled: bool) -> None:
        if self._store is not None:
            self._store.stalled += stalled - self._stalled
        self._stalled = stalled

    def data_received(self, data: bytes) -> None:
        """Answer a short request; aiohttp gets any other."""
        if self.draining:
            self.heard = monotonic()
        try:
            if self._busy or self._intake.held or not self._take(data):
                super().data_received(data)
        except MemoryError:  # part of it may be lost
            self._abort()

    def _take(self, data: bytes) -> bool:
        """Report whether the request is answered without aiohttp, now or soon."""
        store = self._store
        if store is None or self.draining or not awaits_request(self):
            return False
        asked = parse_short(data)
        if asked is None or self._stalled or store.crowded:
            return False
        began = self._active = monotonic()
        video = store.recall(asked.video_id, began)
        plan = None if video is None else self._plan(video, asked)
        if plan is None:
            return False
        gathered = gather(store, video, plan, render_head(plan, keep_alive=True))
        if gathered is None:
            return False
        if gathered.pending:
            if self._clients.is_busy:
                return False
            self._taken, self._gathered = data, gathered
            self._claim()
            self._timer = asyncio.get_running_loop().call_later(
                store.database.answer_seconds, self._give_up
            )
            gathered.when_come(partial(self._finish, plan, asked))
        else:
            self._write(plan, asked, gathered.buffers, data)
        return True

    def _plan(self, video: Video, asked: Short) -> Plan | None:
        """Choose the answer; None if what is asked for has not been made."""
        if not asked.name:
            return plan_video("GET", asked.headers, video, BOUNDARY)
        files = self._layouts.recall(video)
        if not isinstance(files, Files):
            return None
        return plan_file("GET", asked.headers, files, asked.name, BOUNDARY)

    def _finish(self, plan: Plan, asked: Short, gathered: Gathered) -> None:
        """Write the answer whose bytes have come; aiohttp tells why they have not."""
        transport = self.transport
        if gathered is not self._gathered:  # given up
            return
        if not self._taken or transport is None or transport.is_closing():
            return
        try:
            buffers = gathered.complete()
        except (Exception, asyncio.CancelledError) as error:
            self._failed = error if isinstance(error, DatabaseAway) else None
            self._hand_over()
            return
        try:
            self._write(plan, asked, buffers, self._forget_taken())
        except MemoryError:  # nobody else would tell the client
            transport.abort()
            return
        self._release()
        if self._dropping:
            self._end_soon()
        else:
            self._go_on()

    def _give_up(self) -> None:
        """Have aiohttp refuse the request that was taken."""
        self._timer = None
        if self.transport is not None and not self.transport.is_closing():
            self._failed = StatementTimeout("The bytes did not come in time.")
            self._hand_over()

    def _forget_taken(self) -> bytes:
        """Return the request that was taken, and wait for its bytes no more."""
        data, self._taken, self._gathered = self._taken, b"", None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return data

    def recall_wait(self) -> float:
        """Return how long the short way waited for the request that it handed over.

        Raises DatabaseAway if it waited in vain.
        """
        failed, waited = self._failed, self._waited
        self._failed, self._waited = None, 0.0
        if failed is not None:
            raise failed
        return waited

    def _write(
        self,
        plan: Plan,
        asked: Short,
        buffers: list[bytes | memoryview],
        data: bytes,
    ) -> None:
        """Write an answer and note it."""
        assert self.transport is not None
        self.transport.writelines(buffers)
        seconds = monotonic() - self._active
        length = plan.body_bytes
        if asked.name:
            route = f"{VIDEO}/{asked.name}"
            self._metrics.note(route, plan.status, length, (seconds, seconds))
            self._layouts.count(asked.name, plan)
        else:
            spec = asked.headers.get("Range")
            self._metrics.note_short(plan.status, length, spec, seconds)
        if asked.has_cmcd:
            _, target, headers = read_request(data)
            self._metrics.note_cmcd(find_cmcd(target, headers))
        if self._log.wanted:
            self._log.note(
                read_request(data),
                self.transport.get_extra_info("peername"),
                Outcome(plan.status, length, seconds, seconds),
            )

    def _hand_over(self) -> None:
        """Let aiohttp answer the request that was taken, as if it came just now."""
        self._waited = monotonic() - self._active
        web.RequestHandler.data_received(self, self._forget_taken())

    def drain(self) -> None:
        """Leave requests to aiohttp from now on, for it can close after an answer."""
        self.draining = True
        self.heard = monotonic()

    @property
    def idle(self) -> bool:
        """Report whether nothing is being answered."""
        return not self._busy and awaits_request(self)

    @property
    def has_more(self) -> bool:
        """Report whether something has come behind the request that is answered."""
        return bool(self._intake.held)

    def close(self) -> None:
        """Answer what was taken, and no more."""
        if self._taken:
            self._hand_over()
        super().close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that never reached a handler, and close."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is on its way already")
        if isinstance(exc, UnicodeError):  # aiohttp stumbled over a header's bytes
            status = 400
        sentence = BAD_REQUEST if status == 400 else "Internal server error"
        level = logging.DEBUG if status == 400 else logging.ERROR
        if isinstance(exc, MemoryError):
            status, sentence, level, exc = 503, NO_MEMORY, logging.WARNING, None
        self._metrics.note(OTHER, status, 0, (0, 0))
        self.logger.log(level, "%s: %s", sentence, request.remote, exc_info=exc)
        response = build_error_response(status, sentence)
        response.force_close()
        return response
