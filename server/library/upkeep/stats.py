"""The numbers of the library: how much there is, what is used, what might go."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg2

from server.library.clips.check import Limits
from server.library.files import show_text
from server.library.report import render_rows
from server.library.upkeep.first_frames import FIRST_FRAME_MS
from server.postgres.plain import first_line
from server.postgres.refusals import opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg2.extensions import cursor as Cursor

    from server.postgres.rows import Row


class Section(NamedTuple):
    """A table of the report."""

    title: str
    query: str
    single: bool = False  # has one row at most, and is that row in JSON
    values: Mapping[str, object] = {}  # what the query takes besides limits
    without: tuple[str, ...] = ()  # columns that are not shown


PARTS = {
    "videos": Section("Videos", "count_videos", single=True),
    "disk": Section("On disk", "measure_table", single=True),
    "links": Section("Shown by", "count_links", single=True),
    "verified": Section("Verified", "count_verified", single=True),
    "levels": Section("Levels by state", "count_encodings"),
    "views": Section("Watched within so many days", "count_views"),
    "most_viewed": Section("Most watched within 28 days", "list_most_viewed"),
    "playback": Section(
        "Played within 28 days, by network",
        "measure_playback",
        values={"by": "network", "bounds": list(FIRST_FRAME_MS)},
        without=("video_id",),
    ),
    "most_troubled": Section(
        "Clips that stalled or failed most within 28 days",
        "measure_playback",
        values={"by": "video", "bounds": list(FIRST_FRAME_MS)},
        without=("video_id",),
    ),
    "languages": Section("Languages", "count_languages"),
    "captions": Section("Captions", "count_captions"),
    "most_used": Section("Most used", "list_most_used"),
    "over_limits": Section("Over the limits of a clip", "list_over_limits"),
    "duplicates": Section("Same bytes", "list_duplicates"),
    "unlinked": Section("Shown by nothing", "list_unlinked"),
}


class Stats(NamedTuple):
    """The rows of each part, and why there are none of the others."""

    parts: dict[str, list[Row]]
    skipped: dict[str, str]

    def as_json(self) -> dict[str, object]:
        """Return all as one object: a list a part, a single row as itself."""
        found = {
            name: next(iter(rows), None) if PARTS[name].single else rows
            for name, rows in self.parts.items()
        }
        return {**found, "skipped": self.skipped}


def read_stats(url: str, limits: Limits | None = None) -> Stats:
    """Return what the database can tell; what it lacks, or denies us, is skipped.

    Fault if it does not answer or has no videos to read.
    """
    limits = limits or Limits()
    values: Row = {"bytes": limits.bytes, "seconds": limits.seconds}
    stats = Stats({}, {})
    with opening(url) as connection, connection.cursor() as cursor:
        for name, part in PARTS.items():
            try:
                stats.parts[name] = _read_section(cursor, part, values)
            except psycopg2.ProgrammingError as error:
                if name == "videos":
                    raise
                stats.skipped[name] = first_line(error)
            connection.rollback()
    return stats


def _read_section(cursor: Cursor, part: Section, values: Row) -> list[Row]:
    rows = read_rows(cursor, part.query, {**values, **part.values})
    return [
        {name: value for name, value in row.items() if name not in part.without}
        for row in rows
    ]


def render_stats(stats: Stats) -> list[str]:
    """Return tables, and what was skipped."""
    lines: list[str] = []
    for name, rows in stats.parts.items():
        count = "" if PARTS[name].single or not rows else f" ({len(rows):,})"
        lines += [PARTS[name].title + count]
        lines += [f"  {line}" for line in (render_rows(rows) if rows else ["none"])]
        lines += [""]
    lines += [f"no {name}: {show_text(why)}" for name, why in stats.skipped.items()]
    return lines
