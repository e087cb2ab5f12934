"""What there is: numbers, pages of videos, one video, words to link to."""

from __future__ import annotations

import json
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import web
from psycopg2.errors import InsufficientPrivilege, UndefinedTable

from server.admin.token import guarded
from server.api.bodies import parse_query
from server.api.errors import Refused
from server.api.fields import choice, digits, text
from server.library.files import NAME_LETTERS
from server.library.words.showing import Showing
from server.postgres.queries import queries
from server.reading.store import STORE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.postgres.pool import Database

PAGE_VIDEOS = 50
PAGE_MAX = 1_000_000
SORTS = ("newest", "oldest", "name", "size", "duration", "views")
FLAW_LETTERS = 50
WORDS_MAX = 20
WORD_LETTERS = 500
HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_OF_CACHE = ("held_bytes", "limit_bytes", "hits", "misses")
_STARTED = monotonic()


class LibraryCounts(NamedTuple):
    """The row of count_library."""

    videos: int
    bytes: int
    levels: int
    level_bytes: int
    table_bytes: int | None  # None of a view
    linked: int  # shown by anything
    without_thumbnail: int
    views_today: dict[str, int]  # by how far they went
    version: str  # of PostgreSQL


class PageRow(NamedTuple):
    """A row of list_page."""

    total: int  # videos of what is asked for
    video: dict[str, Any] | None  # a ListedVideo; None if the page is empty


class VideoDetails(NamedTuple):
    """The row of read_details."""

    sha256: str | None  # hexadecimal
    views: dict[str, int]  # by how far they went


class ListedVideo(NamedTuple):
    """A video as lists show it."""

    id: int
    filename: str
    mime_type: str
    bytes: int
    duration_seconds: int | None
    created_at: str | None  # of UTC, in ISO 8601; None if there is no date to tell
    thumbnail: bool
    links: int
    views: int


class ListedEncoding(NamedTuple):
    """A row of list_encodings: a level that is there, to be made, or was not kept."""

    video_id: int  # of the original
    height: int  # pixels of the shorter side
    state: str  # queued, encoding, ready, failed, cancelled or not-kept
    progress: float  # from 0 to 1
    reason: str | None  # why it failed or was not kept
    level_id: int | None  # of the level's own video
    bytes: int | None
    bit_rate: int | None  # bits per second


class LinkableDefinition(NamedTuple):
    """A definition that a video can be linked to: a row of complete_words."""

    word: str
    language: str
    native: str
    definition_id: int
    definition_text: str
    videos: int


def answer(fields: Mapping[str, object], status: int = 200) -> web.Response:
    """Return an answer as JSON."""
    body = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    return web.Response(status=status, body=body, headers=HEADERS)


@guarded
async def get_overview(request: web.Request) -> web.Response:
    """Answer with numbers of the library, and how the server is."""
    parse_query(request)
    store = request.app[STORE]
    [row] = await store.database.fetch(queries()["count_library"], {})
    counts = LibraryCounts(*row)
    health = {
        "database": counts.version,
        "uptime_seconds": round(monotonic() - _STARTED),
        "connections": store.database.counts._asdict(),
        "cache": {name: getattr(store.cache, name) for name in _OF_CACHE},
    }
    return answer(
        {
            "videos": counts.videos,
            "bytes": counts.bytes,
            "levels": counts.levels,
            "level_bytes": counts.level_bytes,
            "table_bytes": counts.table_bytes,
            "linked": counts.linked,
            "unlinked": counts.videos - counts.linked,
            "without_thumbnail": counts.without_thumbnail,
            "views_today": counts.views_today,
            "health": health,
        }
    )


@guarded
async def get_videos(request: web.Request) -> web.Response:
    """Answer with one page of the videos."""
    asked = parse_query(
        request,
        search=text(NAME_LETTERS),
        sort=choice(*SORTS),
        filter=choice("all", "unlinked"),
        flaw=text(FLAW_LETTERS, shortest=1),
        page=digits(PAGE_MAX),
    )
    database = request.app[STORE].database
    page = asked.pop("page", 1)
    if flaw := asked.pop("flaw", None):  # else the table of checks need not be there
        rows = await database.fetch(queries()["find_clips_by_flaw"], {"flaw": flaw})
        asked["only"] = [video_id for (video_id,) in rows]
    start = (page - 1) * PAGE_VIDEOS
    total, entries = await list_page(database, **asked, start=start)
    levels = await list_encodings(database, [entry.id for entry in entries])
    return answer(
        {
            "total": total,
            "page": page,
            "pages": -(-total // PAGE_VIDEOS),
            "videos": [
                entry._asdict() | {"levels": levels.get(entry.id, [])}
                for entry in entries
            ],
        }
    )


async def list_page(
    database: Database, **asked: object
) -> tuple[int, list[ListedVideo]]:
    """Return how many videos there are of what is asked for, and one page of them."""
    everything = {
        "id": None,
        "only": None,
        "search": "",
        "sort": "newest",
        "filter": "all",
        "start": 0,
        "count": PAGE_VIDEOS,
    }
    found = await database.fetch(queries()["list_page"], everything | asked)
    rows = [PageRow(*row) for row in found]
    return rows[0].total, [ListedVideo(**row.video) for row in rows if row.video]


async def list_encodings(
    database: Database, ids: Sequence[int]
) -> dict[int, list[dict[str, object]]]:
    """Return the levels of videos in all states; none where there is no such table."""
    try:
        rows = await database.fetch(queries()["list_encodings"], {"ids": list(ids)})
    except (UndefinedTable, InsufficientPrivilege):
        return {}
    found: dict[int, list[dict[str, object]]] = {}
    for row in rows:
        fields = ListedEncoding(*row)._asdict()
        found.setdefault(fields.pop("video_id"), []).append(fields)
    return found


@guarded
async def get_details(request: web.Request) -> web.Response:
    """Answer with all about one video."""
    parse_query(request)
    database, video_id = request.app[STORE].database, read_id(request)
    entry = await find_listed_video(database, video_id)
    asked = {"id": video_id}
    rows = await database.fetch(queries()["read_details"], asked)
    if not rows:
        raise explain_absence(video_id)
    details = VideoDetails(*rows[0])
    links = await database.fetch(queries()["list_showing"], asked)
    levels = await list_encodings(database, [video_id])
    return answer(
        entry._asdict()
        | {
            "levels": levels.get(video_id, []),
            "sha256": details.sha256,
            "links": [Showing(*row)._asdict() for row in links],
            "views": details.views,
        }
    )


def read_id(request: web.Request) -> int:
    """Return the id in the path."""
    return int(request.match_info["id"])


async def find_listed_video(database: Database, video_id: int) -> ListedVideo:
    """Return a video; raise Refused if there is none."""
    _, entries = await list_page(database, id=video_id)
    if not entries:
        raise explain_absence(video_id)
    return entries[0]


def explain_absence(video_id: int) -> Refused:
    """Return that a video is gone, or never was."""
    return Refused(404, f"There is no video {video_id}.")


@guarded
async def get_words(request: web.Request) -> web.Response:
    """Answer with the definitions of words that begin like this."""
    asked = parse_query(request, prefix=text(WORD_LETTERS), language=text(WORD_LETTERS))
    values = {"prefix": "", "language": None, "limit": WORDS_MAX} | asked
    rows = await request.app[STORE].database.fetch(queries()["complete_words"], values)
    return answer({"words": [LinkableDefinition(*row)._asdict() for row in rows]})
