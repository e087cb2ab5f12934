"""The head of an answer, as it goes out (RFC 9112, 4 and 5)."""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time
from typing import TYPE_CHECKING

from server.video.plan import render_fields

if TYPE_CHECKING:
    from server.video.plan import Plan


def render_head(plan: Plan, keep_alive: bool | None) -> bytes:
    """Return the status line and headers (RFC 9112, 4 and 5)."""
    first = _first_lines(plan.status, int(time()))
    connection = "" if keep_alive else "Connection: close\r\n"
    fields = f"{connection}{plan.shared}{render_fields(plan.own)}"
    return f"{first}{fields}\r\n".encode("latin-1")


@lru_cache(maxsize=16)
def _first_lines(status: int, seconds: int) -> str:
    date = formatdate(seconds, usegmt=True)
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nDate: {date}\r\n"
