"""Captions of a video: list them, keep what is sent, delete them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.admin.jobs import JOBS
from server.admin.listing import answer, find_listed_video, read_id
from server.admin.token import guarded
from server.api.bodies import parse_query, read_body
from server.api.errors import Refused
from server.errors import Fault
from server.library.captions.blocks import MAX_BYTES
from server.library.captions.languages import name_language, need_language
from server.library.captions.parse import Captions, parse_captions
from server.library.captions.rows import (
    delete_captions,
    find_late,
    list_captions,
    save_captions,
)
from server.postgres.refusals import opening
from server.reading.store import STORE

if TYPE_CHECKING:
    from aiohttp import web

KINDS = ("text/vtt", "application/x-subrip", "text/plain")


@guarded
async def get_video_captions(request: web.Request) -> web.Response:
    """Answer with what there is in each language."""
    parse_query(request)
    video_id, jobs = read_id(request), request.app[JOBS]
    await find_listed_video(request.app[STORE].database, video_id)
    captions = await jobs.run(_list, jobs.database_url, video_id)
    return answer({"captions": captions})


@guarded
async def put_captions(request: web.Request) -> web.Response:
    """Keep the text of the body, as WebVTT or SubRip, in place of what there was."""
    parse_query(request)
    language = _read_language(request)
    video_id, jobs = read_id(request), request.app[JOBS]
    data = await read_body(request, MAX_BYTES, KINDS)
    try:
        captions = await jobs.run(parse_captions, data, "the text")
    except Fault as fault:
        raise Refused(400, _write_sentence(fault)) from fault
    await find_listed_video(request.app[STORE].database, video_id)
    status, warning = await jobs.run(
        _save, jobs.database_url, video_id, language, captions
    )
    return answer(
        {
            "status": status,
            "language": language,
            "label": name_language(language),
            "cues": len(captions.cues),
            "warning": warning,
        }
    )


@guarded
async def remove_captions(request: web.Request) -> web.Response:
    """Delete what there is in a language."""
    parse_query(request)
    language = _read_language(request)
    video_id, jobs = read_id(request), request.app[JOBS]
    await find_listed_video(request.app[STORE].database, video_id)
    if not await jobs.run(_delete, jobs.database_url, video_id, language):
        raise Refused(404, f"Video {video_id} has no captions in {language}.")
    return answer({"deleted": language})


def _read_language(request: web.Request) -> str:
    try:
        return need_language(request.match_info["language"])
    except Fault as fault:
        raise Refused(400, _write_sentence(fault)) from fault


def _write_sentence(fault: Fault) -> str:
    text = str(fault)
    return f"{text[0].upper()}{text[1:]}."


def _list(url: str, video_id: int) -> list[dict[str, Any]]:
    with opening(url) as connection, connection.cursor() as cursor:
        return [
            {**each._asdict(), "label": name_language(each.language)}
            for each in list_captions(cursor, video_id)
        ]


def _save(
    url: str, video_id: int, language: str, captions: Captions
) -> tuple[str, str | None]:
    """Return what became of captions, and a warning about them."""
    with opening(url) as connection, connection, connection.cursor() as cursor:
        late = find_late(cursor, video_id, captions)
        return save_captions(cursor, video_id, language, captions.vtt), late


def _delete(url: str, video_id: int, language: str) -> bool:
    with opening(url) as connection, connection, connection.cursor() as cursor:
        return delete_captions(cursor, video_id, language)
