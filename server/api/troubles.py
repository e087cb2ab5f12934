"""Why answers can't be given now: a sentence each, and one log line at either end."""

from __future__ import annotations

import errno
import logging
import socket
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from aiohttp import web

from server.postgres.pool import DatabaseAway, StatementTimeout
from server.postgres.sqlstate import NO_NAME, explain_state

if TYPE_CHECKING:
    from collections.abc import Callable

QUIET_SECONDS = 5.0  # without another one, then a success is the end of a trouble
AWAY = "The database can't be reached now; try again in a moment."
SLOW = "The database didn't answer in time; try again in a moment."
NO_MEMORY = "The server is out of memory now; try again in a moment."
_NO_THREAD = "can't start new thread"
_NO_RESOURCES = {errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EAGAIN}

_log = logging.getLogger(__name__)


def explain_trouble(error: BaseException) -> str | None:
    """Return the sentence of a 503; None where the fault is ours, which is a 500."""
    if isinstance(error, StatementTimeout):
        return SLOW
    if isinstance(error, DatabaseAway):
        said = error.__cause__
        if isinstance(said, socket.gaierror):
            return NO_NAME
        return (isinstance(said, psycopg2.Error) and explain_state(said)) or AWAY
    if isinstance(error, psycopg2.Error):
        return explain_state(error)
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and str(error) == _NO_THREAD
    ):
        return NO_MEMORY
    if isinstance(error, OSError) and error.errno in _NO_RESOURCES:
        return NO_MEMORY
    return None


class _Trouble(NamedTuple):
    began: float
    last: float
    answers: int
    routes: frozenset[str]  # where it was met


class Troubles:
    """What goes on now, by the sentence that clients get."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Take a clock in seconds that never goes back."""
        self._clock = clock
        self._met: dict[str, _Trouble] = {}

    def note(self, sentence: str, request: web.Request, error: BaseException) -> None:
        """Count an answer that could not be given; log the first."""
        now, route = self._clock(), name_route(request)
        known = self._met.get(sentence)
        if known is None:
            reason, _, _ = str(error).strip().partition("\n")
            reason = reason or type(error).__name__
            _log.warning("%s fails: %s", route, reason)
            known = _Trouble(now, now, 0, frozenset())
        self._met[sentence] = known._replace(
            last=now, answers=known.answers + 1, routes=known.routes | {route}
        )

    def settle(self, request: web.Request) -> None:
        """End what was met at a route that answers again; log how much it was."""
        if not self._met:
            return
        now, route = self._clock(), name_route(request)
        for sentence, known in list(self._met.items()):
            if route in known.routes and now - known.last > QUIET_SECONDS:
                del self._met[sentence]
                _log.warning(
                    "%s is answered again: %d answers failed in %.0f s (%s)",
                    *(route, known.answers, known.last - known.began, sentence),
                )


TROUBLES: web.AppKey[Troubles] = web.AppKey("troubles")


def name_route(request: web.Request) -> str:
    """Return the method and the route of a request, as the log names it."""
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical if resource else 'other'}"
