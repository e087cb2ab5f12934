from __future__ import annotations

import argparse
import asyncio
import json
import random
import ssl
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
import pytest_asyncio
from yarl import URL

from bench.stand.edge import running_edge
from bench.stand.process import find_port, stop, wait_for
from server.edge.caches import read_cache
from server.edge.commands import add_edge_commands
from server.edge.examine import Asked, examine_edge
from server.edge.faults import KINDS
from server.errors import Fault
from tests import broken_edges as broken
from tests.broken_edges import breaking, header, instead
from tests.conftest import _fresh, insert_video, needs, open_folder, serve_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from server.edge.examine import EdgeReport

pytestmark = pytest.mark.asyncio(loop_scope="module")

VIDEO = b"\0\0\0\x18ftypmp42" + random.Random(5).randbytes(1_500_000)
HOUR = "public, max-age=3600"

BROKEN = {
    "sound": (broken.be_sound, ""),
    "200 to ranges": (broken.ignore_range, "range-ignored"),
    "200 to all as range": (broken.ignore_whole_range, "range-ignored"),
    "200 to suffixes": (broken.ignore_suffix, "suffix-ignored"),
    "suffix from 0": (broken.start_suffix_at_0, "wrong-content-range"),
    "weak": (header(ETag='W/"video-1"'), "weak-etag"),
    "untagged": (header(ETag=None), "no-etag"),
    "no quotes": (header(ETag="video-1"), "no-etag"),
    "tag by answer": (broken.change_tag, "changing-etag"),
    "chunks": (broken.chunk, "chunked"),
    "chunks for all": (broken.chunk_whole, "chunked"),
    "gzip": (broken.compress, "compressed"),
    "more": (broken.change_total(1), "wrong-total"),
    "less": (broken.change_total(-300_000), "wrong-total"),
    "star": (broken.hide_total, "no-total"),
    "shifted": (broken.shift_range, "wrong-content-range"),
    "one 206 for all": (broken.keep_without_range, "wrong-content-range"),
    "other bytes": (broken.flip_everywhere, "other-bytes"),
    "other parts": (broken.flip_parts, "wrong-bytes"),
    "shorter": (broken.cut_file, "other-bytes"),
    "broken off": (broken.break_off, "short-body"),
    "length of all": (broken.tell_whole_length, "wrong-length"),
    "redirect": (instead(302, Location="https://a.test/1.mp4"), "redirect"),
    "private": (header(Cache_Control="private, max-age=99999"), "uncacheable"),
    "zero": (header(Cache_Control="public, max-age=0"), "uncacheable"),
    "hour": (header(Cache_Control=HOUR), "short-max-age"),
    "silent": (header(Cache_Control=None), "no-cache-control"),
    "vary star": (header(Vary="*"), "vary-star"),
    "vary agent": (header(Vary="Accept-Encoding, User-Agent"), "vary"),
    "vary cookie": (header(Vary="Cookie"), "vary"),
    "cookie": (header(Set_Cookie="session=1"), "set-cookie"),
    "no accept": (header(Accept_Ranges=None), "no-accept-ranges"),
    "octets": (header(Content_Type="application/octet-stream"), "content-type"),
    "head 405": (broken.refuse_head, "head-differs"),
    "head short": (broken.shorten_head, "head-differs"),
    "no 304": (broken.ignore_condition, "condition-ignored"),
    "404 kept": (broken.keep_404, "error-cached"),
    "416 for all": (broken.keep_416, "error-cached"),
    "416 kept": (broken.keep_errors_by_range, "error-cached"),
    "200 past the end": (broken.answer_past_end, "past-the-end"),
    "bare 416": (broken.hide_size_in_416, "bare-416"),
    "200 for all ids": (broken.invent_missing, "wrong-status"),
    "503 in the middle": (broken.fail_middle, "wrong-status"),
    "dynamic": (header(CF_Cache_Status="DYNAMIC", CF_Ray="1-FRA"), "not-cached"),
    "bypass": (header(X_Cache_Status="BYPASS"), "not-cached"),
    "miss": (header(X_Cache="Miss from cloudfront"), "not-cached"),
    "page": (instead(200), "no-video"),
    "empty": (instead(200, "video/mp4", b""), "no-video"),
    "absent": (instead(404, "application/json"), "not-found"),
    "forbidden": (instead(403), "forbidden"),
    "challenge": (instead(403, body=broken.CHALLENGE, CF_Ray="1"), "challenge"),
    "limited": (instead(429), "rate-limited"),
    "down": (instead(522, Server="cloudflare"), "unavailable"),
    "teapot": (instead(418), "wrong-status"),
}  # fmt: skip


class Place(NamedTuple):
    """An origin with one video, and the broken edges before it."""

    port: int
    path: str
    edges: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(cluster: str, template: str) -> AsyncIterator[Place]:
    for url in _fresh(cluster, template):
        video = insert_video(url, "a.mp4", VIDEO)
        breaks = {name: change for name, (change, _) in BROKEN.items()}
        async with (
            serve_database(url, cache_bytes=64_000_000) as served,
            breaking(served.port, breaks) as edges,
        ):
            yield Place(served.port, f"/v3/videos/{video}.mp4", edges)


async def look(url: str, origin: str | None = None) -> EdgeReport:
    there = URL(origin) if origin else None
    pause = 2.1 if origin is None else 0.05  # our nginx keeps errors for a second
    asked = Asked(URL(url), there, 10**7, 5, pauses=(0, 0.05), error_pause=pause)
    return await examine_edge(asked)


def list_codes(report: EdgeReport) -> set[str]:
    """Return the codes, without the notes that every local one has."""
    return {each.code for each in report.findings} - {"http-local", "no-edge"}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_edge_is_named_and_nothing_else(place: Place, name: str) -> None:
    origin = f"http://127.0.0.1:{place.port}"
    report = await look(f"{place.edges}/{name}{place.path}", origin)
    expected = BROKEN[name][1]
    assert list_codes(report) == ({expected} if expected else set()), report.findings
    assert all(each.remedy for each in report.findings)


UNSEEN = {"other bytes": "", "shorter": "short-body"}
"""What is found about two of them without the origin's bytes to compare."""


@pytest.mark.parametrize("name", UNSEEN)
async def test_edge_alone_is_judged_by_itself(place: Place, name: str) -> None:
    report = await look(f"{place.edges}/{name}{place.path}")
    assert list_codes(report) == ({UNSEEN[name]} if UNSEEN[name] else set())


OF_PLAYLISTS = {
    *("no-playlist", "no-cors", "wrong-coding", "not-compressed"),
    *("other-playlist", "kept-too-long"),
}
"""What only test_playlists.py finds."""


async def test_every_kind_is_found_somewhere() -> None:
    found = {code for _, code in BROKEN.values()} | {*UNSEEN.values()}
    elsewhere = {"http", "http-local", "no-edge", "cache-unknown", "full-cut"}
    elsewhere |= {"no-answer", "no-length"} | OF_PLAYLISTS
    assert found - {""} == KINDS.keys() - elsewhere


async def test_origin_alone_is_sound(place: Place) -> None:
    report = await look(f"http://127.0.0.1:{place.port}{place.path}")
    assert {each.code for each in report.findings} == {"http-local", "no-edge"}


@needs("nginx")
async def test_nginx_as_we_ship_it_is_sound(place: Place) -> None:
    with open_folder() as folder, running_edge(folder / "edge", place.port, 9) as edge:
        report = await look(f"http://127.0.0.1:{edge.port}{place.path}")
        assert list_codes(report) == set(), report.findings
        assert read_cache(report.answers["again"].headers)[:2] == ("nginx", "HIT")


@contextmanager
def running_varnish(folder: Path, origin: int) -> Iterator[int]:
    """Yield the port of a Varnish with its own defaults, as whoever we are."""
    port, log = find_port(), folder / "log"
    place = ("-n", f"{folder}/varnish", "-a", f"127.0.0.1:{port}")
    behind = ("-b", f"127.0.0.1:{origin}", "-s", "malloc,32m")
    with log.open("w") as said:
        process = subprocess.Popen(
            ["varnishd", "-F", "-j", "none", *place, *behind],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            text=True,
            start_new_session=True,
        )
    try:
        wait_for(process, port, log)
        yield port
    finally:
        stop(process)


@needs("varnishd")
async def test_varnish_is_sound(place: Place) -> None:
    with open_folder() as folder, running_varnish(folder, place.port) as port:
        report = await look(f"http://127.0.0.1:{port}{place.path}")
        assert list_codes(report) == set(), report.findings
        assert read_cache(report.answers["again"].headers)[:2] == ("Varnish", "HIT")


def run(*arguments: str) -> int:
    """Run a command as the command line would."""
    parser = argparse.ArgumentParser()
    list(add_edge_commands(parser.add_subparsers()))
    options = parser.parse_args(["check-edge", *arguments])
    return int(options.run(options))


async def test_status_tells_of_the_worst(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, status in (("sound", 0), ("untagged", 3), ("star", 1)):
        url = f"{place.edges}/{name}{place.path}"
        assert await asyncio.to_thread(run, url, "--full-mb", "0.9") == status
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split()[:3] == ["question", "asked", "status"]
        assert any("full-cut" in line for line in lines)
        assert (lines[-1] == "fine") == (status == 0)


async def test_json_has_rows_and_findings(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{place.edges}/redirect{place.path}"
    assert await asyncio.to_thread(run, url, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["url"], told["edge"]) == (url, None)
    assert [row["came"] for row in told["rows"]] == ["to https://a.test/1.mp4"]
    assert [each["code"] for each in told["findings"]] == ["redirect"]


async def test_what_cannot_be_asked_is_one_sentence(place: Place) -> None:
    here = f"http://127.0.0.1:{place.port}{place.path}"
    for arguments, sentence in (
        (["ftp://host/1.mp4"], "is not a URL of the web"),
        (["host/1.mp4"], "is not a URL of the web"),
        (["http://host:99999/"], "is not a URL "),
        ([f"http://127.0.0.1:{find_port()}/"], "Connection refused"),
        (["http://nowhere.invalid/"], "name is not known"),
        ([f"http://{'a' * 80}.invalid/"], "label"),
        ([here.replace("http:", "https:")], "TLS failed"),
        ([here, "--origin", f"{place.edges}/absent{place.path}"], "check --origin"),
    ):
        with pytest.raises(Fault, match=sentence) as raised:
            await asyncio.to_thread(run, *arguments)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"", "nothing more came in time"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "that is no HTTP"),
    ],
)
async def test_odd_servers_are_one_sentence(said: bytes, sentence: str) -> None:
    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read(1)
        writer.write(said)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Fault, match=sentence):
            await examine_edge(Asked(URL(f"http://127.0.0.1:{port}/"), None, 9, 0.2))


async def test_later_silence_is_a_finding() -> None:
    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if b"HEAD" not in request:
            part = b"HTTP/1.1 206 Part\r\nContent-Type: video/mp4\r\n"
            writer.write(part + b"Content-Range: bytes 0-1/9\r\n\r\nab")
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = URL(f"http://127.0.0.1:{port}/1.mp4")
        report = await examine_edge(Asked(url, None, 99, 5, pauses=(0,)))
    found = {each.code: each for each in report.findings}
    assert found["no-answer"].questions == ("HEAD",)
    assert "no-length" in found


def build_context(folder: Path) -> ssl.SSLContext:
    """Return that of a server whose certificate nobody signed."""
    key, certificate = f"{folder}/key", f"{folder}/certificate"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    made = ("-keyout", key, "-out", certificate, "-subj", "/CN=localhost")
    command = ["openssl", "req", "-x509", "-nodes", *curve, *made]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


@needs("openssl")
async def test_certificate_that_nobody_signed_is_named() -> None:
    with open_folder() as folder:
        context = build_context(folder)
    async with await asyncio.start_server(
        lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context
    ) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Fault, match="certificate is not valid"):
            await examine_edge(Asked(URL(f"https://localhost:{port}/"), None, 9, 5))
