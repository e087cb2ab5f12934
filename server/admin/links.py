"""Link videos to words, take links away, and delete a video with all its links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.admin.jobs import JOBS
from server.admin.listing import (
    WORD_LETTERS,
    answer,
    explain_absence,
    find_listed_video,
    read_id,
)
from server.admin.token import guarded
from server.api.bodies import parse_query, read_json
from server.api.errors import Refused
from server.api.fields import (
    TRUTH,
    FieldType,
    digits,
    nullable,
    object_of,
    text,
    whole_number,
)
from server.errors import Fault
from server.library.words.link import Link, delete_with_links, link, unlink
from server.library.words.showing import Showing
from server.library.words.target import LinkTarget, Misfit, find_misfit
from server.reading.store import STORE

if TYPE_CHECKING:
    from aiohttp import web

_WORD = text(WORD_LETTERS, shortest=1)
WORD_FIELDS = {"word": _WORD, "language": _WORD, "native": nullable(_WORD)}
FIELDS = {**WORD_FIELDS, "definition": whole_number(), "question": whole_number()}
QUERY_FIELDS = {**WORD_FIELDS, "definition": digits(), "question": digits()}
_ONE_OF = "Give one of: word with language, definition, question."
_MISFITS = {
    Misfit.NOTHING: _ONE_OF,
    Misfit.SEVERAL: _ONE_OF,
    Misfit.HALF_A_WORD: "word and language go together: give both.",
    Misfit.NATIVE_ALONE: "native goes with word and language: add them, or leave it.",
}


@guarded
async def post_links(request: web.Request) -> web.Response:
    """Add the video to what shows none or others, or make it the only one."""
    asked = await read_json(request, **FIELDS, replace=TRUTH)
    replace = asked.pop("replace", False)
    target = build_target(asked)
    video_id = read_id(request)
    await find_listed_video(request.app[STORE].database, video_id)
    links = await save_links(request.app, video_id, target, replace=replace)
    return answer({"links": links})


async def save_links(
    app: web.Application, video_id: int, target: LinkTarget, *, replace: bool = False
) -> list[dict[str, Any]]:
    """Return what became of each link; raise Refused if the target names nothing."""
    jobs = app[JOBS]
    try:
        links = await jobs.run(
            link, jobs.database_url, str(video_id), target, replace=replace
        )
    except Fault as fault:
        raise Refused(404, str(fault)) from fault
    return [show_change(each) for each in links]


@guarded
async def delete_links(request: web.Request) -> web.Response:
    """Take the video away from what shows it."""
    target = build_target(parse_query(request, **QUERY_FIELDS))
    video_id = read_id(request)
    await find_listed_video(request.app[STORE].database, video_id)
    jobs = request.app[JOBS]
    links = await jobs.run(unlink, jobs.database_url, str(video_id), target)
    return answer({"links": [show_change(each) for each in links]})


def build_target(asked: dict[str, Any]) -> LinkTarget:
    """Return what is to be linked; raise Fault unless it is exactly one thing."""
    target = LinkTarget(**asked)
    if misfit := find_misfit(target):
        raise Fault(_MISFITS[misfit])
    return target


def _read_word(value: object) -> LinkTarget:
    return build_target(_WORD_OBJECT.read(value))


_WORD_OBJECT = object_of(WORD_FIELDS)
WORD_TARGET = FieldType(_WORD_OBJECT.allowed, _read_word)
"""A word in JSON, to be linked to its definitions."""


def show_change(change: Link) -> dict[str, Any]:
    """Return what became of one link."""
    fields = change._asdict()
    return {name: fields[name] for name in (*Showing._fields, "status")}


@guarded
async def delete_video(request: web.Request) -> web.Response:
    """Delete a video; what showed it shows its others."""
    parse_query(request)
    video_id, jobs = read_id(request), request.app[JOBS]
    unlinked = await jobs.run(delete_with_links, jobs.database_url, video_id)
    if unlinked is None:
        raise explain_absence(video_id)
    shown = [each._asdict() for each in unlinked]
    return answer({"deleted": video_id, "unlinked": shown})
