"""A library with small clips, and what is in its tables of levels."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2

from server.library.imports.files import import_paths
from tests.clips import Kind, make

if TYPE_CHECKING:
    from pathlib import Path

# With a ladder of 144, a level of it is worth keeping.
LARGE = Kind(
    width=320, height=240, frames=30, gop=10, audio=None, options=(("crf", "1"),)
)


def bring(url: str, folder: Path, *kinds: Kind) -> list[int]:
    """Return the ids of clips of these kinds that were made and imported."""
    folder.mkdir(exist_ok=True)
    paths = [
        make(folder / f"clip{number}.mp4", kind) for number, kind in enumerate(kinds)
    ]
    ids = [done.video_id for done in import_paths(url, paths, progress=False)]
    return [video_id for video_id in ids if video_id is not None]


def run(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as database, database.cursor() as cursor:
        database.autocommit = True
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def queue(url: str, *heights: int) -> None:
    run(
        url,
        "INSERT INTO encodings (video_id, height)"
        " SELECT id, unnest(%s) FROM videos WHERE NOT is_level ORDER BY id",
        list(heights),
    )


def list_states(url: str) -> list[str]:
    rows = run(url, "SELECT state FROM encodings ORDER BY id")
    return [state for (state,) in rows]
