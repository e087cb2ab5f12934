"""Ask an edge what players ask, in their order, and have the answers judged."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import re
from typing import TYPE_CHECKING, NamedTuple

from server.edge.answers import PART_BYTES, EdgeAnswer, EdgeProbe
from server.edge.caches import read_cache
from server.edge.client import ask, open_session
from server.edge.faults import EdgeFinding, build_finding, merge_findings
from server.edge.policies import judge_kept_error
from server.edge.refusals import find_refusal
from server.edge.verdicts import judge
from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiohttp import ClientSession
    from yarl import URL

MIB = 2**20
PAUSES = (0.0, 0.3, 1.5)
"""Seconds before asking again: an edge may still be filling, or be many machines."""

ERROR_SECONDS = 3.0
"""An error kept for as long as that is kept too long."""

_OURS = re.compile(r"(.*)(/v3/videos/)([1-9]\d*)(\.mp4)?")


class EdgeReport(NamedTuple):
    """All that was asked, and what is wrong."""

    answers: dict[str, EdgeAnswer]
    findings: list[EdgeFinding]


class Asked(NamedTuple):
    """What to ask, and how much of it."""

    url: URL
    origin: URL | None
    full_bytes: int
    timeout: float  # seconds of silence
    pauses: Sequence[float] = PAUSES
    error_pause: float = ERROR_SECONDS


async def examine_edge(asked: Asked) -> EdgeReport:
    """Ask all there is to ask; Fault if the edge or the origin cannot be reached."""
    async with open_session(asked.timeout) as session:
        probe = await ask(session, asked.url, ask_range("probe", "0-1"))
        if not probe.status:
            raise Fault(tell_unreachable(asked.url, probe))
        if refusal := find_refusal(probe):
            return EdgeReport({"probe": probe}, [refusal])
        answers = await _ask_all(session, asked, probe)
        answers |= await _ask_later(session, asked)
        origin = await _ask_origin(session, asked, answers)
    found = judge(answers, asked.url.path, origin)
    return EdgeReport(answers, merge_findings([*found, *judge_scheme(asked.url)]))


def ask_range(name: str, span: str) -> EdgeProbe:
    """Return the question for a range, such as 0-1."""
    return EdgeProbe(name, {"Range": f"bytes={span}"})


def tell_unreachable(url: URL, answer: EdgeAnswer) -> str:
    """Return a sentence about a server that never answered."""
    where = url.origin() if url.is_absolute() else url
    return f"{where} did not answer ({answer.error}): check the address and the server"


def find_middle(size: int) -> range:
    """Return a range in the middle; over the border of two slices if there are any."""
    border = max(size // 2 // MIB, 1) * MIB
    start = border - 1000 if border < size else size // 2
    return range(start, max(min(start + PART_BYTES, size), start + 1))


async def _ask_all(
    session: ClientSession, asked: Asked, probe: EdgeAnswer
) -> dict[str, EdgeAnswer]:
    size = (probe.total if probe.status == 206 else probe.length) or 2
    middle = find_middle(size)
    answers = {"probe": probe}
    for question in (
        ask_range("all of it", f"0-{size - 1}"),  # AVPlayer's second, which it drops
        ask_range("range", f"{middle[0]}-{middle[-1]}"),
        ask_range("suffix", "-500"),
        ask_range("past the end", f"{size}-"),
    ):
        answers[question.name] = await ask(session, asked.url, question)
    past = answers["past the end"].question
    answers[past.name] = await ask_for_error(session, asked, asked.url, past)
    spans = [answer.span for answer in answers.values() if answer.status == 206]
    keep = [span for span in spans if span and len(span) <= PART_BYTES]
    # What pages fetch may come compressed.
    full = EdgeProbe("full", {"Accept-Encoding": "gzip, deflate, br"})
    answers["full"] = await ask(session, asked.url, full, asked.full_bytes, keep)
    head = EdgeProbe("HEAD", method="HEAD")
    answers["HEAD"] = await ask(session, asked.url, head)
    for question in list_conditional(answers["full"], probe):
        answers[question.name] = await ask(session, asked.url, question)
    return answers


def list_conditional(*answers: EdgeAnswer) -> Iterator[EdgeProbe]:
    """Yield the question of who has the video already, if it can be asked."""
    for answer in answers:
        if tag := answer.headers.get("etag"):
            yield EdgeProbe("conditional", {"If-None-Match": tag})
            return
    for answer in answers:
        if date := answer.headers.get("last-modified"):
            yield EdgeProbe("conditional", {"If-Modified-Since": date})
            return


async def _ask_later(session: ClientSession, asked: Asked) -> dict[str, EdgeAnswer]:
    """Ask for what a cache has by now, and for what no cache should keep."""
    again = ask_range("again", "0-1")
    answers = {"again": await ask_again(session, asked, asked.url, again)}
    if ours := _OURS.fullmatch(asked.url.path):
        number = random.randrange(2_000_000_000, 2**31)
        path = f"{ours[1]}{ours[2]}{number}{ours[4] or ''}"
        absent = asked.url.with_path(path, keep_query=True)
        await ask(session, absent, EdgeProbe("missing"))
        answers["missing"] = await ask_for_error(
            session, asked, absent, EdgeProbe("missing")
        )
    return answers


async def ask_again(
    session: ClientSession, asked: Asked, url: URL, question: EdgeProbe
) -> EdgeAnswer:
    """Ask until a cache has the answer, or had the time to get it."""
    for pause in asked.pauses:
        await asyncio.sleep(pause)
        answer = await ask(session, url, question)
        if read_cache(answer.headers).state not in ("MISS", "EXPIRED"):
            break
    return answer


async def ask_for_error(
    session: ClientSession, asked: Asked, url: URL, question: EdgeProbe
) -> EdgeAnswer:
    """Ask a second time, and again when an edge may have dropped it.

    To keep an error for a second is wise: all who wait for it need not ask.
    """
    answer = await ask(session, url, question)
    if any(judge_kept_error(answer)):
        await asyncio.sleep(asked.error_pause)
        answer = await ask(session, url, question)
    return answer


async def _ask_origin(
    session: ClientSession, asked: Asked, answers: dict[str, EdgeAnswer]
) -> EdgeAnswer | None:
    if asked.origin is None:
        return None
    url = find_origin(asked.origin, asked.url)
    keep = list(answers["full"].parts)
    origin = await ask(session, url, EdgeProbe("origin"), asked.full_bytes, keep)
    if origin.status != 200 or origin.error:
        why = origin.error or f"a {origin.status}"
        raise Fault(f"the origin did not send {url} ({why}): check --origin")
    return origin


def find_origin(origin: URL, url: URL) -> URL:
    """Return where the origin has what an edge has at a URL.

    The origin's own path counts, if it has one. What stands before /v3/videos/ is the
    edge's.
    """
    if origin.path != "/":
        return origin
    _, ours, after = url.path.rpartition("/v3/videos/")
    path = f"{ours}{after}" if ours else url.path
    return origin.with_path(path, keep_query=True)


def judge_scheme(url: URL) -> list[EdgeFinding]:
    """Judge whether apps on iOS may play from there."""
    if url.scheme == "https":
        return []
    code = "http" if is_public(url.host or "") else "http-local"
    return [build_finding(code, "the URL is http, not https")]


def is_public(host: str) -> bool:
    """Report whether a name or address can be one of the internet."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        name = host.rstrip(".").lower()
        local = (".localhost", ".local", ".internal", ".test", ".lan", ".home.arpa")
        return "." in name and not name.endswith(local)
