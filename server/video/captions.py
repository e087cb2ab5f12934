"""GET and HEAD of a video's captions: WebVTT, a playlist of HLS, their languages."""

from __future__ import annotations

import hashlib
import json
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from psycopg2.errors import InsufficientPrivilege, UndefinedTable

from server.library.captions.languages import name_language, parse_language
from server.library.captions.playlist import measure_captions, render_captions_playlist
from server.model import render_date
from server.postgres.queries import queries
from server.reading.store import STORE
from server.video.handler import ID_MAX, parse_asked
from server.video.plan import (
    ANY_ORIGIN,
    Plan,
    copy_is_fresh,
    plan_error,
    precondition_holds,
    render_modified,
)
from server.video.sending import send

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohttp import web

    from server.postgres.pool import Database

FOR_A_MINUTE = "public, max-age=60"
"""Captions are edited, and whoever edits them wants to see that."""

_TYPES = {
    "vtt": "text/vtt; charset=utf-8",
    "m3u8": "application/vnd.apple.mpegurl",
    "json": "application/json; charset=utf-8",
}
_NONE = "This video has no such captions, or there is no such video"


class StoredCaptions(NamedTuple):
    """The row of find_captions."""

    video_id: int
    language: str
    modified: int | None  # seconds since the epoch; None if nobody knows
    vtt: str


class CaptionedVideo(NamedTuple):
    """A row of captions_of."""

    video_id: int
    language: str


class Document(NamedTuple):
    """What is sent: bytes of a type, told from others by their digest."""

    video_id: int
    kind: str  # vtt, m3u8 or json
    body: bytes
    modified: int | None = None

    @property
    def etag(self) -> str:
        """Return the entity tag, a strong one."""
        return f'"captions-{hashlib.sha256(self.body).hexdigest()[:32]}"'


async def get_captions(request: web.Request) -> web.StreamResponse:
    """Answer with the captions of a video in a language."""
    found = await _find(request)
    document = None
    if found is not None:
        body = found.vtt.encode()
        document = Document(found.video_id, "vtt", body, found.modified)
    return await _answer(request, document)


async def get_captions_playlist(request: web.Request) -> web.StreamResponse:
    """Answer with a media playlist that has them as its one segment."""
    found = await _find(request)
    document = None
    if found is not None:
        values = {"video_id": found.video_id}
        database = request.app[STORE].database
        rows = await database.fetch(queries()["read_duration"], values)
        seconds = max(measure_captions(found.vtt), *(each or 0 for (each,) in rows), 0)
        text = render_captions_playlist(f"{found.language}.vtt", seconds)
        document = Document(found.video_id, "m3u8", text.encode(), found.modified)
    return await _answer(request, document)


async def get_caption_list(request: web.Request) -> web.StreamResponse:
    """Answer with the languages of a video's captions."""
    video_id = int(request.match_info["id"])
    store = request.app[STORE]
    video = store.recall(video_id, monotonic())
    if video is None and video_id <= ID_MAX:
        video, _ = await store.find(video_id, 0, 0)
    if video is None:
        return await _answer(request, None)
    found = await list_captions(store.database, [video_id])
    shown = {"captions": found.get(video_id, [])}
    body = json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()
    return await _answer(request, Document(video_id, "json", body))


async def list_captions(
    database: Database, ids: Iterable[int]
) -> dict[int, list[dict[str, str]]]:
    """Return {video: [{language, label, url}]} of those videos that have captions."""
    found: dict[int, list[dict[str, str]]] = {}
    for video_id, language in await find_languages(database, ids):
        url = f"/v3/videos/{video_id}/captions/{language}.vtt"
        entry = {"language": language, "label": name_language(language), "url": url}
        found.setdefault(video_id, []).append(entry)
    return found


async def find_languages(
    database: Database, ids: Iterable[int]
) -> list[CaptionedVideo]:
    """Return the languages of these videos' captions; none without a table to read."""
    asked = sorted(set(ids))
    if not asked:
        return []
    try:
        rows = await database.fetch(queries()["captions_of"], {"ids": asked})
    except (UndefinedTable, InsufficientPrivilege):
        return []  # of a database that is older, or of others: nothing else needs it
    return [CaptionedVideo(*row) for row in rows]


async def _find(request: web.Request) -> StoredCaptions | None:
    video_id = int(request.match_info["id"])
    language = parse_language(request.match_info["language"])
    if video_id > ID_MAX or language is None:
        return None
    values = {"video_id": video_id, "language": language}
    try:
        rows = await request.app[STORE].database.fetch(
            queries()["find_captions"], values
        )
    except (UndefinedTable, InsufficientPrivilege):
        return None
    return StoredCaptions(*rows[0]) if rows else None


async def _answer(
    request: web.Request, document: Document | None
) -> web.StreamResponse:
    plan = plan_document(request.method, parse_asked(request.headers), document)
    store = request.app[STORE]
    return await send(request, plan, store, None, None, lambda span: None)


def plan_document(
    method: str, asked: Mapping[str, str], document: Document | None
) -> Plan:
    """Choose the answer in the order of RFC 9110, 13.2.2; a range is ignored."""
    if document is None:
        plan = plan_error(404, _NONE)
    elif not precondition_holds(asked, document):
        sentence = f"The captions of {document.video_id} are not in the state you name."
        plan = plan_error(412, sentence)
    elif copy_is_fresh(asked, document):
        plan = Plan(304, _shared_headers(document))
    else:
        own = {
            "Content-Type": _TYPES[document.kind],
            "Content-Length": str(len(document.body)),
            "X-Content-Type-Options": "nosniff",
        }
        plan = Plan(200, _shared_headers(document) | own, [document.body])
    return plan if method == "GET" else plan._replace(body=())


def _shared_headers(document: Document) -> dict[str, str]:
    """Return what a 304 says too (RFC 9110, 15.4.5)."""
    return {
        "Cache-Control": FOR_A_MINUTE,
        "ETag": document.etag,
        **render_modified(render_date(document.modified)),
        "Cache-Tag": f"video-{document.video_id}",
        **ANY_ORIGIN,
    }
