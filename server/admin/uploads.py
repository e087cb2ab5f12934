"""Uploads: received into a file, checked, and saved only when that is asked for."""

from __future__ import annotations

import asyncio
import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

from aiohttp import web

from server.admin.jobs import JOBS, Jobs
from server.admin.listing import answer, find_listed_video, read_id
from server.admin.spool import SPOOL, PartialUpload, Spool, Upload
from server.admin.token import guarded
from server.api.bodies import parse_query
from server.api.errors import Refused
from server.api.fields import FieldFault, FieldType, NotAllowed, required, text
from server.errors import Fault
from server.library.clips.check import FAULT, Flaw, Limits, find_worst
from server.library.clips.checking import check_media
from server.library.clips.repair import open_media, plan_repair
from server.library.clips.stored import check_videos
from server.library.files import NAME_LETTERS, check_name, name_repaired
from server.library.imports.rows import MAX_BYTES
from server.postgres.queries import queries
from server.reading.store import STORE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.library.clips.check import Repair
    from server.postgres.pool import Database

IDLE_SECONDS = 60.0  # without a byte, then an upload is given up
TOO_LARGE = f"PostgreSQL keeps at most {MAX_BYTES} bytes as one value: make it shorter."
GONE = "There is no such upload, or no longer: upload the file again."


class Copy(NamedTuple):
    """A row of find_copies."""

    id: int
    is_this: bool  # kept as it was or repaired
    has_name: bool
    has_bytes: bool


class Copies(NamedTuple):
    """The videos that are like an upload."""

    exists: int | None  # same name and bytes, or repaired from these
    name_taken: int | None  # same name, perhaps once it is repaired, other bytes
    same_bytes: list[int]


@guarded
async def post_upload(request: web.Request) -> web.Response:
    """Take a file, tell what is wrong with it, and keep it until it is saved."""
    check_encoding(request)
    asked = parse_query(request, filename=required(FILE_NAME))
    check_head(request)
    spool, jobs = request.app[SPOOL], request.app[JOBS]
    upload = await receive(request, spool, asked["filename"])
    try:
        flaws = await jobs.run_heavy(examine_upload, jobs, spool, upload)
        copies = await find_copies(
            request.app[STORE].database, upload, suggest_repair(flaws)
        )
    except BaseException:
        await asyncio.to_thread(spool.drop, upload.id)
        raise
    return answer(
        {
            "upload": upload.id,
            "filename": upload.filename,
            "bytes": upload.bytes,
            "sha256": upload.sha256,
            **copies._asdict(),
            "flaws": show_flaws(flaws),
            "repair": suggest_repair(flaws),
            "playable": find_worst(flaws) != FAULT,
        },
        201,
    )


def check_encoding(request: web.Request) -> None:
    """Raise FieldFault for bytes that are no text, which yarl takes for a plain one."""
    try:
        unquote_to_bytes(request.rel_url.raw_query_string).decode()
    except UnicodeDecodeError:
        raise FieldFault("filename", "must be text in UTF-8.") from None


def _read_name(value: object) -> str:
    name: str = _NAME_TEXT.read(value)
    if "/" in name or name in {".", ".."}:
        raise NotAllowed
    if not any(map(_is_visible, os.path.splitext(name)[0])):
        raise NotAllowed("must have a letter that can be seen before its ending.")
    try:
        check_name(Path(os.devnull, name), "it")  # in which no folder can be
    except Fault as fault:
        raise NotAllowed(f"can't be kept: {fault}.") from None
    return name


def _is_visible(letter: str) -> bool:
    return unicodedata.category(letter)[0] not in "CZ"


_NAME_TEXT = text(NAME_LETTERS, shortest=1)
FILE_NAME = FieldType(
    f"the name of a file, without folders, of 1 to {NAME_LETTERS} characters",
    _read_name,
)
"""A name that the table can keep."""


def check_head(request: web.Request) -> None:
    """Raise Refused for a body that need not be read to know that it is wrong."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(415, "Send the file as it is, without Content-Encoding.")
    if (request.content_length or 0) > MAX_BYTES:
        raise Refused(413, TOO_LARGE)


async def receive(request: web.Request, spool: Spool, filename: str) -> Upload:
    """Return the upload when all of it is in the spool; raise Refused."""
    part = None
    try:
        part = spool.begin()
        await receive_body(request, part)
        return await asyncio.to_thread(spool.keep, part, filename)
    except TimeoutError:
        raise Refused(408, "The upload came too slowly: send it again.") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Refused(400, "The upload broke off: send the file again.") from None
    except OSError as error:
        raise Refused(
            507, f"The server can't keep the upload ({error.strerror}): make room."
        ) from error
    finally:
        if part:
            await asyncio.to_thread(part.discard)  # a gigabyte may take its time


async def receive_body(request: web.Request, part: PartialUpload) -> None:
    """Write the body piece by piece; more is not read until that is done.

    Refused for one that is empty or too large, TimeoutError if it does not go on.
    """
    while True:
        async with asyncio.timeout(IDLE_SECONDS):
            piece = await request.content.readany()
        if not piece:
            break
        if part.bytes + len(piece) > MAX_BYTES:
            raise Refused(413, TOO_LARGE)
        await asyncio.to_thread(part.write, piece)
    if not part.bytes:
        raise Refused(400, "The file is empty: upload an MP4 video.")


def examine_upload(jobs: Jobs, spool: Spool, upload: Upload) -> list[Flaw]:
    """Return what is wrong with an upload."""
    with spool.open(upload) as file, jobs.open_sandbox() as sandbox:
        return check_media(open_media(file), sandbox, Limits()).flaws


async def find_copies(
    database: Database, upload: Upload, repair: Repair | None = None
) -> Copies:
    """Return which videos have the name of an upload, and which its bytes.

    Its name is also the one that it gets by a repair, if there is to be one.
    """
    repaired = name_repaired(upload.filename)
    kept = repaired if repair else upload.filename
    values = upload._asdict() | {"repaired": repaired, "kept": kept}
    rows = await database.fetch(queries()["find_copies"], values)
    copies = [Copy(*row) for row in rows]
    taken = (copy.id for copy in copies if copy.has_name and not copy.is_this)
    return Copies(
        next((copy.id for copy in copies if copy.is_this), None),
        next(taken, None),
        [copy.id for copy in copies if copy.has_bytes],
    )


def show_flaws(flaws: Iterable[Flaw]) -> list[dict[str, str | None]]:
    """Return flaws as they are told."""
    return [flaw._asdict() for flaw in flaws]


def suggest_repair(flaws: list[Flaw]) -> Repair | None:
    """Return what would help; encoding anew only where nothing less does."""
    return plan_repair(flaws, transcode=False) or plan_repair(flaws, transcode=True)


def find_upload(request: web.Request) -> Upload:
    """Return the upload in the path; raise Refused if there is none."""
    upload = request.app[SPOOL].find(request.match_info["upload"])
    if upload is None:
        raise Refused(404, GONE)
    return upload


@guarded
async def delete_upload(request: web.Request) -> web.Response:
    """Drop an upload."""
    parse_query(request)
    upload = find_upload(request)
    await asyncio.to_thread(request.app[SPOOL].drop, upload.id)
    return web.Response(status=204, headers={"Cache-Control": "no-store"})


@guarded
async def get_flaws(request: web.Request) -> web.Response:
    """Answer with what is wrong with a video, which is not read as a whole."""
    parse_query(request)
    video_id, jobs = read_id(request), request.app[JOBS]
    await find_listed_video(request.app[STORE].database, video_id)
    flaws = await jobs.run_heavy(check_video, jobs, video_id)
    return answer({"flaws": show_flaws(flaws)})


def check_video(jobs: Jobs, video_id: int) -> list[Flaw]:
    """Return what is wrong with a video in the table."""
    with jobs.open_sandbox() as sandbox:
        checked = check_videos(jobs.database_url, [str(video_id)], sandbox, Limits())
        return [flaw for _, flaws in checked for flaw in flaws]
