"""Uploads become videos: repaired, saved in one transaction, and linked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg2

from server.admin.jobs import WORKSHOP, Workshop
from server.admin.links import parse_word, save_links
from server.admin.listing import answer
from server.admin.spool import SPOOL, Spool, Upload
from server.admin.token import guarded
from server.admin.uploads import GONE, find_copies, find_upload, parse_name, show_flaws
from server.api.bodies import Refused
from server.api.fields import choice, optional, parse_query, read_json
from server.errors import Fault
from server.library.files import show_text
from server.library.imports.files import Care, import_open
from server.library.imports.rows import (
    Imported,
    NameTaken,
    explain_refusal,
    note_results,
)
from server.postgres.queries import queries
from server.reading.store import STORE

if TYPE_CHECKING:
    from aiohttp import web

    from server.library.words.link import Target
    from server.postgres.pool import Database

_REPAIRS = {
    "none": Care(),
    "fix": Care(fix=True),
    "transcode": Care(fix=True, transcode=True),
}


@guarded
async def save_upload(request: web.Request) -> web.Response:
    """Bring an upload into the table, repaired and linked if that is asked for."""
    parse_query(request)
    asked = await read_json(
        request,
        filename=optional(parse_name),
        repair=choice(*_REPAIRS),
        link=optional(parse_word),
    )
    upload = find_upload(request)
    name = asked.get("filename") or upload.filename
    target, database = asked.get("link"), request.app[STORE].database
    if target:
        await check_word(database, target)
    care = _REPAIRS[asked.get("repair", "none")]
    if care == Care():  # or it may get another name
        await check_free(database, upload._replace(filename=name))
    workshop, spool = request.app[WORKSHOP], request.app[SPOOL]
    done = await workshop.run_heavy(save, workshop, spool, upload, name, care)
    await asyncio.to_thread(spool.drop, upload.id)
    links, link_error = await link_saved(request.app, done.video_id, target)
    return answer(
        {
            "status": done.status,
            "video_id": done.video_id,
            "bytes": done.bytes,
            "repaired": done.repaired,
            "flaws": show_flaws(done.flaws),
            "links": links,
            "link_error": link_error,
        },
        201 if done.status == "imported" else 200,
    )


async def check_free(database: Database, upload: Upload) -> None:
    """Raise Refused if other bytes have its name."""
    copies = await find_copies(database, upload)
    if copies.name_taken and not copies.exists:
        raise Refused(409, f"Video {copies.name_taken} has this name: take another.")


async def check_word(database: Database, target: Target) -> None:
    """Raise Refused if there is nothing to link to, before anything is saved."""
    [(found,)] = await database.fetch(queries()["find_word"], target._asdict())
    if not found:
        raise Refused(422, "There is no definition of this word to link to.")


def save(
    workshop: Workshop, spool: Spool, upload: Upload, name: str, care: Care
) -> Imported:
    """Bring an upload into the table in one transaction; raise Refused or Fault."""
    shown = show_text(name)
    try:
        source = spool.open(upload)
    except FileNotFoundError:
        raise Refused(404, GONE) from None
    with source, workshop.open_desk(care) as desk:
        done = Imported(shown, "rejected")
        try:
            done = import_open(desk, source, name, shown, lambda _: None)
            return done
        except psycopg2.Error as error:
            reason = explain_refusal(desk.connection, error, shown)
            raise Refused(422, reason) from error
        except OSError as error:
            raise Refused(
                507, f"The server can't repair it ({error.strerror}): make room."
            ) from error
        except Fault as fault:
            status = 409 if isinstance(fault, NameTaken) else 422
            raise Refused(status, str(fault)) from fault
        finally:
            note_results(desk.connection, [done])


async def link_saved(
    app: web.Application, video_id: int | None, target: Target | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Return what shows the video now, or why nothing does: it is saved already."""
    if target is None or video_id is None:
        return [], None
    try:
        return await save_links(app, video_id, target), None
    except Refused as refused:
        return [], refused.sentence
