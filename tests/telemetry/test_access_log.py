"""A line for each answer, whichever way it went."""

from __future__ import annotations

import json
import re
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from server.telemetry.log_lines import LogEntry, Outcome, render_combined, render_json
from tests.command import serving
from tests.conftest import insert_video

if TYPE_CHECKING:
    from collections.abc import Mapping

ASKED: list[tuple[str, Mapping[str, str], int, int]] = [
    ("/v3/videos/1", {"X-Request-ID": "first-1"}, 200, 1000),
    ("/v3/videos/1?a=%22b", {"Range": "bytes=0-9", "CF-Ray": "8f-FRA"}, 206, 10),
    ("/v3/videos/1", {"Range": "bytes=0-9", "X-Request-ID": "bad\tid"}, 206, 10),
    ("/healthz", {"X-Forwarded-For": "198.51.100.1", "User-Agent": 'a"b'}, 200, 19),
    ("/nowhere", {"X-Request-ID": "x" * 129}, 404, 36),
]


@pytest.mark.parametrize("form", ["json", "combined"])
def test_every_answer_is_one_line(database_url: str, form: str) -> None:
    assert insert_video(database_url, "a.mp4", b"a" * 1000) == 1
    trusted = ("--trusted-proxies", "127.0.0.0/8")
    with serving(database_url, "--access-log", form, *trusted) as server:
        with closing(HTTPConnection("127.0.0.1", server.port)) as client:
            for target, headers, status, length in ASKED:
                client.request("GET", target, headers=dict(headers))
                answer = client.getresponse()
                body = answer.read()
                assert (answer.status, len(body)) == (status, length)
                given = answer.getheader("X-Request-ID")
                assert (given is None) == target.startswith("/v3/videos/")
        assert server.process.stdout is not None
        lines = [server.process.stdout.readline() for _ in ASKED]
    for line, (target, _, status, length) in zip(lines, ASKED, strict=True):
        if form == "json":
            entry = json.loads(line)
            assert (entry["target"], entry["status"]) == (target, status)
            assert (entry["bytes"], entry["method"]) == (length, "GET")
        else:
            assert f'"GET {target} HTTP/1.1" {status} {length} ' in line
    if form == "json":
        entries = [json.loads(line) for line in lines]
        ids = [entry["request_id"] for entry in entries]
        assert ids[:2] == ["first-1", "8f-FRA"]
        assert all(re.fullmatch("[0-9a-f]{16}", each) for each in ids[2:])
        clients = [entry["client"] for entry in entries]
        assert clients == ["127.0.0.1"] * 3 + ["198.51.100.1", "127.0.0.1"]
        assert entries[1]["range"] == "bytes=0-9"
    else:
        assert lines[3].startswith("198.51.100.1 - - [")
        assert lines[3].endswith('"-" "a\\x22b"\n')


def test_no_text_breaks_a_line() -> None:
    nasty = 'a"b\\c\n\x1b[31m\u202eä\udcff'
    entry = LogEntry(
        0, "id", "::1", "GET", nasty, nasty, nasty, nasty, Outcome(200, 1, 0.1, 0.2)
    )
    escaped = "a\\x22b\\x5cc\\x0a\\x1b[31m\\xe2\\x80\\xae\\xc3\\xa4\\xff"
    assert render_combined(entry) == (
        f'::1 - - [01/Jan/1970:00:00:00 +0000] "GET {escaped} HTTP/1.1" 200 1 '
        f'"{escaped}" "{escaped}"'
    )
    assert json.loads(render_json(entry))["target"] == nasty
    assert render_json(entry).isascii()
