"""Ask an edge what HLS players ask, in their order, and have the answers judged."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from yarl import URL

from server.edge.answers import EdgeAnswer, EdgeProbe
from server.edge.client import ask, open_session
from server.edge.examine import (
    Asked,
    EdgeReport,
    ask_again,
    ask_for_error,
    ask_range,
    judge_scheme,
    tell_unreachable,
)
from server.edge.faults import EdgeFinding, build_finding, merge_findings
from server.edge.playlists import (
    PLAYLIST_BYTES,
    WHOLE,
    Part,
    find_variant,
    judge_first_box,
    judge_playlist,
    judge_same,
    read_media,
    unpack,
)
from server.edge.policies import judge_cache, judge_headers, judge_kept_error
from server.edge.refusals import find_refusal
from server.edge.verdicts import (
    drop_consequences,
    judge_end,
    judge_missing,
    judge_range,
)
from server.errors import Fault
from server.library.files import show_text

if TYPE_CHECKING:
    from aiohttp import ClientSession

_PACKED = {"Accept-Encoding": "gzip"}


class PlaylistExaminer:
    """Follows a playlist as a player does, and collects what is wrong on the way."""

    def __init__(self, session: ClientSession, asked: Asked) -> None:
        self._session = session
        self._asked = asked
        self._most = max(asked.full_bytes, PLAYLIST_BYTES)
        self.answers: dict[str, EdgeAnswer] = {}
        self.found: list[EdgeFinding] = []

    async def follow(self) -> None:
        """Ask for a playlist, for that of its first variant, and for a segment."""
        url = self._asked.url
        text = await self._take_playlist("playlist", url)
        variant = find_variant(text) if text else None
        if variant is not None:
            url = join(url, variant)
            text = await self._take_playlist("media", url)
        media = read_media(text) if text else None
        if media is not None:
            await self._take_part("init", url, media.init, b"ftyp")
            await self._take_part("segment", url, media.segment, b"moof")
            segment = self.answers["segment"].question.headers
            there = join(url, media.segment.uri)
            await self._take_again(there, EdgeProbe("again", segment))
            await self._take_again(url, EdgeProbe("playlist again", _PACKED))
        elif text:
            sentence = f"{url} names no init section and segments by their ranges"
            self.found.append(build_finding("no-playlist", sentence, "playlist"))
        await self._take_missing()

    async def _take_playlist(self, name: str, url: URL) -> str | None:
        """Ask for a playlist as it is and compressed; return its text."""
        plain = await self._ask(url, EdgeProbe(name))
        if not plain.status and name == "playlist":
            raise Fault(tell_unreachable(url, plain))
        if plain.error:
            return None  # which is a finding already
        text = unpack(plain)
        if plain.status != 200 or text is None:
            self.found.append(explain_refusal(plain))
            return None
        packed = await self._ask(url, EdgeProbe(f"{name} packed", _PACKED))
        origin = await self._ask_origin(url, EdgeProbe(name))
        self.found += judge_playlist(plain, packed, origin)
        return text

    async def _take_part(self, name: str, base: URL, part: Part, kind: bytes) -> None:
        """Ask for a range that a playlist names; kind is its first box."""
        url = join(base, part.uri)
        probe = ask_range(name, f"{part.span.start}-{part.span.stop - 1}")
        answer = await self._ask(url, probe)
        if answer.status not in (0, 200, 206):
            self.found += filter(None, [find_refusal(answer)])
            return
        self.found += judge_range(answer, answer.total, answer)
        self.found += judge_headers([answer])
        self.found += judge_first_box(answer, kind)
        self.found += judge_same(answer, await self._ask_origin(url, probe))

    async def _take_again(self, url: URL, probe: EdgeProbe) -> None:
        """Ask as the next viewer would."""
        answer = await ask_again(self._session, self._asked, url, probe)
        self.answers[probe.name] = answer
        self.found += judge_cache(answer, url.path, answer.total)

    async def _take_missing(self) -> None:
        """Ask twice for a playlist that does not exist: no cache should keep that."""
        url = self._asked.url
        before, ours, _ = url.path.rpartition("/v3/videos/")
        if not ours:
            return
        number = random.randrange(2_000_000_000, 2**31)
        absent = url.with_path(f"{before}{ours}{number}/{url.name}")
        probe = EdgeProbe("missing")
        await ask(self._session, absent, probe)
        answer = await ask_for_error(self._session, self._asked, absent, probe)
        self.answers["missing"] = answer
        self.found += judge_missing(answer)
        self.found += judge_kept_error(answer)

    async def _ask(self, url: URL, probe: EdgeProbe) -> EdgeAnswer:
        answer = await ask(self._session, url, probe, self._most, (WHOLE,))
        self.answers[probe.name] = answer
        self.found += judge_end(answer)
        return answer

    async def _ask_origin(self, url: URL, probe: EdgeProbe) -> EdgeAnswer | None:
        if self._asked.origin is None:
            return None
        there = move(url, self._asked.origin)
        answer = await ask(self._session, there, probe, self._most, (WHOLE,))
        if answer.status not in (200, 206) or answer.error:
            why = answer.error or f"a {answer.status}"
            raise Fault(f"the origin did not send {there} ({why}): check --origin")
        return answer


def join(base: URL, address: str) -> URL:
    """Return where an address in a playlist leads; Fault for one that is none."""
    try:
        return URL(urljoin(str(base), address))  # yarl's own unquotes the base
    except ValueError as error:
        shown = show_text(address)
        raise Fault(f"{base} names {shown} ({error}): see what changed it") from None


def move(url: URL, origin: URL) -> URL:
    """Return where an origin has what an edge has; before /v3/videos/ is its own."""
    before, ours, _ = origin.path.rpartition("/v3/videos/")
    _, videos, after = url.path.rpartition("/v3/videos/")
    base = before if ours else origin.path.rstrip("/")
    path = f"{base}{videos}{after}" if videos else url.path
    return origin.with_path(path).with_query(url.query)


async def examine_playlists(asked: Asked) -> EdgeReport:
    """Ask for a playlist and what it leads to; Fault if nobody answers."""
    async with open_session(asked.timeout) as session:
        examiner = PlaylistExaminer(session, asked)
        await examiner.follow()
    found = [*drop_consequences(examiner.found), *judge_scheme(asked.url)]
    return EdgeReport(examiner.answers, merge_findings(found))


def explain_refusal(answer: EdgeAnswer) -> EdgeFinding:
    """Return why what came is no playlist."""
    name = answer.question.name
    refusal = find_refusal(answer)
    if refusal is None or refusal.code in ("no-video", "wrong-status"):
        kind = answer.headers.get("content-type", "of no type")
        sentence = f"what came ({answer.status}, {kind}) is no playlist"
        return build_finding("no-playlist", sentence, name)
    code = find_code(answer)
    if code is None:
        return refusal
    sentence = f"HLS can't play this video ({code})"
    remedy = "bytereel check with its id tells what helps"
    return refusal._replace(sentence=sentence, remedy=remedy)


def find_code(answer: EdgeAnswer) -> str | None:
    """Return why the origin has no HLS of a video, as its 404 names it."""
    try:
        told = json.loads(answer.body)
    except ValueError:
        return None
    code = told.get("code") if isinstance(told, dict) else None
    return code if isinstance(code, str) else None
