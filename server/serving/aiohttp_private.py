"""The private names of aiohttp that a connection needs, and no others.

They are looked for once, when this is imported. Where one is gone, short answers go
aiohttp's own way, and a warning says so; a body that is broken or too slow then ends
its connection without an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import StreamReader

NAMES = ("_current_request", "_messages", "_waiter")


def find_missing(names: Iterable[str] = NAMES) -> list[str]:
    """Return the names that aiohttp's connection lacks."""
    return [name for name in names if not hasattr(web.RequestHandler, name)]


def explain_missing() -> str:
    """Return a sentence on what is missing, nothing if all is there."""
    if not MISSING:
        return ""
    return (
        f"aiohttp {aiohttp.__version__} lacks {', '.join(MISSING)}, so short answers "
        "take longer: install the version that bytereel asks for"
    )


MISSING = find_missing()


def awaits_request(connection: web.RequestHandler) -> bool:
    """Report whether aiohttp has nothing to do and waits for the next request."""
    waiter = connection._waiter
    return waiter is not None and not waiter.done()


def is_answering(connection: web.RequestHandler) -> bool:
    """Report whether aiohttp is at work on a request."""
    return connection._current_request is not None


def count_parsed(connection: web.RequestHandler) -> int:
    """Return how many requests aiohttp has parsed and not begun to answer."""
    return len(getattr(connection, "_messages", ()))


def find_body(connection: web.RequestHandler) -> StreamReader | None:
    """Return the body of the request that was parsed last and is not begun."""
    parsed = getattr(connection, "_messages", None)
    return parsed[-1][1] if parsed else None


def drop_parsed(connection: web.RequestHandler) -> None:
    """Forget what was parsed last: of a body, that it can't be one."""
    connection._messages.pop()
