"""Refusals that no handler gives: as bytes, or told to who reads a body."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from server.errors import render_error

if TYPE_CHECKING:
    from aiohttp import StreamReader

    from server.api.errors import Refused


def render_refusal(refused: Refused, *, without_body: bool = False) -> bytes:
    """Return a whole answer, after which the connection is closed."""
    headers, body = render_error(refused.sentence, refused.headers)
    phrase = HTTPStatus(refused.status).phrase
    headers |= {"Content-Length": str(len(body)), "Connection": "close"}
    lines = [
        f"HTTP/1.1 {refused.status} {phrase}",
        f"Date: {formatdate(usegmt=True)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head if without_body else head + body


def fail_body(content: StreamReader, refused: Refused) -> None:
    """Have reading a body raise TimeoutError, or what aiohttp has for 413 and 400."""
    error: Exception
    if refused.status == 408:
        error = TimeoutError(refused.sentence)
    elif refused.status == 413:
        error = web.HTTPRequestEntityTooLarge(max_size=0, actual_size=0)
    else:
        error = web.RequestPayloadError(refused.sentence)
    content.set_exception(error)
