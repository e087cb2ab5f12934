"""A line for each answer, for those who want it: JSON or the combined format."""

from __future__ import annotations

import re
import secrets
from time import time
from typing import TYPE_CHECKING

from aiohttp import web

from server.telemetry.cmcd import find_cmcd, strip_cmcd
from server.telemetry.log_lines import LogEntry, render_combined, render_json
from server.telemetry.proxies import UNIX, find_client

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    from server.telemetry.line_output import LineOutput
    from server.telemetry.log_lines import Outcome
    from server.telemetry.proxies import Networks

    Headers = CIMultiDictProxy[str]

_ID = re.compile(r"[A-Za-z0-9._:=/+-]{1,128}", re.ASCII)


class AccessLog:
    """Writes entries; knows whose word to take for who the client is."""

    def __init__(self, form: str, trusted: Networks, *outputs: LineOutput) -> None:
        """Take one of FORMATS (with "none" nothing is written) and trusted proxies.

        Lines go to the first of outputs; what is dropped is counted of all.
        """
        self.trusted = trusted
        self._render = {"json": render_json, "combined": render_combined}.get(form)
        self.wanted = self._render is not None  # whether anything is written
        self._outputs = outputs

    @property
    def dropped(self) -> int:
        """Return how many log lines this process has dropped, other logs' too."""
        return sum(output.dropped for output in self._outputs)

    def note(
        self,
        request: tuple[str, str, Headers],
        peer: object,
        outcome: Outcome,
        request_id: str = "",
    ) -> None:
        """Write what became of a request: its method, its target, its headers.

        Of what players tell of themselves (CMCD), nothing that says who they are.
        """
        if self._render is None:
            return
        method, target, headers = request
        entry = LogEntry(
            time(),
            request_id or pick_request_id(headers),
            self.find_client(peer, headers),
            method,
            strip_cmcd(target),
            headers.get("Range", ""),
            strip_cmcd(headers.get("Referer", "")),
            headers.get("User-Agent", ""),
            outcome,
            find_cmcd(target, headers),
        )
        self._outputs[0].put(self._render(entry))

    def find_client(self, peer: object, headers: Headers) -> str:
        """Return the client's address, from what asyncio calls peername."""
        address = UNIX if isinstance(peer, str) else ""
        if isinstance(peer, tuple):
            address = str(peer[0])
        forwarded = headers.getall("X-Forwarded-For", ())
        return find_client(address, forwarded, self.trusted)


def pick_request_id(headers: Headers) -> str:
    """Return the proxy's name for the request, or a new one."""
    given = headers.get("X-Request-ID") or headers.get("CF-Ray") or ""
    return given if _ID.fullmatch(given) else secrets.token_hex(8)


ACCESS_LOG: web.AppKey[AccessLog] = web.AppKey("access_log")
