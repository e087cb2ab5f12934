"""Errors as answers of aiohttp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server.errors import render_error

if TYPE_CHECKING:
    from collections.abc import Mapping


class Refused(Exception):
    """A request that is not carried out: the status and the sentence to answer with."""

    def __init__(
        self, status: int, sentence: str, headers: Mapping[str, str] = {}
    ) -> None:
        super().__init__(status, sentence)
        self.status, self.sentence, self.headers = status, sentence, headers


def build_error_response(
    status: int, sentence: str, more: Mapping[str, str] = {}
) -> web.Response:
    """Return an error as its answer; more are further headers."""
    headers, body = render_error(sentence, more)
    return web.Response(status=status, body=body, headers=headers)
