"""Uploads become videos: repaired, saved in one transaction, and linked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg2
from aiohttp import web

from server.admin.jobs import JOBS, Jobs
from server.admin.links import WORD_TARGET, save_links
from server.admin.listing import answer
from server.admin.spool import SPOOL, Spool, Upload
from server.admin.token import guarded
from server.admin.uploads import FILE_NAME, GONE, find_copies, find_upload, show_flaws
from server.api.bodies import parse_query, read_json
from server.api.errors import Refused
from server.api.fields import choice, nullable
from server.errors import Fault
from server.library.clips.checking import blame_ourselves
from server.library.ffmpeg.sandbox import SandboxFault, explain_bug
from server.library.files import show_text
from server.library.imports.files import import_open
from server.library.imports.importer import RepairPolicy
from server.library.imports.repairing import FlawFault
from server.library.imports.rows import (
    Imported,
    NameTaken,
    explain_refusal,
    note_results,
)
from server.library.temporary import FolderFull
from server.postgres.queries import queries
from server.reading.store import STORE

if TYPE_CHECKING:
    from server.library.clips.check import Flaw
    from server.library.words.target import LinkTarget
    from server.postgres.pool import Database

_REPAIRS = {
    "none": RepairPolicy(),
    "fix": RepairPolicy(fix=True),
    "transcode": RepairPolicy(fix=True, transcode=True),
}


class Compression(NamedTuple):
    """How uploads become smaller."""

    levels: tuple[int, ...] = ()  # heights of the smaller encodings to queue
    repair: str = "none"  # of those that say nothing


UNCOMPRESSED = Compression()
COMPRESSION: web.AppKey[Compression] = web.AppKey("compression")


def plan_compression(choice: str, ladder: tuple[int, ...]) -> Compression:
    """Return what a choice of COMPRESSIONS means for uploads."""
    policy = RepairPolicy().compressing(choice, ladder)
    return Compression(policy.levels, "transcode" if policy.transcode else "none")


@guarded
async def save_upload(request: web.Request) -> web.Response:
    """Bring an upload into the table, repaired and linked if that is asked for."""
    parse_query(request)
    asked = await read_json(
        request,
        filename=nullable(FILE_NAME),
        repair=choice(*_REPAIRS),
        link=nullable(WORD_TARGET),
    )
    upload = find_upload(request)
    name = asked.get("filename") or upload.filename
    target, database = asked.get("link"), request.app[STORE].database
    if target:
        await check_word(database, target)
    compression = request.app[COMPRESSION]
    chosen = asked.get("repair", compression.repair)
    policy = _REPAIRS[chosen]._replace(levels=compression.levels)
    if not policy.repairs:  # or it may get another name
        await check_free(database, upload._replace(filename=name))
    jobs, spool = request.app[JOBS], request.app[SPOOL]
    done = await jobs.run_heavy(save, jobs, spool, upload, name, policy)
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


async def check_word(database: Database, target: LinkTarget) -> None:
    """Raise Refused if there is nothing to link to, before anything is saved."""
    [(found,)] = await database.fetch(queries()["find_word"], target._asdict())
    if not found:
        raise Refused(422, "There is no definition of this word to link to.")


def save(
    jobs: Jobs, spool: Spool, upload: Upload, name: str, policy: RepairPolicy
) -> Imported:
    """Bring an upload into the table in one transaction; raise Refused or Fault."""
    shown = show_text(name)
    try:
        source = spool.open(upload)
    except FileNotFoundError:
        raise Refused(404, GONE) from None
    with source, jobs.open_importer(policy) as importer:
        done = Imported(shown, "rejected")
        try:
            done = import_open(importer, source, name, shown, lambda _: None)
            return done
        except psycopg2.Error as error:
            reason = explain_refusal(importer.connection, error, shown)
            raise Refused(422, reason) from error
        except OSError as error:
            raise Refused(
                507, f"The server can't repair it ({error.strerror}): make room."
            ) from error
        except FolderFull as fault:
            raise Refused(507, f"{shown} was not repaired, for {fault}.") from fault
        except SandboxFault as fault:
            raise Refused(422, blame_ourselves(fault).tell(shown)) from fault
        except FlawFault as fault:
            raise Refused(422, _name_choice(fault.flaw).tell(shown)) from fault
        except Fault as fault:
            status = 409 if isinstance(fault, NameTaken) else 422
            raise Refused(status, str(fault)) from fault
        except Exception as error:  # of ours: the answer is a sentence all the same
            flaw = blame_ourselves(explain_bug(error))
            raise Refused(422, flaw.tell(shown)) from error
        finally:
            note_results(importer.connection, [done])


def _name_choice(flaw: Flaw) -> Flaw:
    """Return a flaw whose remedy is a choice of this route, if one helps."""
    if flaw.repair is None:
        return flaw
    return flaw._replace(remedy=f'save it with "repair": "{flaw.repair}"')


async def link_saved(
    app: web.Application, video_id: int | None, target: LinkTarget | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Return what shows the video now, or why nothing does: it is saved already."""
    if target is None or video_id is None:
        return [], None
    try:
        return await save_links(app, video_id, target), None
    except Refused as refused:
        return [], refused.sentence
