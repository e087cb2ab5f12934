"""Errors as answers of aiohttp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server.errors import render_error

if TYPE_CHECKING:
    from collections.abc import Mapping

RETRY_SECONDS = 1  # until what is away for the moment is asked again


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
    """Return an error as its answer; more are further headers.

    A 503 tells when to try again, in a second unless more says otherwise.
    """
    if status == 503:
        more = {"Retry-After": str(RETRY_SECONDS), **more}
    headers, body = render_error(sentence, more)
    return web.Response(status=status, body=body, headers=headers)
