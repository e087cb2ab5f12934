"""The lines of the access log, in JSON and in the combined format. No I/O."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMATS = ("none", "json", "combined")
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")


class Outcome(NamedTuple):
    """What became of a request."""

    status: int
    bytes: int  # of the body
    first_byte: float  # seconds
    duration: float  # seconds
    complete: bool = True  # as far as the kernel has taken it


class LogEntry(NamedTuple):
    """What a line says: a request and what became of it."""

    time: float  # seconds since the epoch
    request_id: str
    client: str
    method: str
    target: str
    range: str
    referer: str
    user_agent: str
    outcome: Outcome
    cmcd: Mapping[str, int | float | str | bool] = {}  # what a player told of itself


def render_json(entry: LogEntry) -> str:
    """Return a line that is a JSON object."""
    at = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="milliseconds")
    fields = entry._asdict() | entry.outcome._asdict() | {"time": at}
    del fields["outcome"]
    if not entry.cmcd:
        del fields["cmcd"]
    for name in ("first_byte", "duration"):
        fields[name] = round(fields[name], 6)
    return json.dumps(fields)


def render_combined(entry: LogEntry) -> str:
    """Return a line as Apache and nginx write it; what could break it as \\xNN."""
    at = datetime.fromtimestamp(entry.time, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    client, target, referer, agent = (
        _escape(text) or "-"
        for text in (entry.client, entry.target, entry.referer, entry.user_agent)
    )
    return (
        f'{client} - - [{at}] "{entry.method} {target} HTTP/1.1" '
        f'{entry.outcome.status} {entry.outcome.bytes} "{referer}" "{agent}"'
    )


def _escape(text: str) -> str:
    return _UNSAFE.sub(
        lambda match: "".join(
            f"\\x{byte:02x}" for byte in match[0].encode(errors="surrogateescape")
        ),
        text,
    )
