"""The access log: no client can break a line, and what it sent can be read again."""

from __future__ import annotations

import json
import re

from multidict import CIMultiDict, CIMultiDictProxy

from server.telemetry.access_log import AccessLog
from server.telemetry.cmcd import strip_cmcd
from server.telemetry.log_lines import Outcome
from server.telemetry.proxies import parse_networks

WORDS = [
    *(b"Referer: ", b"User-Agent: ", b"X-Request-ID: ", b"X-Forwarded-For: 1.2.3.4"),
    *(b"Range: bytes=0-9", b'"', b"\\", b"\\x22", b"\x1b[2J", b"\xff", b"\xe2\x80\xa8"),
    *(b"?CMCD=sid%3D%22me%22", b"&", b"a=b", b"CMCD-Session: sid=", b"bl=5,bs"),
    *(b"\r", b"\x7f", b"\x85", b"CF-Ray: ", b"\n", b"%22", b" - - [", b"\xed\xa0\x80"),
]
OUTCOME = Outcome(206, 10, 0.0001, 0.5)
_COMBINED = re.compile(
    r'(\S+) - - \[[^\]]+\] "GET (\S+|-) HTTP/1\.1" 206 10 "([^"]*)" "([^"]*)"\n'
)
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")


def fuzz_log_line(data: bytes) -> None:
    """Log a request whose lines are the target and then headers."""
    target, *lines = data.decode(errors="surrogateescape").split("\n")
    pairs = [line.partition(":")[::2] for line in lines]
    headers = CIMultiDictProxy(
        CIMultiDict((name, text.strip(" \t")) for name, text in pairs if name)
    )
    target = re.sub(r"\s", "", target) or "/"
    told = json.loads(write("json", target, headers))
    assert told["target"] == strip_cmcd(target)
    assert told["user_agent"] == headers.get("User-Agent", "")
    assert told["referer"] == strip_cmcd(headers.get("Referer", ""))
    found = _COMBINED.fullmatch(write("combined", target, headers))
    assert found is not None
    _, shown, referer, agent = found.groups()
    assert unescape(shown) == encode(strip_cmcd(target) or "-")
    assert unescape(referer) == encode(strip_cmcd(headers.get("Referer", "")) or "-")
    assert unescape(agent) == encode(headers.get("User-Agent") or "-")


class Lines:
    """Keeps the lines that are put in."""

    def __init__(self) -> None:
        self.put_in: list[str] = []

    def put(self, line: str) -> None:
        """Keep a line."""
        self.put_in.append(line + "\n")


def write(form: str, target: str, headers: CIMultiDictProxy[str]) -> str:
    """Return the line of a request, as it goes out."""
    lines = Lines()
    log = AccessLog(form, parse_networks("10.0.0.0/8"), lines)  # type: ignore[arg-type]
    log.note(("GET", target, headers), ("10.0.0.1", 5), OUTCOME)
    (line,) = lines.put_in
    assert line.isascii()
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    return line


def unescape(text: str) -> bytes:
    """Return what \\xNN stand for."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text).encode("latin-1")


def encode(text: str) -> bytes:
    """Return what the client sent."""
    return text.encode(errors="surrogateescape")
